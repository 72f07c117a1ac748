"""A server in a thread of the test's own process, on a port that is free."""

from __future__ import annotations

import contextlib
import threading
import time
from types import SimpleNamespace

import httpx

from massivetext_keras.serving.app import make_app
from massivetext_keras.serving.server import listen, make_server


@contextlib.contextmanager
def running(service, keys=None, log_prompts=False, poll_seconds=0.05, remote=None):
    """Its address, a client and the service, while it runs."""
    app = make_app(service, keys, log_prompts, poll_seconds, remote)
    heard = listen("127.0.0.1", 0)
    heard.listen()
    port = heard.getsockname()[1]
    server = make_server(app, "127.0.0.1", port)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [heard]})
    thread.start()
    url = f"http://127.0.0.1:{port}"
    try:
        with httpx.Client(base_url=url, timeout=60) as client:
            while client.get("/readyz").status_code != 200:
                time.sleep(0.02)
            yield SimpleNamespace(url=url, port=port, client=client, service=service)
    finally:
        server.should_exit = True
        thread.join(60)
        heard.close()
        assert not thread.is_alive()
