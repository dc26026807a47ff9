"""What lies where a published file should be: a web page, a pointer of Git LFS, half of a download."""

from dataclasses import dataclass

_SEEN = 512  # bytes that tell
_LFS = b"version https://git-lfs"
_PAGES = (b"<!doctype", b"<html", b"<?xml", b"<head")


@dataclass(frozen=True)
class Stray:
    """What a file is in place of what it should be, and what helps, each for a sentence."""

    what: str
    remedy: str


def stray(begin: bytes) -> Stray | None:
    """What a file is that begins so; None for what may be a data file.

    Args:
        begin: its first few hundred bytes.
    """
    head = begin[:_SEEN].lstrip().lower()
    if not begin:
        return Stray("is empty", "Fetch it again.")
    if head.startswith(_LFS):
        return Stray(
            "is a pointer of Git LFS, which stands for the file and does not hold it",
            "Fetch what it stands for: git lfs pull.",
        )
    if head.startswith(_PAGES):
        return Stray(
            "is a web page, as servers send in place of a file that they do not give",
            "Open the address in a browser, and see what it asks for.",
        )
    if head.startswith(b"pk\x03\x04"):
        return Stray("is a zip file", "Unpack it, and name the folder.")
    return None
