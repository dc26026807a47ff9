"""Paths below the device's root, as a host names them."""

from pathlib import Path, PurePosixPath

from device_agent.errors import UPDATE_BOTH, BadRequest


def below(root: Path, relative: str) -> Path:
    """The path below the root. Raises `BadRequest` for one that is empty, absolute or climbs out."""
    named = PurePosixPath(relative)
    if named.is_absolute() or not named.parts or ".." in named.parts or "\0" in relative:
        raise BadRequest(f"{relative!r} is not a path below the device's root.", UPDATE_BOTH)
    return root / named
