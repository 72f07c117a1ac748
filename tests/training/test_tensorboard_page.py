"""A run as a person sees it: a real TensorBoard, in a real browser if there is one."""

from __future__ import annotations

import urllib.parse
import urllib.request
from pathlib import Path

import keras
import pytest

from massivetext_keras.optimization import step as training_step
from massivetext_keras.training import TensorBoard, adamw
from tests.browser import SECONDS, ask, browser, seen, until
from tests.tasks.tiny import words
from tests.tensorboard import tensorboard
from tests.training.tiny import TinyLM, batches

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory) -> Path:
    """Six updates, two evaluations, a sample after the fourth."""
    folder = tmp_path_factory.mktemp("runs") / "1"
    keras.utils.set_random_seed(3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training_step, "island", lambda f: f)
        model = TinyLM()
        model.compile(adamw(0.05))
        model.tokenizer = words()
        watch = TensorBoard(folder, every=1, sample_every=4, peak_flops=1e9)
        model.fit(
            batches(0, 6),
            steps_per_epoch=3,
            epochs=2,
            validation_data=batches(50, 52),
            callbacks=[watch],
            verbose=0,
        )
    return folder


@pytest.fixture(scope="module")
def address(run_dir):
    """Of a TensorBoard that serves the run."""
    with tensorboard(run_dir, runs=3) as address:
        yield address


def test_tensorboard_serves_curves_texts_pictures_and_hyperparameters(address):
    data = f"{address}/data"
    names = ("scalars", "images", "text", "hparams", "projector")
    until(
        lambda: ask(f"{data}/plugins_listing"),
        lambda listing: all(listing[name]["enabled"] for name in names),
    )
    tags = ask(f"{data}/plugin/scalars/tags")
    shown = {"loss", "by_tokens/loss", "bits_per_byte", "update_ratio", "memory/peak"}
    assert shown <= set(tags["train"]) and "by_tokens/loss" in tags["validation"]
    assert "before the clip" in tags["train"]["gradient_norm"]["description"]
    loss = ask(f"{data}/plugin/scalars/scalars?run=train&tag=loss")
    assert [step for _, step, _ in loss] == [1, 2, 3, 4, 5, 6]
    sample = ask(f"{data}/plugin/text/text?run=train&tag=sample")
    assert [point["step"] for point in sample] == [4]
    assert "&lt;31\nnew&gt;" in sample[0]["text"]  # of a context of 32
    query = urllib.parse.urlencode({"run": "train", "tag": "attention", "sample": 0})
    (picture,) = ask(f"{data}/plugin/images/images?{query}")
    url = f"{data}/plugin/images/individualImage?{picture['query']}"
    with urllib.request.urlopen(url, timeout=SECONDS) as answer:
        assert answer.read()[:8] == b"\x89PNG\r\n\x1a\n"
    session = {"allowedStatuses": ["STATUS_SUCCESS"], "sliceSize": 9}
    found = ask(f"{data}/plugin/hparams/session_groups", **session)
    (group,) = found["sessionGroups"]
    assert group["hparams"]["model.hidden_size"] == 16
    (embedding,) = ask(f"{data}/plugin/projector/info?run=train")["embeddings"]
    assert embedding["tensorShape"] == [16, 16]
    query = urllib.parse.urlencode({"run": "train", "name": "token embeddings"})
    url = f"{data}/plugin/projector/metadata?{query}"
    with urllib.request.urlopen(url, timeout=SECONDS) as answer:
        assert answer.read().decode().splitlines()[5:8] == ["the", "cat", "sat"]


@pytest.fixture(scope="module")
def page(address):
    """A function: name of a tab -> its text, pictures and curves, in a browser."""
    with browser() as do:

        def show(tab: str, holds) -> dict:
            # A change of what follows # alone would not load the page anew.
            do("url", url="about:blank")
            do("url", url=f"{address}/#{tab}")
            return until(lambda: seen(do), holds)

        yield show


def test_a_browser_shows_the_curves(page):
    names = ("bits_per_byte", "by_tokens", "gradient_norm", "loss", "validation")
    names += ("model_flops_utilisation", "update_ratio", "weight_norm", "memory")
    found = page(
        "scalars", lambda p: all(n in p["text"] for n in names) and p["curves"]
    )
    assert found["curves"] > 1


def test_a_browser_shows_the_texts(page):
    found = page("text", lambda p: "new>" in p["text"] and "hidden_size" in p["text"])
    assert '"stack": "decoder"' in found["text"]


def test_a_browser_shows_the_heads(page):
    found = page("images", lambda p: max(p["pictures"], default=0) > 100)
    assert "attention" in found["text"] and "step 4" in found["text"]


def test_a_browser_shows_the_hyperparameters(page):
    page("hparams", lambda p: "model.hidden_size" in p["text"])
