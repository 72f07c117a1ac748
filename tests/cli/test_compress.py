"""The verb `compress`."""

from __future__ import annotations

import json

import numpy as np
import pytest

from massivetext_keras.compression import zeros_in
from massivetext_keras.huggingface.families.table import FAMILIES
from massivetext_keras.tasks import CausalLM, TextClassifier
from massivetext_keras.tokenizers import ByteTokenizer
from tests.tasks.tiny import byte_lm, encoder_task


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    folder = tmp_path_factory.mktemp("classifier")
    encoder_task(TextClassifier, labels=("no", "yes")).save_preset(folder / "preset")
    rows = ["text\tlabel", "the cat\tno", "the mat\tyes", "dog sat\tno"]
    (folder / "data.tsv").write_text("\n".join(rows))
    return folder


def test_a_smaller_preset_and_a_page(good, classifier, tmp_path):
    words = f"--preset={classifier}/preset --output={tmp_path}/int8 --int8"
    words += f" --data={classifier}/data.tsv --report={tmp_path}/page.html"
    out = good("compress", *words.split())
    for part in ("MB of weights", "answers/s, batch 32", "accuracy", "of 3 answers"):
        assert part in out, part
    task = TextClassifier.from_preset(f"{tmp_path}/int8")
    assert {x.form for x in task.quantization.storages().values()} == {"int8"}
    assert "preset as int8" in (tmp_path / "page.html").read_text()


def test_a_folder_of_hugging_face(good, tmp_path):
    config = FAMILIES["llama"].base.replace(
        vocabulary_size=259, num_layers=1, hidden_size=16, num_heads=2
    )
    lm = CausalLM(config.replace(intermediate_size=32), ByteTokenizer())
    lm.save_preset(tmp_path / "preset")
    words = f"--preset={tmp_path}/preset --output={tmp_path}/int8 --int8"
    good("compress", *words.split(), "--huggingface")
    task = CausalLM.from_preset(f"hf:{tmp_path}/int8")
    assert {x.form for x in task.quantization.storages().values()} == {"int8"}


def test_int4_is_calibrated_on_texts(good, tmp_path):
    byte_lm(num_layers=1).save_preset(tmp_path / "preset")
    texts = [json.dumps({"text": f"the cat sat on the mat {i}"}) for i in range(20)]
    (tmp_path / "texts.jsonl").write_text("\n".join(texts))
    words = f"--preset={tmp_path}/preset --output={tmp_path}/int4 --int4"
    words += f" --calibration={tmp_path}/texts.jsonl --method=gptq --group_size=8"
    out = good("compress", *words.split())
    assert "of weights, 0." in out
    task = CausalLM.from_preset(f"{tmp_path}/int4")
    assert {x.group_size for x in task.quantization.storages().values()} == {8}


def test_fewer_blocks_zeros_and_bits_together(good, tmp_path):
    task = encoder_task(TextClassifier, labels=("no", "yes"), num_layers=3)
    task.save_preset(tmp_path / "preset")
    words = f"--preset={tmp_path}/preset --output={tmp_path}/small --student=0,2"
    out = good("compress", *words.split(), "--prune=2:4", "--int8")
    assert "zeros: 0.500 of 8 matrices" in out
    small = TextClassifier.from_preset(f"{tmp_path}/small")
    assert small.config.num_layers == 2
    small.dequantize()
    assert set(zeros_in(small).values()) == {0.5}
    whole, left = (
        x.named_weights()[f"stack/block_{i}/attention/qkv/kernel"].numpy()
        for x, i in ((task, 2), (small, 1))
    )
    np.testing.assert_allclose(left[left != 0], whole[left != 0], atol=0.01)


@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        ([], 2, "give one of --int8, --int4, --float16, --bfloat16"),
        (["--int8", "--int4"], 2, "give one of --int8"),
        (["--int8", "--calibration=x"], 2, "--calibration is for --int4"),
        (["--prune=1.0"], 1, "from 0 to below 1"),
        (["--student=1,x"], 2, "give numbers, such as 1,3,5"),
        (["--student=4"], 1, "give some of 0 to 0"),
        (["--int8", "--report=x.html"], 2, "--report is about answers: give --data"),
        (["--int4", "--method=gpt"], 2, "gptq"),
        (["--int4", "--calibration={folder}/empty.txt"], 1, "there is no text in"),
    ],
)
def test_bad_input(bad, classifier, tmp_path, flags, code, message):
    (tmp_path / "empty.txt").write_text("\n")
    flags = [flag.format(folder=tmp_path) for flag in flags]
    words = [f"--preset={classifier}/preset", f"--output={tmp_path}/out"]
    found, said = bad("compress", *words, *flags)
    assert (found, message in said) == (code, True), said
    assert not (tmp_path / "out").exists()


def test_a_preset_that_is_smaller_already(good, bad, classifier, tmp_path):
    words = [f"--preset={classifier}/preset", f"--output={tmp_path}/int8", "--int8"]
    good("compress", *words)
    again = [f"--preset={tmp_path}/int8", f"--output={tmp_path}/int4", "--int4"]
    code, said = bad("compress", *again)
    assert code == 1 and "stored in int8 already" in said
