"""Sizes: for people, and what files need of a disk."""

from collections.abc import Iterable

MARGIN_INODES = 4
_MARGIN_BYTES = 1 << 16  # for folders, records and the ledger


def needed_bytes(missing: Iterable[int], block_bytes: int) -> int:
    """What files need that so many bytes are missing of: whole blocks, and what is written beside them."""
    return sum(-(-size // block_bytes) * block_bytes for size in missing) + _MARGIN_BYTES


def size_text(size_bytes: int) -> str:
    """A size for a sentence: 512 B, 3.4 kB, 12.0 MB."""
    size = float(size_bytes)
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
