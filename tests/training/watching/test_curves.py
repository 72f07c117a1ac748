"""What was written is read, and what is drawn is what was read."""

from __future__ import annotations

import struct

import pytest
import tensorflow as tf
from matplotlib.figure import Figure

from massivetext_keras.training import draw_curves
from massivetext_keras.training.watching import curves


def write(folder, values: dict[int, float], tag: str = "bits_per_byte"):
    writer = tf.summary.create_file_writer(str(folder))
    with writer.as_default():
        for step, value in values.items():
            tf.summary.scalar(tag, value, step)
            tf.summary.scalar("another", -value, step)
            tf.summary.text("sample", ["text"], step)
    writer.close()


@pytest.fixture
def run_dir(tmp_path):
    write(tmp_path / "train", {10: 4.5, 20: 3.25, 30: 2.5})
    write(tmp_path / "validation", {30: 2.75})
    return tmp_path


def test_scalars_are_those_that_were_written(run_dir):
    values = curves.read_scalars(run_dir / "train", "bits_per_byte")
    assert list(values.items()) == [(10, 4.5), (20, 3.25), (30, 2.5)]
    assert curves.read_scalars(run_dir / "train", "another")[20] == -3.25
    assert curves.read_scalars(run_dir / "validation", "bits_per_byte") == {30: 2.75}
    assert curves.read_scalars(run_dir / "train", "loss") == {}


def test_a_later_file_goes_on_with_the_run(tmp_path):
    folder = tmp_path / "train"
    write(folder, {30: 3.0, 10: 5.0, 20: 4.0})
    (file,) = folder.iterdir()
    file.rename(folder / "events.out.tfevents.1.host.1.0.v2")
    write(tmp_path / "later", {20: 3.5, 40: 2.0})
    (file,) = (tmp_path / "later").iterdir()
    file.rename(folder / "events.out.tfevents.2.host.1.0.v2")
    values = curves.read_scalars(folder, "bits_per_byte")
    assert list(values.items()) == [(10, 5.0), (20, 3.5), (30, 3.0), (40, 2.0)]


def test_a_folder_without_events_is_an_error(tmp_path):
    message = f"^{tmp_path} holds no event files of TensorBoard$"
    with pytest.raises(FileNotFoundError, match=message):
        curves.read_scalars(tmp_path, "loss")


def test_the_picture_has_both_runs_and_the_baselines(run_dir, monkeypatch):
    figures = []
    save = Figure.savefig

    def keep(figure, path, **options):
        figures.append(figure)
        save(figure, path, **options)

    monkeypatch.setattr(Figure, "savefig", keep)
    path = run_dir / "loss.png"
    draw_curves(run_dir, path, baselines={"bigram": 3.0, "trigram": 2.626})
    content = path.read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", content[16:24]) == (770, 440)  # 7 x 4 inches, 110 dpi
    axes = figures[0].axes[0]
    train, validation, bigram, trigram = axes.get_lines()
    assert train.get_xydata().tolist() == [[10, 4.5], [20, 3.25], [30, 2.5]]
    assert validation.get_xydata().tolist() == [[30, 2.75]]
    assert list(bigram.get_ydata()) == [3.0, 3.0]
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["train", "validation", "bigram 3.00", "trigram 2.63"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("updates", "bits per byte")


def test_every_baseline_is_drawn(run_dir, monkeypatch):
    figures = []
    monkeypatch.setattr(Figure, "savefig", lambda f, path, **options: figures.append(f))
    baselines = {f"{order}-gram": 3.0 - order / 10 for order in range(1, 7)}
    draw_curves(run_dir, run_dir / "loss.png", baselines=baselines)
    assert len(figures[0].axes[0].get_lines()) == 2 + 6


def test_a_run_without_validation_is_drawn(tmp_path):
    write(tmp_path / "train", {10: 4.5})
    draw_curves(tmp_path, tmp_path / "loss.svg")
    assert "</svg>" in (tmp_path / "loss.svg").read_text()
