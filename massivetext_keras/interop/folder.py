"""Where a Hugging Face folder is, and what is wrong with one that cannot be read."""

from __future__ import annotations

from pathlib import Path

from massivetext_keras.configs import closest
from massivetext_keras.files import read_json

CONFIG = "config.json"
ADAPTER = "adapter_config.json"
# The first pattern that a folder has, instead of weights that are read, and what to do.
_OTHERS = {
    "tf_model*.h5": "weights of TensorFlow: `AutoModel…from_pretrained(folder, "
    "from_tf=True).save_pretrained(folder)` of transformers 4 writes safetensors",
    "flax_model*.msgpack": "weights of Flax: `AutoModel…from_pretrained(folder, "
    "from_flax=True).save_pretrained(folder)` of transformers 4 writes safetensors",
    "pytorch_model*.bin*": "pickles, which can run code: `AutoModel…from_pretrained("
    "folder).save_pretrained(folder)` of transformers writes safetensors",
    "*.p[tk][hl]": "pickles, which can run code: save the model in safetensors",
    "*.pt": "pickles, which can run code: save the model in safetensors",
    "*.onnx": "a graph of ONNX, which has no weights by name: give the folder that it "
    "was made from",
    "*.gguf": "weights of llama.cpp: `AutoModel…from_pretrained(folder, gguf_file=…)"
    ".save_pretrained(folder)` of transformers writes safetensors",
}


def config_file(folder: Path) -> Path:
    """`config.json` in a folder, or an error that names the nearest one."""
    if folder.is_file():
        raise FileNotFoundError(
            f"{folder}: a file; give its folder, {str(folder.parent)!r}"
        )
    if not folder.is_dir():
        beside = folder.parent.iterdir() if folder.parent.is_dir() else ()
        near = [path.name for path in beside if path.is_dir()]
        close = closest(folder.name, near)
        hint = f"did you mean {str(folder.parent / close)!r}?" if close else ""
        hint = hint or "models are read from local folders, not from the Hub"
        raise FileNotFoundError(f"{folder}: no such folder; {hint}")
    file = folder / CONFIG
    if not file.is_file():
        if (folder / ADAPTER).is_file():
            base = read_json(folder / ADAPTER).get("base_model_name_or_path")
            raise FileNotFoundError(
                f"{folder}: an adapter of PEFT alone, for the base {base!r}: read both "
                f"with from_adapters('hf:BASE', {str(folder)!r})"
            )
        inside = [*folder.glob(f"*/{CONFIG}"), *folder.glob(f"*/*/{CONFIG}")]
        hint = f"; did you mean {str(min(inside).parent)!r}?" if inside else ""
        raise FileNotFoundError(f"{folder}: {CONFIG} is missing{hint}")
    return file


def other_weights(folder: Path) -> str:
    """What to do about weights in a form that is not read, "" if there are none."""
    for pattern, advice in _OTHERS.items():
        if found := sorted(path.name for path in folder.glob(pattern)):
            more = f" and {len(found) - 1} more" if found[1:] else ""
            return f"; there is {found[0]}{more}, {advice}"
    return ""
