"""The verb `audit`."""

from __future__ import annotations

import pytest

from massivetext_keras.tasks import Seq2SeqLM, TextClassifier
from massivetext_keras.tokenizers import ByteTokenizer
from tests.tasks.tiny import TINY, byte_lm, encoder_task, randomize

pytestmark = pytest.mark.usefixtures("plain_loop")


def test_passages_and_members_of_a_language_model(good, tmp_path):
    byte_lm(num_layers=1).save_preset(tmp_path / "lm")
    for name in ("data", "others"):
        (tmp_path / f"{name}.txt").write_text(f"{name} sat on the mat all day long.")
    words = [f"--preset={tmp_path}/lm", f"--corpus={tmp_path}/data.txt"]
    words += ["--prompt_tokens=8", "--tokens=4"]
    words += [f"--members={tmp_path}/data.txt", f"--others={tmp_path}/others.txt"]
    out = good("audit", *words).splitlines()
    assert out[0].startswith("0 of 2 passages are continued word for word (0.00%)")
    assert out[1].startswith("area under the curve of membership by loss: ")
    assert out[1].endswith("0.5 is chance)")


def test_members_of_a_classifier(good, tmp_path):
    encoder_task(TextClassifier, labels=("no", "yes")).save_preset(tmp_path / "preset")
    rows = ["text\tlabel", "the cat\tno", "the mat\tyes", "dog sat\tno"]
    (tmp_path / "data.tsv").write_text("\n".join(rows))
    files = [f"--{name}={tmp_path}/data.tsv" for name in ("members", "others")]
    out = good("audit", f"--preset={tmp_path}/preset", *files)
    assert out.startswith("area under the curve of membership by loss: 0.500 (")


def test_flips_and_attacks(good, tmp_path):
    task = encoder_task(TextClassifier, labels=("no", "yes"))
    task.save_preset(tmp_path / "preset")
    pairs = [("the cat sat", "the dog sat"), ("the mat", "the mat")]
    (tmp_path / "pairs.tsv").write_text("\n".join("\t".join(x) for x in pairs))
    (tmp_path / "data.tsv").write_text("text\tlabel\nthe cat\tno\nthe mat\tyes\n")
    words = [f"--pairs={tmp_path}/pairs.tsv", f"--data={tmp_path}/data.tsv"]
    words += ["--attacks=swap,delete", "--share=0.5", "--temperature=0.7"]
    words += [f"--back_translation={translator(tmp_path)},{tmp_path}/de"]
    out = good("audit", f"--preset={tmp_path}/preset", *words).splitlines()
    first, other = (task.classify(text).label for text in pairs[0])
    assert out[0].startswith(f"{int(first != other)} of 2 answers flip: 0.")
    table = [line.split()[0] for line in out[-5:]]
    assert table == ["attack", "none", "swap", "delete", "back_translation"]


def translator(folder) -> str:
    """The folder of a model that writes noise."""
    config = TINY.replace(stack="encoder_decoder", num_layers=1, vocabulary_size=259)
    randomize(Seq2SeqLM(config, ByteTokenizer())).save_preset(folder / "de")
    return str(folder / "de")


@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        ([], 2, "--pairs, --attacks or --back_translation"),
        (["--attacks=swap"], 2, "--attacks or --back_translation and --data"),
        (["--back_translation=a,b"], 2, "--attacks or --back_translation and --data"),
        (["--back_translation=a", "--data=x"], 2, "=a has to name two presets"),
        (["--pairs={folder}/odd.tsv"], 1, "odd.tsv: line 2 has 3 columns"),
        (["--pairs={folder}/none.tsv"], 1, "none.tsv"),
        (
            ["--attacks=swp", "--data={folder}/data.tsv"],
            2,
            "did you mean 'swap'",
        ),
        (["--members=x"], 2, "--members and --others go together"),
        (["--corpus=x"], 2, "--corpus is for a CausalLM"),
        (["--members=no.tsv", "--others=no.tsv"], 1, "no.tsv"),
    ],
)
def test_bad_input(bad, tmp_path, flags, code, message):
    encoder_task(TextClassifier, labels=("no", "yes")).save_preset(tmp_path / "preset")
    (tmp_path / "odd.tsv").write_text("a\tb\na\tb\tc\n")
    (tmp_path / "data.tsv").write_text("text\tlabel\nthe cat\tno\n")
    flags = [flag.format(folder=tmp_path) for flag in flags]
    found, said = bad("audit", f"--preset={tmp_path}/preset", *flags)
    assert (found, message in said) == (code, True), said
