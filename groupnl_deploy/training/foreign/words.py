"""Lists for people."""

from groupnl_deploy.words import first_few

MOST = 8


def listed(names: list[str], most: int = MOST) -> str:
    """The first few, and how many more."""
    return first_few([_shown(name) for name in names], most)


def _shown(name: str) -> str:
    return (name if name.isprintable() else ascii(name)[1:-1])[:200] or "“”"
