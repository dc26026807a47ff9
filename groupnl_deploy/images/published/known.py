"""What is known of published files: name, size, MD5, and where they are."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from groupnl_deploy.errors import VerificationFailed
from groupnl_deploy.images.listing import shown


@dataclass(frozen=True)
class KnownFile:
    """A file as it was published.

    Args:
        name: of the file.
        size_bytes: its size, where somebody wrote it down.
        md5: hex, likewise; the authors of these data sets give no stronger digest.
    """

    name: str
    size_bytes: int | None = None
    md5: str | None = None

    def __str__(self) -> str:
        facts = [] if self.size_bytes is None else [f"{self.size_bytes:,} bytes"]
        facts += [] if self.md5 is None else [f"MD5 {self.md5}"]
        return f"{self.name} ({', '.join(facts)})" if facts else self.name


def md5_of(data: bytes | memoryview) -> str:
    """Hex MD5: whether a download is whole. It does not tell who made it."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def file_md5(path: Path) -> str:
    """Hex MD5 of a file's content."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def require_md5(what: str, known: KnownFile, found: str, remedy: str) -> None:
    """Raise `VerificationFailed` where a file of the published size has another content."""
    if known.md5 not in (None, found):
        raise VerificationFailed(
            f"{shown(what)} is damaged: it has the size of the published one, but the MD5 {found} and not {known.md5}.",
            remedy,
        )
