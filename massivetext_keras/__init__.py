"""Language models with Keras on TensorFlow, from raw text to a served SavedModel."""

import importlib

__version__ = "0.1.0"

_MODULES = (
    "cli",
    "commands",
    "configs",
    "corpus",
    "data",
    "doctor",
    "evaluation",
    "export",
    "files",
    "generation",
    "interop",
    "layers",
    "layout",
    "models",
    "ngram",
    "presets",
    "tasks",
    "tokenizers",
    "training",
    "values",
    "verbs",
    "versions",
)

__all__ = [*_MODULES, "__version__"]


def __getattr__(name: str):
    # TensorFlow is only imported with the first module that needs it.
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
