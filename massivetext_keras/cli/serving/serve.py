"""The verb that serves models over HTTP."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from typing import Annotated, Any

from massivetext_keras.cli.flags import Given, UsageError, given, verb
from massivetext_keras.serving.limits import Limits
from massivetext_keras.support.arguments import Count, PositiveAmount, Share


@verb("serve")
def serve(
    *,
    model: Annotated[
        Sequence[str],
        "[NAME=]PATH of an export, or of a folder with exports 1, 2 and so on, the "
        "newest of which is served; may repeat",
    ] = (),
    preset: Annotated[
        Sequence[str], "[NAME=]PRESET, whose texts can be streamed; may repeat"
    ] = (),
    host: Annotated[str, "address to listen at; 0.0.0.0 is all of them"] = "127.0.0.1",
    port: Annotated[Count, "to listen at; 0 is any that is free"] = 8500,
    grpc_port: Annotated[
        int | None, "for TensorFlow Serving's gRPC form, too (default: none)"
    ] = None,
    limits: Given = given(Limits),
    api_keys: Annotated[str | None, "file with a key a line; others get 401"] = None,
    banned: Annotated[str | None, "file with a phrase a line that nothing has"] = None,
    moderation: Annotated[
        str | None, "export of a TextClassifier, or package.module:function"
    ] = None,
    moderation_labels: Annotated[
        Sequence[str], "of the classifier, that may not pass; may repeat"
    ] = (),
    moderation_threshold: Annotated[Share, "score from which a label holds"] = 0.5,
    ssl_certfile: Annotated[str | None, "certificate for HTTPS"] = None,
    ssl_keyfile: Annotated[str | None, "its private key"] = None,
    ssl_keyfile_password: Annotated[str | None, "of the private key"] = None,
    ssl_ca_certs: Annotated[str | None, "certificates of authorities"] = None,
    poll_seconds: Annotated[PositiveAmount, "between looks for newer versions"] = 2.0,
    log_prompts: Annotated[bool, "log the bodies of requests, too"] = False,
    dry_run: Annotated[bool, "print endpoints and limits, and end"] = False,
) -> None:
    """Answer over HTTP, as TensorFlow Serving and OpenAI do.

    A SIGTERM lets running requests end. Statuses and errors are in docs/serving.md.

    Examples:
        massivetext serve --model=writer=served --port=8500
        massivetext serve --model=writer=served --dry_run
    """
    from massivetext_keras.serving.gate import Keys
    from massivetext_keras.serving.models.registry import Place
    from massivetext_keras.serving.moderation import moderator as judges
    from massivetext_keras.serving.service import make_service
    from massivetext_keras.support.extras import need

    for name in ("uvicorn", "starlette", "prometheus_client"):
        need(name, "serve")
    if not model and not preset:
        raise UsageError("--model or --preset is required; see serve --help")
    places = [Place.read(text) for text in model]
    places += [Place.read(text, is_preset=True) for text in preset]
    found = Limits(**limits)
    if dry_run:
        print(plan(places, found, host, port, bool(ssl_certfile)))
        return
    judge = moderation and judges.find_judge(
        moderation, moderation_labels, moderation_threshold
    )
    phrases = judges.read_phrases(banned) if banned else ()
    service = make_service(places, found, judges.Moderator(phrases, judge or None))
    keys = Keys.read(api_keys) if api_keys else Keys()
    tls = {
        "ssl_certfile": ssl_certfile,
        "ssl_keyfile": ssl_keyfile,
        "ssl_keyfile_password": ssl_keyfile_password,
        "ssl_ca_certs": ssl_ca_certs,
    }
    remote = None
    if grpc_port is not None:
        pair = ssl_certfile, ssl_keyfile
        remote = _remote(service, keys, f"{_shown(host)}:{grpc_port}", *pair)
    how = {"log_prompts": log_prompts, "poll_seconds": poll_seconds, "remote": remote}
    _run(service, keys, (host, port), tls, how)


def _remote(service: Any, keys: Any, address: str, *pair: str | None) -> Any:
    """What makes the gRPC server, and says where it is."""
    from massivetext_keras.support.extras import need

    make_remote = need("massivetext_keras.serving.remote", "serve").make_remote
    host = address.rpartition(":")[0]

    def say(port: int) -> None:
        print(f"grpc://{host}:{port}", flush=True)

    return lambda: make_remote(service, keys, address, *pair, say)


def _shown(host: str) -> str:
    """An address as it stands before a port."""
    return f"[{host}]" if ":" in host else host


def _run(
    service: Any,
    keys: Any,
    address: tuple[str, int],
    tls: dict[str, str | None],
    how: dict[str, Any],
) -> None:
    from massivetext_keras.serving import server
    from massivetext_keras.serving.app import make_app

    with server.ended_by_signal(), contextlib.closing(server.listen(*address)) as heard:
        service.models.load()
        failures: list[str] = []

        def end(why: str) -> None:
            failures.append(why)
            running.should_exit = True

        app = make_app(service, keys, failed=end, **how)
        scheme = "https" if tls["ssl_certfile"] else "http"
        host, port = heard.getsockname()[:2]
        heard.listen()  # from now on, who asks waits
        print(f"{scheme}://{_shown(host)}:{port}", flush=True)
        if host not in ("127.0.0.1", "::1") and not keys:
            print("anybody who reaches it may ask: see --api_keys", file=sys.stderr)
        running = server.make_server(app, host, port, tls)
        running.run(sockets=[heard])
        if failures:
            raise RuntimeError(failures[0])


def plan(places: Sequence[Any], limits: Limits, host: str, port: int, tls: bool) -> str:
    """What `--dry_run` prints: models, endpoints and limits.

    Raises:
        OSError: a model is not there.
    """
    from massivetext_keras.serving.app import ENDPOINTS
    from massivetext_keras.serving.models.model import signatures_of

    lines = [f"{'https' if tls else 'http'}://{host}:{port}", ""]
    for place in places:
        version, path = max(place.versions().items())
        told = f"version {version}, {path}"
        if not place.is_preset:
            told += f": {', '.join(sorted(signatures_of(path)))}"
        lines.append(f"{place.name}: {told}")
    lines.append("")
    width = max(len(path) for _, path, _, _ in ENDPOINTS)
    for method, path, _, text in ENDPOINTS:
        path = path.replace(":str", "")
        lines.append(f"{method:4} {path:{width}} {text}".rstrip())
    lines.append("")
    lines += [f"{name}={value}" for name, value in limits.to_dict().items()]
    return "\n".join(lines)
