"""Tiny runs, on text that Python has, of which the documentation shows pictures.

take_pictures.py looks at what they leave in a folder.
"""

from __future__ import annotations

import csv
import html
import importlib
import inspect
import json
import random
from collections.abc import Iterator
from pathlib import Path
from pydoc_data.topics import topics

import keras

import massivetext_keras as mtk
from massivetext_keras.corpus.report.page import write_report

# What functions of Python say of themselves, and what they are for
KINDS = {
    "numbers": ["math", "cmath", "statistics", "decimal", "fractions", "random"],
    "files": ["os", "shutil", "pathlib", "glob", "tempfile", "zipfile", "tarfile"],
    "network": ["socket", "ssl", "http.client", "urllib.request", "smtplib", "email"],
}
ASKED = "Return the path of a file that is open on a socket."
PROMPT = "The value of"
EPOCHS = 10
STEPS, UPDATES = 40, 200  # of an epoch, of the language model
_MENU = "<nav>" + "".join(f"<a href='#'>Link {i}</a>" for i in range(30)) + "</nav>"
_NAMES = "Ada", "Emmy", "Alan", "Grace", "Kurt", "Sofja", "Carl", "Hedy"
_LETTER = """Dear {first},

{second} of the choir told me that the women meet on Monday, and that the men and the
children come an hour later. Last year there were {many} of us in the old hall, young
people and their grandmothers, Christians, Muslims and some who believe in nothing but
music. If you would like to sing, or only to listen, write to {second} at
{address} or call +49 30 2345{many}, and say which day of the week is best for you.

With kind regards, {third}
"""


def corpus_page(folder: Path) -> Path:
    """The report of a corpus of pages, letters and records, some of no use."""
    raw = folder / "raw"
    _write_pages(raw / "web")
    _write_letters(raw / "letters")
    build = mtk.corpus.build
    inputs = {name: str(raw / name) for name in ("web", "letters")}
    output = folder / "my_corpus"
    build(inputs, output, "massivetext", validation_fraction=0.1, overwrite=True)
    return write_report(output)


def _write_pages(folder: Path) -> None:
    """Python's topics as pages of the web; some twice, some that are no prose."""
    folder.mkdir(parents=True)
    for number, (name, text) in enumerate(topics.items()):
        parts = "".join(f"<p>{html.escape(x)}</p>" for x in text.split("\n\n"))
        page = f"<html><body>{_MENU}<main><h1>{name}</h1>{parts}</main></body></html>"
        for copy in range(2 if number % 8 == 0 else 1):
            path = folder / f"{number:03}-{copy}.html"
            path.write_text(page, encoding="utf-8")
    for number in range(6):
        spam = f"<p>{'BUY NOW !!! ' * (100 + number)}</p>"
        (folder / f"spam-{number}.html").write_text(spam)


def _write_letters(folder: Path) -> None:
    """Records with names, addresses and licences."""
    folder.mkdir(parents=True)
    draw = random.Random(0)
    with open(folder / "letters.jsonl", "w", encoding="utf-8") as file:
        for number in range(60):
            first, second, third = draw.sample(_NAMES, 3)
            address = f"{second.lower()}.{number}@example.org"
            values = {"first": first, "second": second, "third": third}
            text = _LETTER.format(**values, address=address, many=20 + number)
            licence = draw.choice(["CC-BY-4.0", "CC0-1.0", None])
            file.write(json.dumps({"text": text, "license": licence}) + "\n")


def first_lines(module: str) -> Iterator[str]:
    """The first paragraph of the docstring of each function and class of a module."""
    for name, value in inspect.getmembers(importlib.import_module(module)):
        text = inspect.getdoc(value) if callable(value) else None
        if text and not name.startswith("_"):
            yield " ".join(text.split("\n\n")[0].split())[:200]


def labeled_texts() -> list[mtk.data.LabeledText]:
    """First lines of one kind of functions, with that."""
    found: dict[str, set[str]] = {}
    for label, modules in KINDS.items():
        for text in (text for module in modules for text in first_lines(module)):
            found.setdefault(text, set()).add(label)
    return [
        mtk.data.LabeledText(text, *labels)
        for text, labels in found.items()
        if len(labels) == 1
    ]


def classifier(folder: Path) -> mtk.tasks.TextClassifier:
    """Learns the kinds; leaves a preset, an export and the texts held out."""
    keras.utils.set_random_seed(0)
    train, test = mtk.tasks.split_examples(labeled_texts(), 0.2, key=lambda x: x.text)
    learn = mtk.tokenizers.WordPieceTokenizer.train
    tokenizer = learn(texts=[x.text for x in train], vocabulary_size=2000)
    shape = {"num_layers": 2, "hidden_size": 96, "num_heads": 4}
    shape |= {"intermediate_size": 384, "max_length": 128, "dropout": 0.2}
    options = mtk.tasks.TextClassifier.options_for(train)
    make = mtk.tasks.TextClassifier.from_preset
    task = make("minilm_l6", tokenizer, **shape, **options)
    mtk.training.fine_tune(task, train, test, EPOCHS, 1e-3)
    task.save_preset(folder / "functions")
    task.export(folder / "served" / "functions" / "1")
    with open(folder / "test.csv", "w", newline="", encoding="utf-8") as file:
        rows = [("text", "label"), *((x.text, x.label) for x in test)]
        csv.writer(file).writerows(rows)
    return task


def evaluation_page(folder: Path) -> Path:
    """The report of how good the classifier is."""
    command = ["evaluate", f"--preset={folder / 'functions'}"]
    command += [f"--data={folder / 'test.csv'}", f"--report={folder / 'evaluation'}"]
    if mtk.cli.run(command):
        raise SystemExit(f"massivetext {' '.join(command)} failed")
    return folder / "evaluation" / "report.html"


def explanation_page(task: mtk.tasks.TextClassifier, folder: Path) -> Path:
    """Which words an answer depends on, by three methods."""
    methods = "occlusion", "integrated_gradients", "shapley"
    found = [mtk.explain.explain(task, ASKED, method) for method in methods]
    mtk.explain.write_page(found, folder / "why.html")
    return folder / "why.html"


def language_model_run(folder: Path) -> Path:
    """The record of a GPT that reads the topics of Python's `help()`."""
    keras.utils.set_random_seed(0)
    texts = list(topics.values())
    learn = mtk.tokenizers.SentencePieceTokenizer.train
    tokenizer = learn(texts=texts, vocabulary_size=1000)
    shape = {"num_layers": 2, "hidden_size": 128, "num_heads": 4}
    shape |= {"intermediate_size": 512, "max_length": 128}
    lm = mtk.tasks.CausalLM.from_preset("gpt_mini", tokenizer, **shape)
    lm.compile(mtk.training.adamw(3e-3, UPDATES // 10, UPDATES))
    held_out, read = texts[::10], [x for i, x in enumerate(texts) if i % 10]
    ids, others = (mtk.data.encode_documents(tokenizer, x) for x in (read, held_out))
    watch = mtk.training.TensorBoard(
        folder / "run",
        every=5,
        sample_every=UPDATES // 2,
        prompts=[PROMPT],
        sequence_length=64,
    )
    lm.fit(
        mtk.data.training_batches(ids, 16, 64),
        validation_data=mtk.data.validation_batches(others, 16, 64),
        steps_per_epoch=STEPS,
        epochs=UPDATES // STEPS,
        callbacks=[watch],
        verbose=0,
    )
    return folder / "run"
