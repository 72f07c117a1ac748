"""Language models with Keras on TensorFlow, from raw text to a served SavedModel."""

import importlib
import logging
from typing import TYPE_CHECKING

from massivetext_keras.support import backend, importing, registration

if TYPE_CHECKING:  # what editors and type checkers read; `__getattr__` is what runs
    from . import (  # noqa: F401
        architecture,
        checkpoints,
        cli,
        compression,
        configs,
        corpus,
        data,
        distribution,
        evaluation,
        experiment,
        explain,
        generation,
        huggingface,
        kerashub,
        kernels,
        layers,
        models,
        ngram,
        optimization,
        pages,
        planning,
        privacy,
        quantization,
        reading,
        robustness,
        runtimes,
        saving,
        serving,
        support,
        tasks,
        text,
        tokenizers,
        training,
    )

__version__ = "0.2.0"

_MODULES = (
    "architecture",
    "checkpoints",
    "cli",
    "compression",
    "configs",
    "corpus",
    "data",
    "distribution",
    "evaluation",
    "experiment",
    "explain",
    "generation",
    "huggingface",
    "kerashub",
    "kernels",
    "layers",
    "models",
    "ngram",
    "optimization",
    "pages",
    "planning",
    "privacy",
    "quantization",
    "reading",
    "robustness",
    "runtimes",
    "saving",
    "serving",
    "support",
    "tasks",
    "text",
    "tokenizers",
    "training",
)

_HOMES = {name: name for name in _MODULES} | {"doctor": "cli.doctor"}

__all__ = [*_HOMES, "__version__"]


def __getattr__(name: str):
    # TensorFlow is only imported with the first module that needs it.
    if name in _HOMES:
        return importlib.import_module(f"{__name__}.{_HOMES[name]}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted(__all__)


if _problem := backend.problem():  # an error with the first module that needs Keras
    logging.getLogger(__name__).warning(_problem)
registration.introduce()
# They import scikit-learn and matplotlib, which take a third of the time of Keras.
importing.import_lazily(
    ("keras.wrappers", "keras.visualization", "keras.src.visualization")
)
importing.around_import(
    ("tensorflow", "keras", "tensorflow_text"), importing.without_collection
)
