"""Files of llama.cpp: written, read back, and run by llama.cpp where it is there."""

from __future__ import annotations

import json

import numpy as np
import pytest

from massivetext_keras.architecture.shapes import preset
from massivetext_keras.cli.planning import config_of
from massivetext_keras.huggingface.models import load
from massivetext_keras.runtimes.gguf import read_gguf
from massivetext_keras.runtimes.gguf_files.architectures import (
    architecture_of,
    as_read,
    as_stored,
)
from massivetext_keras.tasks import CausalLM, TextEmbedder
from massivetext_keras.tasks.registry import task_class
from massivetext_keras.tokenizers import BytePairTokenizer, SentencePieceTokenizer
from tests.huggingface.fixtures import FIXTURES
from tests.models.families import shrunk
from tests.tasks.tiny import byte_lm, encoder_task, randomize

gguf = pytest.importorskip("gguf", reason="pip install 'massivetext-keras[gguf]'")

SHAPES = {
    "llama2_70b": {"head_size": 8},
    "llama_1b": {},
    "qwen2_7b": {},
    "gpt2_small": {},
}
ARCHITECTURE = {"llama2_70b": "llama", "llama_1b": "llama", "qwen2_7b": "qwen2"}
LINES = ["The cat sat on the mat, the cat's hat.", "12 naïve cats 日本"] * 4


def model(name: str, **changes) -> CausalLM:
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_heads": 4}
    task = CausalLM(shrunk(name, **sizes, **SHAPES[name], **changes))
    return randomize(task, scale=0.2)


@pytest.mark.parametrize("name", SHAPES)
def test_what_is_written_is_read_as_the_same_model(name, tmp_path):
    file, task = tmp_path / "model.gguf", model(name)
    task.export(file, format="gguf", weight_type="float32")
    again = CausalLM.from_preset(f"gguf:{file}")
    assert again.config.replace(dropout=0.0) == task.config.replace(
        head_size=None if task.config.width_of_head == 8 else task.config.head_size
    )
    reader = gguf.GGUFReader(file)
    kind = reader.fields["general.architecture"].contents()
    assert kind == ARCHITECTURE.get(name, "gpt2")
    for path, weight in task.named_weights().items():
        np.testing.assert_array_equal(again.named_weights()[path], weight, path)
    ids = [[1, 5, 9, 2]]
    np.testing.assert_allclose(again(ids), task(ids), atol=1e-5)


@pytest.mark.parametrize(
    ("weight_type", "most", "size"),
    [("float16", 5e-3, 16), ("q8_0", 5e-2, 8.5), ("q4_0", 1.0, 4.5)],
)
def test_numbers_of_fewer_bits(weight_type, most, size, tmp_path):
    """Rows of 48 are no blocks of 32: they stay float16, as llama.cpp has them."""
    file, task = tmp_path / "model.gguf", model("llama2_70b", tied_embeddings=True)
    task.export(file, format="gguf", weight_type=weight_type)
    stored = {one.name: one for one in gguf.GGUFReader(file).tensors}
    up, norm = stored["blk.0.ffn_up.weight"], stored["blk.0.ffn_norm.weight"]
    assert up.n_bytes * 8 == size * up.n_elements and norm.n_bytes == 4 * 32
    assert stored["blk.1.ffn_down.weight"].tensor_type.name == "F16"
    again, ids = CausalLM.from_preset(f"gguf:{file}"), [[1, 5, 9, 2]]
    away = np.abs(again(ids) - task(ids)).max()
    assert 0.0 < away < most


def test_rows_of_queries_are_pairs_there_and_halves_here():
    """A head of 6 rows: llama.cpp turns (0, 1), (2, 3) and (4, 5)."""
    config = shrunk("llama2_70b", num_heads=2, num_key_value_heads=1, head_size=6)
    rows = np.arange(12)[:, None] * np.ones([1, 3])
    stored = as_stored("llama", "blk.0.attn_q.weight", rows, config)
    assert stored[:, 0].tolist() == [0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11]
    keys = as_stored("llama", "blk.0.attn_k.weight", rows[:6], config)
    assert keys[:, 0].tolist() == [0, 3, 1, 4, 2, 5]
    back = as_read("llama", "blk.0.attn_q.weight", stored, config)
    np.testing.assert_array_equal(back, rows)
    same = as_stored("qwen2", "blk.0.attn_q.weight", rows, config)
    np.testing.assert_array_equal(same, rows)


