"""Cards of models and corpora in Markdown, of what files say and of nothing else.

Model cards have the sections of Mitchell et al. (2019), data cards those of Gebru et
al. (2021), and the YAML head that Hugging Face reads. What no file says is "Not said.".
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

UNKNOWN = "Not said."
_PIPELINES = {
    "CausalLM": "text-generation",
    "MaskedLM": "fill-mask",
    "QuestionAnswerer": "question-answering",
    "Seq2SeqLM": "text2text-generation",
    "TextClassifier": "text-classification",
    "TextEmbedder": "sentence-similarity",
    "TokenClassifier": "token-classification",
}
# Settings of training that a reader looks for, where an experiment has them.
_SETTINGS = (
    "data.batch_size",
    "data.batch_tokens",
    "data.sequence_length",
    "optimizer.learning_rate",
    "optimizer.warmup_steps",
    "optimizer.weight_decay",
    "train.steps",
    "train.epochs",
    "train.seed",
    "train.precision",
)
_RUN = ("steps", "tokens", "seconds", "parameters", "devices", "peak_memory_gib")


def model_card(
    name: str,
    config: Mapping[str, Any],
    experiment: Mapping[str, Any] | None = None,
    summary: Mapping[str, Any] | None = None,
    measures: Mapping[str, float] | None = None,
    said: Mapping[str, Any] | None = None,
) -> str:
    """The card of a preset.

    Args:
        name: of the model.
        config: `config.json` of the preset.
        experiment: `experiment.json` of the run that made it.
        summary: `summary.json` of that run.
        measures: of an evaluation, by name.
        said: by whoever publishes it: `license`, `language`, `data`, `intended_use`,
            `limitations`, `contact`.

    >>> card = model_card("tiny", {"task": "TextClassifier", "model": {}})
    >>> card.splitlines()[:3]
    ['---', 'library_name: massivetext_keras', 'pipeline_tag: text-classification']
    """
    said, summary, experiment = said or {}, summary or {}, experiment or {}
    task, model = config.get("task", ""), config.get("model", {})
    options = {k: v for k, v in config.get("options", {}).items() if v is not None}
    shape = {k: v for k, v in model.items() if isinstance(v, int | str) and v}
    head = {"library_name": "massivetext_keras"}
    if task in _PIPELINES:
        head["pipeline_tag"] = _PIPELINES[task]
    versions = summary.get("versions", {})
    losses = {
        f"loss, {side}": values["loss"]["final"]
        for side in ("train", "validation")
        if "loss" in (values := summary.get(side) or {})
    }
    sections: dict[str, list[str | None]] = {
        "Model details": [
            f"A `{task}` of massivetext_keras, on Keras and TensorFlow.",
            _table("shape", shape),
            _table("option", options),
            _table("made with", versions),
        ],
        "Intended use": [said.get("intended_use")],
        "Training data": [said.get("data")],
        "Training": [
            _table("setting", _chosen(experiment)),
            _table("run", {k: summary[k] for k in _RUN if summary.get(k) is not None}),
        ],
        "Evaluation": [_table("measure", {**(measures or {}), **losses})],
        "Limitations and ethical considerations": [said.get("limitations")],
        "How to use": [_usage(task, name)],
        "Contact": [said.get("contact")],
    }
    return _card(name, head, said, sections)


def data_card(
    name: str, manifest: Mapping[str, Any], said: Mapping[str, Any] | None = None
) -> str:
    """The card of a corpus.

    Args:
        name: of the corpus.
        manifest: its `manifest.json`.
        said: by whoever publishes it: `license`, `language`, `intended_use`,
            `limitations`, `contact`.

    >>> "| kept | 2 | 30 |" in data_card(
    ...     "c", {"documents": {"kept": 2}, "bytes": {"kept": 30}}
    ... )
    True
    """
    said = said or {}
    documents, sizes = manifest.get("documents", {}), manifest.get("bytes", {})
    sources = manifest.get("inputs", {})
    subsets = {
        f"{subset or '(all)'}, {side}": counts
        for subset, sides in manifest.get("subsets", {}).items()
        for side, counts in sides.items()
    }
    sections: dict[str, list[str | None]] = {
        "Motivation": [said.get("intended_use")],
        "Composition": [
            _rows(
                ("", "documents", "bytes"),
                [(k, documents[k], sizes.get(k, "")) for k in documents],
            ),
            _rows(("subset", "documents", "bytes"), _counts(subsets)),
        ],
        "Collection": [
            _rows(
                ("source", "files", "bytes", "hash of all"),
                [
                    (k or "(all)", *(v.get(x, "") for x in ("files", "bytes", "hash")))
                    for k, v in sources.items()
                ],
            )
        ],
        "Preprocessing": [
            _rows(("step", "settings"), _steps(manifest.get("recipe", {}))),
            _rows(
                ("left out because of", "documents", "bytes"),
                _counts(manifest.get("dropped", {})),
            ),
            _table("build", manifest.get("build", {})),
        ],
        "Uses and limitations": [said.get("limitations")],
        "Distribution": [
            _rows(
                ("file", "documents", "bytes", "hash"),
                [
                    (k, *(v.get(x, "") for x in ("documents", "size", "hash")))
                    for k, v in manifest.get("shards", {}).items()
                ],
            )
        ],
        "Maintenance": [
            said.get("contact"),
            _table("made with", manifest.get("versions", {})),
        ],
    }
    return _card(name, {"task_categories": ["text-generation"]}, said, sections)


def _card(
    name: str,
    head: Mapping[str, Any],
    said: Mapping[str, Any],
    sections: Mapping[str, Iterable[str | None]],
) -> str:
    """A head in YAML, of which JSON is a part, and sections."""
    head = {
        **head,
        "license": said.get("license") or "unknown",
        "tags": ["massivetext_keras", "keras", "tensorflow"],
    }
    if language := said.get("language"):
        head["language"] = [x.strip() for x in language.split(",")]
    lines = [f"{k}: {v if isinstance(v, str) else _json(v)}" for k, v in head.items()]
    parts = ["---\n" + "\n".join(lines) + "\n---", f"# {name}"]
    for title, texts in sections.items():
        said_of_it = [text.strip() for text in texts if text and text.strip()]
        parts += [f"## {title}", *(said_of_it or [UNKNOWN])]
    return "\n\n".join(parts) + "\n"


def _usage(task: str, name: str) -> str:
    return (
        "```python\nimport massivetext_keras as mtk\n\n"
        f'task = mtk.tasks.{task or "Task"}.from_preset("{name}")\n```'
    )


def _chosen(experiment: Mapping[str, Any]) -> dict[str, Any]:
    found = {}
    for path in _SETTINGS:
        section, field = path.split(".")
        value = experiment.get(section, {}).get(field)
        if value is not None:
            found[path] = value
    return found


def _steps(recipe: Mapping[str, Any]) -> list[tuple]:
    return [(k, f"`{_json(v)}`") for k, v in recipe.get("steps", {}).items()]


def _counts(counted: Mapping[str, Mapping[str, int]]) -> list[tuple]:
    return [
        (k, *(v.get(x, "") for x in ("documents", "bytes"))) for k, v in counted.items()
    ]


def _table(what: str, values: Mapping[str, Any]) -> str:
    rows = [(k, v if isinstance(v, str) else _json(v)) for k, v in values.items()]
    return _rows((what, ""), rows)


def _rows(heads: tuple[str, ...], rows: list[tuple]) -> str:
    """A table, "" if it has no rows."""
    if not rows:
        return ""
    lines = [heads, ("---",) * len(heads), *rows]
    cells = [[str(cell).replace("|", "\\|") for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def _json(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return json.dumps(value, ensure_ascii=False)
