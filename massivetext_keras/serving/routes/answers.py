"""Answers in JSON, and what several of them have."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from massivetext_keras.serving.models.model import Model
from massivetext_keras.serving.refusals import Refusal
from massivetext_keras.serving.service import Service


def as_json(content: Mapping[str, Any], status: int = 200) -> Response:
    """An answer; NaN and Infinity stand in it as Serving writes them."""
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return Response(body.encode() + b"\n", status, media_type="application/json")


def refused(path: str, refusal: Refusal) -> Response:
    """The answer to what is refused."""
    answer = as_json(refusal.body(path), refusal.status)
    answer.headers.update(refusal.headers())
    return answer


def model_object(model: Model) -> dict[str, Any]:
    """A model as OpenAI lists it; what it answers stands there besides."""
    return {
        "id": model.name,
        "object": "model",
        "created": model.created,
        "owned_by": "massivetext_keras",
        "signatures": sorted(model.signatures),
        "writes": model.engine is not None,
    }


def model_with(service: Service, name: str, what: str) -> Model:
    """A model by the name in a request's body, that has an engine or a signature.

    Raises:
        Refusal: there is none.
    """
    model = service.models.find(name)
    if not _has(model, what):
        others = [m.name for m in service.models.models() if _has(m, what)]
        hint = f"use {', '.join(others)}" if others else "no model here does"
        raise Refusal(404, f"model {name} gives no {what}: {hint}", "model")
    return model


def _has(model: Model, what: str) -> bool:
    return model.engine is not None if what == "text" else what in model.signatures
