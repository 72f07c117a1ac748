from __future__ import annotations

import contextlib
import hashlib
import json
import re
import resource
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
import safetensors.numpy

from massivetext_keras.training import Checkpoint, adamw
from tests.processes import last_line_of
from tests.tasks.tiny import TINY
from tests.training.tiny import TinyLM, batches

DROPOUT = TINY.replace(num_layers=1, dropout=0.2)


def built(seed: int = 0, config=DROPOUT) -> TinyLM:
    keras.utils.set_random_seed(seed)
    model = TinyLM(config)
    model.compile(adamw(0.02, warmup_steps=2, total_steps=6))
    return model


def train(model, start, stop, *callbacks, **options):
    data = batches(start, stop)
    model.fit(data, callbacks=list(callbacks), verbose=0, **options)
    return model


def pretend(model, start, stop, callback) -> TinyLM:
    """Calls what `fit` calls, but trains by adding one to a weight."""
    model.optimizer.build(model.trainable_variables)
    callback.set_model(model)
    callback.on_train_begin()
    callback.on_epoch_begin(0)
    for i in range(stop - start):
        model.optimizer.iterations.assign_add(1)
        model.trainable_variables[0].assign(model.trainable_variables[0] + 1.0)
        callback.on_train_batch_end(i)
    callback.on_train_end()
    return model


def values(model) -> list[np.ndarray]:
    return [v.numpy() for v in model.variables + model.optimizer.variables]


def assert_equal(model, other):
    for a, b in zip(values(model), values(other), strict=True):
        np.testing.assert_array_equal(a, b)


def names(folder) -> list[str]:
    return sorted(p.name for p in (folder / "checkpoints").iterdir())


@pytest.fixture(scope="module")
def straight() -> TinyLM:
    """Trained for six steps without a stop."""
    return train(built(), 0, 6)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory) -> tuple[TinyLM, Path]:
    """Trained for the first three of them, and its folder."""
    folder = tmp_path_factory.mktemp("stopped")
    return train(built(), 0, 3, Checkpoint(folder)), folder


@pytest.fixture(scope="module")
def resumed() -> TinyLM:
    """What checkpoints are read into, again and again."""
    return built(seed=99)


def test_resumed_is_uninterrupted_bit_for_bit(tmp_path, straight, stopped, resumed):
    saved, folder = stopped
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    assert (values(resumed)[0] != values(saved)[0]).any()
    callback = Checkpoint(tmp_path)
    assert callback.restore(resumed) == 3
    assert_equal(resumed, saved)
    train(resumed, 3, 6, callback)
    assert int(resumed.optimizer.iterations.numpy()) == 6
    assert_equal(resumed, straight)
    assert names(tmp_path) == ["step_00000003", "step_00000006"]


@pytest.mark.slow
def test_dropout_goes_on_where_it_was(straight, stopped, resumed):
    Checkpoint(stopped[1]).restore(resumed)
    seed = resumed.randomness.state
    seed.assign(seed.numpy() + 1)
    train(resumed, 3, 6)
    pairs = zip(values(resumed), values(straight), strict=True)
    assert not all((a == b).all() for a, b in pairs)


@pytest.mark.slow
def test_another_process_resumes_bit_for_bit(tmp_path, straight, stopped):
    shutil.copytree(stopped[1], tmp_path, dirs_exist_ok=True)
    program = (
        "import sys; from tests.training.callbacks import test_checkpoint as t\n"
        "model = t.built(seed=5)\n"
        "callback = t.Checkpoint(sys.argv[1])\n"
        "t.train(model, callback.restore(model), 6, callback)\n"
        "print(6)"
    )
    assert last_line_of("-c", program, str(tmp_path)) == 6
    resumed = built(seed=1)
    assert Checkpoint(tmp_path).restore(resumed) == 6
    assert_equal(resumed, straight)


def test_nothing_to_restore(tmp_path):
    model = built()
    before = [v.numpy() for v in model.variables]
    assert Checkpoint(tmp_path).restore(model) == 0
    for a, v in zip(before, model.variables, strict=True):
        np.testing.assert_array_equal(a, v.numpy())
    with pytest.raises(ValueError, match="compile the model"):
        Checkpoint(tmp_path).restore(TinyLM())


