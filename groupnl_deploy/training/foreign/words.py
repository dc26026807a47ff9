"""Lists for people."""

MOST = 8


def listed(names: list[str], most: int = MOST) -> str:
    """The first few, and how many more."""
    shown = [name if name.isprintable() else ascii(name)[1:-1] for name in names[:most]]
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(name[:200] or "“”" for name in shown) + more
