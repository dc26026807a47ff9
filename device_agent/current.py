"""Which artifact of each format is the one to use: `current/<format>`, and `previous/<format>`, what it was before.

Each is a symlink to `../artifacts/<sha256>`, made beside and renamed over the old one, so that at every instant it is
absent or names an artifact that was verified and accepted on this device. Whoever calls `switch` has seen to that, and
holds the device's lock. A program of the user's own opens `current/<format>` and needs nothing else of ours.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from device_agent import durable
from device_agent.artifact_id import is_artifact_id
from device_agent.manifest import FORMATS, Format

_CURRENT, _PREVIOUS, _ARTIFACTS = "current", "previous", "../artifacts/"


def current(root: Path, format: Format) -> str | None:
    """The id of the artifact to use; None where none was accepted yet."""
    return _target(root / _CURRENT / format)


def previous(root: Path, format: Format) -> str | None:
    """The id of what was current before."""
    return _target(root / _PREVIOUS / format)


def in_use(root: Path) -> frozenset[str]:
    """The ids that are current or previous of any format: nothing removes these."""
    return frozenset(_in_use(root))


def switch(root: Path, format: Format, sha256: str) -> None:
    """Make an accepted artifact the current one; what was current becomes the previous one.

    Two links cannot change at once. Stopped between them, the same call again finishes the work: the link that
    would forget what nothing else remembers goes last.
    """
    before = current(root, format)
    if before == sha256:
        return
    steps = [(_PREVIOUS, before), (_CURRENT, sha256)]
    if sha256 == previous(root, format):
        steps.reverse()
    for name, target in steps:
        if target is not None:
            _point(root / name / format, target)


def _point(link: Path, sha256: str) -> None:
    durable.make_folder(link.parent)
    part = link.with_name(f"{link.name}.{os.urandom(6).hex()}.part")
    try:
        part.symlink_to(_ARTIFACTS + sha256)
        part.replace(link)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    durable.flush(link.parent)


def _target(link: Path) -> str | None:
    """The artifact that a link of ours names; None for anything else."""
    try:
        target = os.readlink(link)  # noqa: PTH115 - as text: a Path would tidy it
    except OSError:
        return None
    name = target.removeprefix(_ARTIFACTS)
    return name if target.startswith(_ARTIFACTS) and is_artifact_id(name) else None


def _in_use(root: Path) -> Iterator[str]:
    for format in FORMATS:
        yield from (one for one in (current(root, format), previous(root, format)) if one is not None)
