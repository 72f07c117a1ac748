"""All addresses of a server, as one ASGI application."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from massivetext_keras.serving.gate import Gate, Keys
from massivetext_keras.serving.refusals import Refusal
from massivetext_keras.serving.routes.answers import as_json, model_object, refused
from massivetext_keras.serving.routes.embeddings import embeddings
from massivetext_keras.serving.routes.page import content_security, page
from massivetext_keras.serving.routes.predictions import metadata, predict, state
from massivetext_keras.serving.routes.texts import chats, completions
from massivetext_keras.serving.service import Service

if TYPE_CHECKING:
    import grpc

Handler = Callable[[Service, Request], Awaitable[Response]]
_MODEL = "/v1/models/{name:str}"
_VERSION = _MODEL + "/versions/{version:str}"
# method, address, what answers, what it is counted and listed as
ENDPOINTS: list[tuple[str, str, Handler, str]] = [
    ("GET", _MODEL + "/metadata", metadata, "signatures of a model"),
    ("GET", _VERSION + "/metadata", metadata, "signatures of a version"),
    ("POST", _VERSION + ":predict", predict, "answers of a version"),
    ("POST", _MODEL + ":predict", predict, "answers, as TensorFlow Serving"),
    ("GET", _VERSION, state, "state of a version"),
    ("GET", _MODEL, state, "state of a model"),
    ("POST", "/v1/completions", completions, "texts that go on, as OpenAI"),
    ("POST", "/v1/chat/completions", chats, "replies, as OpenAI"),
    ("POST", "/v1/embeddings", embeddings, "vectors of texts, as OpenAI"),
]


async def models(service: Service, request: Request) -> Response:
    """GET /v1/models."""
    found = [model_object(model) for model in service.models.models()]
    return as_json({"object": "list", "data": found})


async def health(service: Service, request: Request) -> Response:
    """GET /healthz."""
    return as_json({"status": "alive"})


async def ready(service: Service, request: Request) -> Response:
    """GET /readyz: once all models are warmed up."""
    if failures := service.models.failures:
        name, why = next(iter(failures.items()))
        why = f"{name} cannot be warmed up: {why}"
        raise Refusal(503, why, code="warm_up_failed")
    if not service.models.ready:
        raise Refusal(503, "the models are being warmed up", code="not_ready")
    return as_json({"status": "ready"})


async def metrics(service: Service, request: Request) -> Response:
    """GET /metrics."""
    return Response(service.measuring.text(), media_type=CONTENT_TYPE_LATEST)


async def home(service: Service, request: Request) -> Response:
    """GET /."""
    return HTMLResponse(page(), headers={"Content-Security-Policy": content_security()})


ENDPOINTS += [
    ("GET", "/v1/models", models, "models, as OpenAI"),
    ("GET", "/healthz", health, "whether the process lives"),
    ("GET", "/readyz", ready, "whether the models are warmed up"),
    ("GET", "/metrics", metrics, "counts, as Prometheus"),
    ("GET", "/", home, "a page to try the models"),
]


def make_app(
    service: Service,
    keys: Keys | None = None,
    log_prompts: bool = False,
    poll_seconds: float = 2.0,
    remote: Callable[[], grpc.aio.Server] | None = None,
    failed: Callable[[str], None] = lambda why: None,
) -> Gate:
    """The ASGI application of a service whose models are loaded.

    It warms them up when it starts, and closes them when it ends.

    Args:
        service: what answers.
        keys: that may ask (None: everybody may).
        log_prompts: whether bodies are logged.
        poll_seconds: between two looks for new versions of models.
        remote: makes a gRPC server, that runs as long as this does (None: there is
            none).
        failed: told why a model cannot be warmed up; requests for the others are
            answered, and it is never ready.
    """

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        service.models.watch(poll_seconds, failed)
        beside = remote() if remote is not None else None
        if beside is not None:
            await beside.start()
        yield
        if beside is not None:
            await beside.stop(service.limits.max_seconds)
        await asyncio.to_thread(service.models.close)

    def bound(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            return await handler(service, request)

        return answer

    routes = [
        Route(path, bound(handler), methods=[method])
        for method, path, handler, _ in ENDPOINTS
    ]
    app = Starlette(
        routes=routes,
        lifespan=lifespan,
        exception_handlers={Refusal: _refused, HTTPException: _missing},
    )
    app.router.redirect_slashes = False
    return Gate(
        app, service.limits, keys or Keys(), service.measuring, _name, log_prompts
    )


async def _refused(request: Request, refusal: Refusal) -> Response:
    return refused(request.url.path, refusal)


async def _missing(request: Request, error: HTTPException) -> Response:
    path, method = request.url.path[:200], request.method
    if error.status_code == 405:
        refusal = Refusal(405, f"{path} takes no {method}")
    elif error.status_code == 404:
        refusal = Refusal(404, f"Malformed request: {method} {path}: no such address")
    else:
        refusal = Refusal(error.status_code, str(error.detail))
    return refused(request.url.path, refusal)


_PLAIN = {path for _, path, _, _ in ENDPOINTS if "{" not in path}


def _name(path: str) -> str:
    """What a path is counted as, of which there are few.

    >>> _name("/v1/models/a/versions/3:predict"), _name("/v1/models/b"), _name("/x")
    (':predict', '/v1/models/', 'other')
    """
    if path in _PLAIN:
        return path
    if path.startswith("/v1/models/"):
        return ":predict" if path.endswith(":predict") else "/v1/models/"
    return "other"
