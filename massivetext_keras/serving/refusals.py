"""What a request is refused with: a status, a field, and one line that names it."""

from __future__ import annotations

from typing import Any

# A name for each status, as OpenAI's clients know them.
_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    404: "not_found_error",
    405: "invalid_request_error",
    408: "timeout_error",
    413: "invalid_request_error",
    422: "invalid_request_error",
    429: "rate_limit_error",
    500: "server_error",
    503: "unavailable_error",
}


def took_too_long(seconds: float) -> Refusal:
    """Of an answer that did not come in so many seconds.

    >>> took_too_long(1.5).message
    'the answer took longer than 1.5 seconds'
    """
    why = f"the answer took longer than {seconds:g} seconds"
    return Refusal(408, why, code="timeout")


class Refusal(Exception):
    """A request is not answered.

    Args:
        status: of HTTP.
        message: one line.
        field: of the request that is wrong, "" if none is.
        code: a word for programs.
    """

    def __init__(self, status: int, message: str, field: str = "", code: str = ""):
        super().__init__(message)
        self.status, self.field, self.code = status, field, code
        self.message = " ".join(message.split())

    def body(self, path: str) -> dict[str, Any]:
        """The JSON of the answer: as TensorFlow Serving has it for what it would be
        asked, else as OpenAI has it.

        >>> Refusal(422, "top_p must be in (0, 1]", "top_p").body("/v1/completions")
        {'error': {'message': 'top_p must be in (0, 1]',
            'type': 'invalid_request_error', 'param': 'top_p', 'code': None}}
        >>> Refusal(404, "no version 3").body("/v1/models/m/versions/3")
        {'error': 'no version 3'}
        """
        if path.startswith("/v1/models/"):
            return {"error": self.message}
        error = {
            "message": self.message,
            "type": _TYPES.get(self.status, "server_error"),
            "param": self.field or None,
            "code": self.code or None,
        }
        return {"error": error}

    def headers(self) -> dict[str, str]:
        """What the answer's head says besides."""
        if self.status == 401:
            return {"WWW-Authenticate": "Bearer"}
        return {"Retry-After": "1"} if self.status in (429, 503) else {}
