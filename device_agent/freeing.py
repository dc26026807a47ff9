"""What a prune freed: what lay below the root before it, and is gone behind it."""

from pathlib import Path

from device_agent.leftovers import size_bytes
from device_agent.messages.artifacts import Pruned

_PARTS = ("", "current", "previous", "accepted", "refused")  # of these folders, what was never finished
_FOLDERS = ("artifacts", "incoming", "agents", "native", "spool")


def removable(root: Path) -> dict[str, int]:
    """The bytes of whatever a prune may remove, by its path below the root. Environments are none of it."""
    whole = [path for folder in _FOLDERS for path in (root / folder).glob("*")]
    parts = [path for folder in _PARTS for path in (root / folder).glob("*.part")]
    return {path.relative_to(root).as_posix(): size_bytes(path) for path in (*whole, *parts)}


def freed(root: Path, before: dict[str, int], artifacts: tuple[str, ...]) -> Pruned:
    """What became of `before` where these artifacts were removed; what is half removed counts with what is gone."""
    after = removable(root)
    gone, left = before.keys() - after.keys(), after.keys() - before.keys()
    freed_bytes = sum(before[path] for path in gone) - sum(after[path] for path in left)
    others = gone - {f"artifacts/{name}" for name in artifacts}
    return Pruned(artifacts, tuple(sorted(others)), max(0, freed_bytes))
