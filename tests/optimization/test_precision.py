from __future__ import annotations

import keras
import pytest
import tensorflow as tf

from massivetext_keras.optimization import precision
from massivetext_keras.support import machine
from massivetext_keras.training import processor_multiplies_bfloat16, set_precision


@pytest.fixture(autouse=True)
def restored(monkeypatch):
    for name in ("TPU_NAME", "COLAB_TPU_ADDR"):
        monkeypatch.delenv(name, raising=False)
    before = keras.config.dtype_policy()
    yield
    keras.config.set_dtype_policy(before)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("fpu avx512f avx512_bf16 sse", "mixed_bfloat16"),
        ("fpu amx_bf16", "mixed_bfloat16"),
        ("fpu avx512f xavx512_bf16", "float32"),
        (None, "float32"),
    ],
)
def test_auto_reads_the_flags_of_the_processor(monkeypatch, tmp_path, flags, expected):
    path = tmp_path / "cpuinfo"
    if flags is not None:
        path.write_text(f"processor\t: 0\nmodel name\t: amx_bf16\nflags\t\t: {flags}\n")
    monkeypatch.setattr(machine, "_CPU_INFO", path)
    assert processor_multiplies_bfloat16() == (expected == "mixed_bfloat16")
    assert set_precision("auto") == expected
    assert keras.layers.Dense(1).dtype_policy.name == expected


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        ([(8, 0)], "mixed_bfloat16"),
        ([(9, 0), (7, 5)], "float32"),
        ([None], "float32"),
    ],
)
def test_auto_asks_the_gpus_first(monkeypatch, capabilities, expected):
    details = [{"compute_capability": c} if c else {} for c in capabilities]
    monkeypatch.setattr(precision, "processor_multiplies_bfloat16", lambda: None)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: details)
    experimental = tf.config.experimental
    monkeypatch.setattr(experimental, "get_device_details", lambda gpu: gpu)
    assert set_precision("auto") == expected


def test_a_tpu_has_bfloat16(monkeypatch):
    monkeypatch.setenv("TPU_NAME", "local")
    assert set_precision("auto") == "mixed_bfloat16"


def test_named_policies():
    for name in ("mixed_float16", "mixed_bfloat16", "float32"):
        assert set_precision(name) == keras.config.dtype_policy().name == name
    with pytest.raises(ValueError, match="did you mean 'float32'"):
        set_precision("float23")