def test_what_is_written(tmp_path):
    model = pretend(built(), 0, 5, Checkpoint(tmp_path, every=2, keep=2))
    assert names(tmp_path) == ["step_00000004", "step_00000005"]
    folder = tmp_path / "checkpoints" / "step_00000005"
    assert sorted(p.name for p in folder.iterdir()) == [
        "manifest.json",
        "state.safetensors",
    ]
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["step"] == 5
    assert manifest["settings"] == {"model": DROPOUT.to_dict()}
    data = (folder / "state.safetensors").read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    assert manifest["sha256"] == {"state.safetensors": digest}
    assert manifest["versions"]["keras"] == keras.__version__
    state = safetensors.numpy.load(data)
    (table,) = (k for k in state if re.fullmatch(r"model/\d+/gpt/tokens/embeddings", k))
    np.testing.assert_array_equal(
        state[table], model.backbone.tokens.embeddings.numpy()
    )
    assert state["optimizer/00000/adamw/iteration"] == 5
    assert len(state) == len(model.variables) + len(model.optimizer.variables)


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        ("state.safetensors", lambda data: data[: len(data) // 2]),
        ("state.safetensors", lambda data: data[:-1] + bytes([data[-1] ^ 1])),
        ("state.safetensors", None),
        ("manifest.json", lambda data: data[:40]),
        ("manifest.json", lambda data: b"{}"),
        ("manifest.json", None),
    ],
)
def test_a_damaged_newest_gives_way_to_the_one_before(tmp_path, caplog, file, damage):
    pretend(built(), 0, 4, Checkpoint(tmp_path, every=2))
    path = tmp_path / "checkpoints" / "step_00000004" / file
    data = path.read_bytes()
    path.unlink()
    if damage:
        path.write_bytes(damage(data))
    resumed = built(seed=7)
    callback = Checkpoint(tmp_path, every=2)
    assert callback.restore(resumed) == 2
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert str(path.parent) in record.getMessage()
    assert "\n" not in record.getMessage()
    # The run that goes on replaces the damaged one and never counts it as kept.
    pretend(resumed, 2, 5, callback)
    assert names(tmp_path)[-2:] == ["step_00000004", "step_00000005"]
    again = built(seed=8)
    assert Checkpoint(tmp_path).restore(again) == 5
    assert_equal(again, resumed)


def test_another_config_is_refused_by_its_fields(tmp_path):
    pretend(built(), 0, 1, Checkpoint(tmp_path))
    other = built(config=DROPOUT.replace(num_layers=2, activation="relu"))
    before = values(other)
    with pytest.raises(ValueError) as error:
        Checkpoint(tmp_path).restore(other)
    message = str(error.value)
    assert "activation is 'gelu_tanh' there and 'relu' here" in message
    assert "num_layers is 1 there and 2 here" in message
    assert "hidden_size" not in message
    for a, b in zip(before, values(other), strict=True):
        np.testing.assert_array_equal(a, b)


def test_another_optimizer_is_refused(tmp_path):
    pretend(built(), 0, 1, Checkpoint(tmp_path))
    other = built()
    other.compile(keras.optimizers.SGD(0.1, momentum=0.9))
    with pytest.raises(ValueError, match="another model or optimizer"):
        Checkpoint(tmp_path).restore(other)


def test_other_settings_are_refused_by_their_fields(tmp_path):
    settings = {"optimizer": {"learning_rate": 0.1}, "data": {"text": "ab", "seed": 1}}
    pretend(built(), 0, 1, Checkpoint(tmp_path, settings=settings))
    other = {"optimizer": {"learning_rate": 0.2}, "data": {"text": "ab", "seed": 2}}
    with pytest.raises(ValueError) as error:
        Checkpoint(tmp_path, settings=other).restore(built())
    path = tmp_path / "checkpoints" / "step_00000001"
    assert str(error.value) == (
        f"{path} is of another run: optimizer.learning_rate is 0.1 there and 0.2 here; "
        "data.seed is 1 there and 2 here; give what is there to go on, --resume=never "
        "or another --run_dir to start anew"
    )
    # A field that an older version did not have is no difference.
    newer = {**settings, "data": {**settings["data"], "packed": False}}
    assert Checkpoint(tmp_path, settings=newer).restore(built()) == 1
    assert Checkpoint(tmp_path).restore(built()) == 1


def test_where_no_checkpoint_is_intact_nothing_starts_anew(tmp_path):
    pretend(built(), 0, 1, Checkpoint(tmp_path))
    path = tmp_path / "checkpoints" / "step_00000001" / "state.safetensors"
    path.write_bytes(b"")
    with pytest.raises(
        ValueError,
        match=r"is intact \(step_00000001: state.safetensors is .*--resume=never",
    ):
        Checkpoint(tmp_path).restore(built())


def test_a_step_is_on_disk_whole_and_with_the_same_settings(tmp_path):
    settings = {"data": {"seed": 1}}
    checkpoint = Checkpoint(tmp_path, settings=settings)
    model = pretend(built(), 0, 2, checkpoint)
    assert (checkpoint.step, checkpoint.is_on_disk()) == (2, True)
    other = Checkpoint(tmp_path, settings={"data": {"seed": 2}})
    other.set_model(model)
    assert (other.read_step(), other.is_on_disk()) == (2, False)
    model.optimizer.iterations.assign(3)
    assert (checkpoint.read_step(), checkpoint.is_on_disk()) == (3, False)
    checkpoint.finish()
    assert checkpoint.is_on_disk()
    state = tmp_path / "checkpoints" / "step_00000003" / "state.safetensors"
    state.write_bytes(state.read_bytes()[:-1])
    assert not checkpoint.is_on_disk()


