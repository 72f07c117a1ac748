"""The limits of a server, as one frozen value."""

from __future__ import annotations

import dataclasses

from massivetext_keras.support.values import Config, setting


@dataclasses.dataclass(frozen=True)
class Limits(Config):
    """How much a request, and all of them together, may ask for.

    Attributes:
        max_body: bytes of a request's body, else 413.
        max_prompt_tokens: of a prompt, else 422 (0: what the context has room for).
        max_new_tokens: of a text that is written, else 422.
        max_rows: texts of one request, choices included, else 422.
        max_requests: that are answered at a time, else 429.
        max_waiting: rows that wait for a batch, else 429.
        max_seconds: that an answer may take, else 408.
        max_body_seconds: in which the head of a request, and then its body, have to
            come, else 408.
        max_batch: rows of a batch.
        batch_delay: milliseconds that a row waits for others.
        slots: texts of a model that are written at a time.

    >>> Limits(max_requests=0)
    Traceback (most recent call last):
    ValueError: Limits.max_requests must be positive, got 0
    """

    max_body: int = setting(1_000_000, least=1)
    max_prompt_tokens: int = setting(0, least=0)
    max_new_tokens: int = setting(1024, least=1)
    max_rows: int = setting(128, least=1)
    max_requests: int = setting(256, least=1)
    max_waiting: int = setting(1024, least=1)
    max_seconds: float = setting(120.0, above=0)
    max_body_seconds: float = setting(10.0, above=0)
    max_batch: int = setting(32, least=1)
    batch_delay: float = setting(2.0, least=0)
    slots: int = setting(8, least=1)