def test_llama_3_divides_long_wavelengths(tmp_path):
    file, task = tmp_path / "model.gguf", model("llama_1b", head_size=64)
    task.export(file, format="gguf")
    stored = {one.name: one for one in gguf.GGUFReader(file).tensors}
    factors = stored["rope_freqs.weight"].data
    assert factors.shape == (32,) and factors[0] == 1.0 and factors[-1] == 32.0
    assert (np.diff(factors) >= 0).all()
    assert read_gguf(file).config.rope_scaling == task.config.rope_scaling


@pytest.mark.parametrize("kind", ["pieces", "merges"])
def test_tokenizers_give_the_same_ids(kind, tmp_path):
    pytest.importorskip("tokenizers")
    if kind == "pieces":
        tokenizer = SentencePieceTokenizer.train(
            texts=LINES, vocabulary_size=300, add_bos=True
        )
    else:
        tokenizer = BytePairTokenizer.train(texts=LINES, vocabulary_size=280)
    config = shrunk("llama2_70b", vocabulary_size=tokenizer.vocabulary_size + 3)
    CausalLM(config, tokenizer).export(tmp_path / "m.gguf", format="gguf")
    again = read_gguf(tmp_path / "m.gguf").tokenizer
    texts = [*LINES[:2], "  two  spaces\n", "", "unseen 🙂 words"]
    assert again(texts).to_list() == tokenizer(texts).to_list()
    assert again.vocabulary_size == config.vocabulary_size
    for role in ("bos_id", "eos_id", "pad_id", "add_bos", "add_eos"):
        assert getattr(again, role) == getattr(tokenizer, role)
    texts = [text.encode() for text in texts]
    assert again.detokenize(again(texts)).numpy().tolist() == texts


@pytest.fixture(scope="module")
def stories(data_dir):
    return CausalLM.from_preset(f"hf:{data_dir}/weights/stories260K")


@pytest.fixture(scope="module")
def file(stories, tmp_path_factory):
    path = tmp_path_factory.mktemp("gguf") / "stories.gguf"
    stories.export(path, format="gguf")
    return path


@pytest.mark.slow
def test_stories_are_read_back(stories, file, data_dir, plain_loop):
    wanted = (data_dir / "weights/stories260K/greedy.txt").read_text()
    again = CausalLM.from_preset(f"gguf:{file}")
    assert task_class(f"gguf:{file}") is CausalLM
    assert config_of(f"gguf:{file}") == again.config
    assert again.config == stories.config
    texts = [wanted, "Once upon a time", "  Über\n中文 🙂", ""]
    assert again.tokenizer(texts).to_list() == stories.tokenizer(texts).to_list()
    count = len(stories.tokenizer(wanted)) - len(stories.tokenizer(texts[1]))
    text = again.generate(texts[1], max_new_tokens=count, temperature=0.0)
    assert text == wanted


def test_llama_cpp_writes_the_same_story(stories, file, data_dir):
    """The real llama.cpp, its own tokenizer and its own rotation."""
    llama_cpp = pytest.importorskip(
        "llama_cpp", reason="pip install llama-cpp-python: it compiles llama.cpp"
    )
    llama = llama_cpp.Llama(str(file), n_ctx=512, verbose=False, logits_all=True)
    prompt = "Once upon a time"
    ids = llama.tokenize(prompt.encode(), add_bos=True, special=False)
    assert ids == [1, *stories.tokenizer(prompt).numpy().tolist()]
    found = llama.create_completion(prompt, max_tokens=120, temperature=0.0)
    wanted = (data_dir / "weights/stories260K/greedy.txt").read_text()
    assert wanted.startswith(prompt + found["choices"][0]["text"][:200])


