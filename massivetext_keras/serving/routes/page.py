"""The page to try the models on: one file, whose script asks this server alone."""

from __future__ import annotations

import base64
import functools
import hashlib
import re

from massivetext_keras.pages.render import fill

_SCRIPT = re.compile("<script>(.*?)</script>", re.DOTALL)


@functools.cache
def page() -> str:
    """The page, in HTML."""
    return fill("serving/routes/page.html")


@functools.cache
def content_security() -> str:
    """Which script may run: the page's own, known by its digest, and no other.

    >>> content_security().partition(";")[0]
    "default-src 'none'"
    """
    digest = hashlib.sha256(_SCRIPT.findall(page())[0].encode()).digest()
    return (
        "default-src 'none'; connect-src 'self'; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{base64.b64encode(digest).decode()}'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
