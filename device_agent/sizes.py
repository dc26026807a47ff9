"""Sizes for people."""


def size_text(size_bytes: int) -> str:
    """A size for a sentence: 512 B, 3.4 kB, 12.0 MB."""
    size = float(size_bytes)
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
