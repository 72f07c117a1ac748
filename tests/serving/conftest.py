"""One server with tiny exports, a preset whose texts a script writes, for all tests."""

from __future__ import annotations

import openai
import pytest

from massivetext_keras import tasks, tokenizers
from massivetext_keras.configs import TransformerConfig
from massivetext_keras.serving.limits import Limits
from massivetext_keras.serving.models.registry import Place
from massivetext_keras.serving.service import make_service
from tests.serving.engines import ScriptedEngine
from tests.serving.exports import write_all
from tests.serving.running import running

LIMITS = Limits(max_body=20_000, max_new_tokens=500, max_rows=16, max_seconds=20.0)


@pytest.fixture(scope="session")
def exports(tmp_path_factory):
    """Folders of exports, by name."""
    return write_all(tmp_path_factory.mktemp("exports"))


@pytest.fixture(scope="session")
def preset(tmp_path_factory):
    """A language model that never learned anything."""
    tokenizer = tokenizers.ByteTokenizer()
    config = TransformerConfig(
        stack="decoder",
        vocabulary_size=tokenizer.vocabulary_size,
        num_layers=1,
        hidden_size=8,
        num_heads=1,
        intermediate_size=8,
        max_length=1024,
    )
    folder = tmp_path_factory.mktemp("presets") / "writer"
    tasks.CausalLM(config, tokenizer).save_preset(str(folder))
    return str(folder)


@pytest.fixture(scope="session")
def places(exports, preset):
    """All models."""
    found = [Place(name, path) for name, path in exports.items()]
    return [*found, Place("writer", preset, is_preset=True)]


@pytest.fixture(scope="session")
def service(places):
    """The models, loaded."""
    found = make_service(
        places, LIMITS, engine_of=lambda task, limits: ScriptedEngine(task, 0.001)
    )
    found.models.load()
    return found


@pytest.fixture(scope="session")
def server(service):
    """The server, running."""
    with running(service) as found:
        yield found


@pytest.fixture(scope="session")
def client(server):
    """A client of HTTP."""
    return server.client


@pytest.fixture(scope="session")
def openai_client(server):
    """OpenAI's own client."""
    with openai.OpenAI(
        base_url=f"{server.url}/v1", api_key="none", max_retries=0
    ) as found:
        yield found
