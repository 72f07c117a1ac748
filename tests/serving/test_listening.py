"""Where a server listens."""

from __future__ import annotations

import contextlib
import socket

from massivetext_keras.serving.server import listen


def test_short_answers_are_sent_at_once():
    with contextlib.closing(listen("127.0.0.1", 0)) as heard:
        # what asyncio looks at before it sets TCP_NODELAY
        assert heard.proto == socket.IPPROTO_TCP
