"""The page to try the models on."""

CONTENT_SECURITY = ""


def page() -> str:
    """HTML."""
    return ""