@pytest.mark.parametrize("name", ["llama2_70b", "qwen2_7b", "gpt2_small"])
def test_transformers_reads_the_same_model(name, tmp_path):
    """Its own reader of GGUF, which has a table of names and a rotation of its own."""
    torch = pytest.importorskip("torch", reason="make parity has torch")
    transformers = pytest.importorskip("transformers", reason="make parity has it")
    file, task = tmp_path / "model.gguf", model(name, max_length=64)
    task.export(file, format="gguf", weight_type="float32")
    more = {}
    if name == "gpt2_small":  # of which it reads few values
        sizes = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_inner": 48}
        config = transformers.GPT2Config(vocab_size=50, n_positions=64, **sizes)
        more["config"] = config
    theirs = transformers.AutoModelForCausalLM.from_pretrained(
        tmp_path, gguf_file=file.name, dtype=torch.float32, **more
    )
    ids = np.random.default_rng(0).integers(0, 50, [2, 16])
    with torch.no_grad():
        logits = theirs(torch.tensor(ids)).logits.numpy()
    np.testing.assert_allclose(task(ids).numpy(), logits, atol=1e-4)


def test_families_of_hugging_face_are_architectures():
    """Those that transformers wrote, with weights that it made."""
    for name in ("llama_grouped", "qwen2_untied", "gpt2_tied"):
        config, _ = load(FIXTURES / name)
        assert architecture_of(config) == name.partition("_")[0]
    for name in ("llama3_8b", "llama2_13b"):
        assert architecture_of(preset(name)) == "llama"


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"position": "sinusoidal"}, "the nearest, gpt2, has position='learned'"),
        ({"window": 4}, "window=None instead of 4"),
        ({"activation": "relu"}, "activation='gelu_tanh' instead of 'relu'"),
    ],
)
def test_what_it_cannot_hold_is_named(changes, line, tmp_path):
    task = CausalLM(shrunk("gpt2_small", **changes))
    with pytest.raises(ValueError, match="cannot hold this CausalLM") as error:
        task.export(tmp_path / "m.gguf", format="gguf")
    assert line in str(error.value) and "\n" not in str(error.value)
    assert str(error.value).endswith('format="onnx" holds it')
    assert list(tmp_path.iterdir()) == []


def test_bad_input_is_named(tmp_path, stories):
    with pytest.raises(ValueError, match="llama.cpp has no ByteTokenizer"):
        byte_lm().export(tmp_path / "m.gguf", format="gguf")
    with pytest.raises(ValueError, match=r"stack='encoder', not 'decoder'"):
        encoder_task(TextEmbedder).export(tmp_path / "m.gguf", format="gguf")
    with pytest.raises(ValueError, match="ends in .gguf"):
        stories.export(tmp_path / "1", format="gguf")
    with pytest.raises(ValueError, match="unknown weight_type 'q8': did you mean"):
        stories.export(tmp_path / "m.gguf", format="gguf", weight_type="q8")
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    with pytest.raises(ValueError, match="m.gguf: not readable GGUF"):
        CausalLM.from_preset(f"gguf:{tmp_path}/m.gguf")
    (tmp_path / "m.gguf").write_text("{}")
    with pytest.raises(ValueError, match="m.gguf: not a file of GGUF"):
        CausalLM.from_preset(f"gguf:{tmp_path}/m.gguf")
    with pytest.raises(ValueError, match=r"is read as 'gguf:.*m.gguf'"):
        CausalLM.from_preset(f"{tmp_path}/m.gguf")
    with pytest.raises(FileNotFoundError, match="no such file"):
        CausalLM.from_preset("gguf:nowhere.gguf")
    with pytest.raises(FileExistsError, match="m.gguf is there"):
        stories.export(tmp_path / "m.gguf", format="gguf")


def test_other_architectures_are_named(tmp_path):
    writer = gguf.GGUFWriter(tmp_path / "m.gguf", "mamba")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(ValueError, match="'mamba' is not read; known: llama, qwen2"):
        read_gguf(tmp_path / "m.gguf")


def test_the_header_has_the_numbers_of_the_model(stories, file):
    fields = gguf.GGUFReader(file).fields
    values = {name: field.contents() for name, field in fields.items()}
    wanted = {
        "general.architecture": "llama",
        "llama.block_count": 5,
        "llama.embedding_length": 64,
        "llama.feed_forward_length": 172,
        "llama.attention.head_count": 8,
        "llama.attention.head_count_kv": 4,
        "llama.rope.dimension_count": 8,
        "llama.context_length": 512,
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.bos_token_id": 1,
    }
    assert {name: values[name] for name in wanted} == wanted
    assert len(values["tokenizer.ggml.tokens"]) == 512
    json.dumps(values["tokenizer.ggml.scores"])
