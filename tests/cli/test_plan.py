"""The verb `plan`: flags that are understood, and what it says of wrong ones."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from massivetext_keras.architecture.shapes import preset
from massivetext_keras.planning import Choice, Cluster, Job, plans

NAMED = ("--preset=llama3_8b", "--devices=16", "--sequence_length=2048")


def test_flags_are_the_arguments_of_the_search(good):
    argv = ("--device_memory=40GB", "--flops=500T", "--bandwidth=inter:50GB/s")
    argv += ("--memory_bandwidth=3e12", "--devices_per_node=4", "--efficiency=0.6")
    argv += ("--batch_tokens=1M", "--mesh=tensor:4", "--micro_batch=2", "--chunks=2")
    argv += ("--shard_state=optimizer", "--recompute=on", "--attention=fused")
    out = good("plan", *NAMED, *argv, "--precision=mixed_float16", "--json")
    config = preset("llama3_8b")
    found = plans(
        Job(config, 512, 2048, "mixed_float16", fused_attention=True),
        Cluster(16, 4, 40e9, 500e12, 3e12, 300e9, 50e9, 0.6),
        Choice({"tensor": 4}, 2, 2, "optimizer", True),
    )
    line = json.loads(out)
    assert line["plans"] == [plan.to_dict() for plan in found]
    assert line["parameters"] == 8_030_261_248
    assert (line["rows"], line["length"]) == (512, 2048)


def test_tables_have_as_many_rows_as_are_asked_for(good):
    lines = good("plan", *NAMED, "--most=2").splitlines()
    assert lines[0].startswith("8,030,261,248 parameters, 2,048 rows of 2,048 tokens")
    blocks = "\n".join(lines).split("\n\n")[1:]
    assert [len(block.splitlines()) for block in blocks] == [4, 4, 4, 4]
    best = blocks[0].splitlines()[2].split()
    config = preset("llama3_8b")
    expected = plans(Job(config, 2048, 2048), Cluster(16))[0]
    assert expected.split.mesh == "data 16 x tensor 1 x pipeline 1"
    assert best[:3] == ["16", "1", "1"]
    assert best[-1] == f"{expected.flops_per_device / 1e12:.0f}"


def test_the_length_is_the_longest_of_the_shape(good):
    out = good("plan", "--preset=gpt2_small", "--devices=1", "--batch_tokens=64K")
    assert out.startswith("124,439,808 parameters, 64 rows of 1,024 tokens (65,536)\n")


def test_a_page_is_written(good, tmp_path):
    path = tmp_path / "plan.html"
    out = good("plan", *NAMED, f"--output={path}")
    assert out.endswith(f"\n{path}\n")
    assert "<h1>llama3_8b on 16 devices</h1>" in path.read_text()


def test_a_folder_is_a_preset_too(good, tmp_path):
    folder = tmp_path / "tiny"
    folder.mkdir()
    model = preset("gpt2_small").replace(num_layers=2).to_dict()
    header = {"format": "massivetext_keras", "version": 2, "task": "CausalLM"}
    (folder / "config.json").write_text(json.dumps({**header, "model": model}))
    out = good("plan", f"--preset={folder}", "--devices=2", "--json")
    assert json.loads(out)["parameters"] == 124_439_808 - 10 * 7_087_872


@pytest.mark.parametrize(
    ("flag", "text"),
    [
        ("--mesh=tensor:5", "--mesh: tensor:5 does not divide the 32 heads: did you"),
        ("--mesh=tensr:4", "--mesh: unknown axis of a mesh 'tensr': did you mean"),
        ("--mesh=tensor", "--mesh: 'tensor' is no number of devices along an axis"),
        ("--mesh=tensor:x", "--mesh: 'tensor:x' is no number of devices"),
        ("--mesh=data:16,tensor:2", "did you mean --devices=32?"),
        ("--bandwidth=outer:1GB", "--bandwidth: unknown 'outer': did you mean 'inter'"),
        ("--bandwidth=inter:1GX", "--bandwidth: '1GX' is no size"),
        ("--device_memory=0", "--device_memory=0 is not 1 byte or more"),
        ("--device_memory=nan", "--device_memory=nan is not 1 byte or more"),
        ("--flops=fast", "--flops=fast is no number: write it as 4e6, or 4G, 4T, 4P"),
        ("--batch_tokens=4000000", "did you mean 3997696?"),
        ("--micro_batch=3", "--micro_batch: 3 does not divide"),
        ("--preset=lama3_8b", "did you mean 'llama3_8b'?"),
        ("--devices=0", "--devices=0 must be at least 1"),
        ("--efficiency=1.5", "must be above 0 and at most 1"),
    ],
)
def test_wrong_usage_is_one_line_with_the_nearest_right_value(bad, flag, text):
    code, line = bad("plan", *NAMED, flag)
    assert code == 2 and text in line


def test_where_nothing_fits_the_line_says_what_would(bad):
    code, line = bad("plan", *NAMED, "--preset=llama3_70b", "--devices=8")
    assert code == 1
    assert line.startswith("--device_memory=80GB: nothing fits into 80 GB on 8 devices")
    assert "16 devices would do" in line


def test_tensorflow_is_not_imported():
    source = (
        "import sys; from massivetext_keras import cli\n"
        f"assert cli.run(['plan', *{NAMED!r}, '--most=1']) == 0\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", source], capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
