"""OpenAI's interface for vectors of texts."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
from starlette.requests import Request
from starlette.responses import Response

from massivetext_keras.serving.fields import Fields, as_text, read_object
from massivetext_keras.serving.models.model import Model
from massivetext_keras.serving.models.tensors import as_array
from massivetext_keras.serving.predicting import ask
from massivetext_keras.serving.refusals import Refusal
from massivetext_keras.serving.routes.answers import as_json, model_with
from massivetext_keras.serving.service import Service

_FIELDS = ("model", "input", "encoding_format", "dimensions")


async def embeddings(service: Service, request: Request) -> Response:
    """POST /v1/embeddings."""
    fields = Fields(read_object(await request.body()), _FIELDS, ignored=("user",))
    model = model_with(service, fields.text("model"), "embed")
    texts = _texts(fields.get("input"), service.limits.max_rows)
    kind = fields.text("encoding_format", "float")
    if kind not in ("float", "base64"):
        why = "encoding_format must be float or base64"
        raise Refusal(422, why, "encoding_format")
    await service.moderator.check(texts, "input")
    with service.models.lease(model.name) as model:
        spec = model.signatures["embed"].inputs["text"]
        found = await ask(model, "embed", {"text": as_array("input", texts, spec)})
    vectors = found["embedding"]
    size = vectors.shape[1]
    if fields.integer("dimensions", size) != size:
        raise Refusal(422, f"dimensions can only be {size}", "dimensions")
    data = [
        {"object": "embedding", "index": i, "embedding": _encoded(vector, kind)}
        for i, vector in enumerate(vectors)
    ]
    answer: dict[str, Any] = {"object": "list", "data": data, "model": model.name}
    count = _tokens(model, texts)
    usage = {"prompt_tokens": count, "total_tokens": count}
    return as_json({**answer, "usage": usage})


def _tokens(model: Model, texts: list[str]) -> int | None:
    """How many tokens there are; None of an export, whose tokenizer tells nobody."""
    if model.task is None:
        return None
    return int(model.task.tokenizer.tokenize(texts).flat_values.shape[0])


def _texts(value: Any, most: int) -> list[str]:
    if value is None:
        raise Refusal(422, "input is missing", "input")
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not 0 < len(texts) <= most:
        why = f"input must be a text, or a list of 1 to {most} texts"
        raise Refusal(422, why, "input")
    return [as_text(text, f"input[{i}]") for i, text in enumerate(texts)]


def _encoded(vector: np.ndarray, kind: str) -> Any:
    if kind == "base64":
        return base64.b64encode(vector.astype("<f4").tobytes()).decode()
    return vector.astype(str).astype(np.float64).tolist()
