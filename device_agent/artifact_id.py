"""What an artifact is called: the SHA-256 of its manifest. Standard library only."""

import re


def is_artifact_id(text: str) -> bool:
    """Whether it is a SHA-256 in hexadecimal digits."""
    return re.fullmatch(r"[0-9a-f]{64}", text) is not None


def require_artifact_id(sha256: str) -> None:
    """Raise `ValueError` for what is no SHA-256 in hexadecimal digits."""
    if not is_artifact_id(sha256):
        raise ValueError(f"{sha256!r} is no artifact's id")