@contextlib.contextmanager
def full_disk():
    """Files may not grow beyond 4 kB."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_the_old_checkpoint_and_the_run_goes_on(tmp_path, caplog):
    model, callback = built(), Checkpoint(tmp_path, every=2)
    model.optimizer.build(model.trainable_variables)
    callback.set_model(model)
    callback.on_train_begin()
    callback.on_epoch_begin(0)

    def update(i):
        model.optimizer.iterations.assign_add(1)
        callback.on_train_batch_end(i)

    for i in range(2):
        update(i)
    callback.wait()
    with full_disk():
        for i in range(2, 4):
            update(i)
        callback.wait()
    assert names(tmp_path) == ["step_00000002"]
    size = sum(v.numpy().nbytes for v in model.variables + model.optimizer.variables)
    (message,) = caplog.messages
    assert message.startswith("step 4 is not saved, the next save tries again: ")
    assert "File too large" in message
    assert f"a checkpoint needs {size / 1e6:,.1f} MB" in message
    assert message.endswith("MB free; that of step 2 stays)")
    for i in range(4, 7):
        update(i)
    callback.wait()
    with (
        full_disk(),
        pytest.raises(OSError, match="^step 7 is not saved: .*step 6 stay"),
    ):
        callback.on_train_end()
    assert names(tmp_path) == ["step_00000002", "step_00000006"]
    callback.finish()
    assert Checkpoint(tmp_path).restore(built(seed=3)) == 7


def test_what_a_killed_run_left_is_cleared_away(tmp_path):
    model = pretend(built(), 0, 1, Checkpoint(tmp_path))
    (tmp_path / "checkpoints" / ".step_00000002.killed" / "new").mkdir(parents=True)
    assert Checkpoint(tmp_path).restore(built(seed=3)) == 1
    pretend(model, 2, 3, Checkpoint(tmp_path))
    assert names(tmp_path) == ["step_00000001", "step_00000002"]


def test_several_fits_of_a_run_end_once(tmp_path):
    callback = Checkpoint(tmp_path, every=100, steps=4)
    model = pretend(built(), 0, 2, callback)
    assert not callback.folder.exists()
    pretend(model, 2, 4, callback)
    assert names(tmp_path) == ["step_00000004"]


def test_the_best_is_kept_and_found(tmp_path):
    model, callback = built(), Checkpoint(tmp_path, every=10, keep=1)
    losses = [3.0, 1.0, 2.0, float("nan"), 1.5]
    callback.set_model(model)
    callback.on_test_end({"loss": 0.5})  # an evaluation outside of training
    callback.on_train_begin()
    for loss in losses:
        model.optimizer.build(model.trainable_variables)
        model.optimizer.iterations.assign_add(1)
        callback.on_test_end({"loss": loss})
    callback.on_train_end()
    assert names(tmp_path) == ["step_00000002", "step_00000005"]
    text = (tmp_path / "checkpoints/step_00000002/manifest.json").read_text()
    assert json.loads(text)["validation_loss"] == 1.0
    assert Checkpoint(tmp_path).restore(built(), best=True) == 2
    assert Checkpoint(tmp_path).restore(built()) == 5


def test_an_evaluation_at_a_saved_step_adds_its_loss(tmp_path):
    model, callback = built(), Checkpoint(tmp_path, every=2)
    pretend(model, 0, 2, callback)
    callback.on_train_begin()
    (saved,) = tmp_path.glob("checkpoints/*/state.safetensors")
    before = saved.stat()
    callback.on_test_end({"loss": 1.25})
    assert saved.stat().st_mtime_ns == before.st_mtime_ns
    text = (tmp_path / "checkpoints/step_00000002/manifest.json").read_text()
    assert json.loads(text)["validation_loss"] == 1.25
    assert Checkpoint(tmp_path).restore(built(seed=3)) == 2


def test_an_earlier_run_in_the_folder_is_set_aside(tmp_path, caplog):
    pretend(built(), 0, 3, Checkpoint(tmp_path))
    pretend(built(seed=1), 0, 2, Checkpoint(tmp_path))
    assert names(tmp_path) == ["replaced_step_00000003", "step_00000002"]
    assert "is of an earlier run" in caplog.text


def test_counts_are_positive(tmp_path):
    with pytest.raises(ValueError, match="keep=0"):
        Checkpoint(tmp_path, keep=0)
