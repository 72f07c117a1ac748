"""nanoGPT's setting for a CPU: the time to its published loss, beside nanoGPT itself.

4 layers, width 128, 4 heads, batches of 12 rows of 64 characters of tinyshakespeare;
ours by Muon as `examples/pretrain_gpt.py --tokenizer=bytes --steps=500`, nanoGPT with
its own settings and 2,000 updates on torch in the same run. Both are measured twenty
times by one loop, on a quarter of the text's last tenth. That is no part of the time;
compilation is. One that does not reach the loss has the time of all its updates.
Needs the folder that MASSIVETEXT_DATA names.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from common import compete, on_torch, our_precision, print_ratios
from gpt import Shape, keras_logits, nano_gpt_lm, torch_logits
from shakespeare import (
    characters,
    learning_rate,
    nats,
    path,
    random_windows,
    windows,
)

LAYERS, WIDTH, HEADS, LENGTH, ROWS = 4, 128, 4, 64, 12
OUR_UPDATES, UPDATES, MEASURED = 500, 2000, 20
PUBLISHED = 1.8857  # nats, nanoGPT's


class Race:
    """Times updates until the published loss is reached.

    Args:
        logits: see `shakespeare.nats`.
        rows: to measure on.
        updates: that there will be.
    """

    def __init__(self, logits: Callable, rows, updates: int):
        self.logits, self.rows, self.updates = logits, rows, updates
        self.spent, self.reached, self.loss = 0.0, None, float("inf")
        self.begin = time.perf_counter()

    def pause(self) -> None:
        """Measures, while the clock stands."""
        self.spent += time.perf_counter() - self.begin
        self.loss = nats(self.logits, self.rows)
        if self.reached is None and self.loss <= PUBLISHED:
            self.reached = self.spent
        self.begin = time.perf_counter()

    def results(self) -> dict[str, float]:
        return {
            f"to {PUBLISHED} nats, s": self.reached or self.spent,
            "last loss, nats": self.loss,
            "updates/s": self.updates / self.spent,
        }


def ours() -> dict[str, float]:
    import keras

    import massivetext_keras as mtk

    mtk.training.set_precision(our_precision())
    keras.utils.set_random_seed(0)
    tokenizer = mtk.tokenizers.ByteTokenizer()
    shape = Shape(tokenizer.vocabulary_size, LAYERS, WIDTH, HEADS, LENGTH, 0.0)
    lm = mtk.tasks.CausalLM(shape.config, tokenizer)
    lm.compile(
        mtk.training.make_optimizer(
            "muon", 0.015, warmup_steps=OUR_UPDATES // 20, total_steps=OUR_UPDATES
        )
    )
    train, _ = lm.datasets(
        str(path()), batch_size=ROWS, sequence_length=LENGTH, validation_fraction=0.1
    )
    text = path().read_text()
    ids = tokenizer(text[len(text) * 9 // 10 :]).numpy()
    race = Race(keras_logits(lm, mask=False), windows(ids, LENGTH)[::4], OUR_UPDATES)
    pauses = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: race.pause())
    lm.fit(
        train,
        steps_per_epoch=OUR_UPDATES // MEASURED,
        epochs=MEASURED,
        callbacks=[pauses],
        verbose=0,
    )
    return race.results()


def nano_gpt() -> dict[str, float]:
    import torch
    from nanogpt_torch import optimizer_for, train_step

    torch.manual_seed(0)
    train, valid = characters()
    model = nano_gpt_lm(Shape(65, LAYERS, WIDTH, HEADS, LENGTH, 0.0))
    optimizer = optimizer_for(model, 1e-3)
    batches = torch.tensor(random_windows(train, UPDATES, ROWS, LENGTH)).long()
    race = Race(torch_logits(model), windows(valid, LENGTH)[::4], UPDATES)
    for update, rows in enumerate(batches, 1):
        rate = learning_rate(update, UPDATES, 1e-3)
        train_step(model, optimizer, rows[:, :-1], rows[:, 1:], rate)
        if update % (UPDATES // MEASURED) == 0:
            race.pause()
    return race.results()


CONTESTANTS = {"ours": ours, "nanogpt": on_torch(nano_gpt)}

if __name__ == "__main__":
    best = compete(__file__, CONTESTANTS)
    for measurement in best["ours"]:
        print_ratios(best, "ours", measurement)
