"""The ledger of a device: `deployments.json`, one deployment a line, the newest last.

A push appends one line under the device's lock. A ledger that is damaged, of another version, or lost beside
artifacts is set aside and written anew from what it still says and from the artifacts themselves. (Its name is
the one that older versions use, so that they meet it and refuse, and no second ledger grows beside it.)
"""

import json
import os
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from device_agent import durable
from device_agent.artifact import look_at_artifact
from device_agent.artifact_id import is_artifact_id
from device_agent.errors import AgentError
from device_agent.messages.ledger import Deployment
from device_agent.strict import StrictError, from_json, to_dict

LEDGER = "deployments.json"
_LONGEST_REASON = 200
_LATEST_S = 253_402_300_799.0  # the last second of the year 9999
_MOST_LINES = 1000  # then the lines that newer ones replaced are dropped


@dataclass(frozen=True)
class Reading:
    """The lines that could be read, the oldest first, and what is wrong with the others, as a clause."""

    deployments: tuple[Deployment, ...]
    lines: int
    damage: str | None


def read(root: Path, *, locked: bool) -> Reading:
    """The ledger as it is. Without the lock, an unfinished line behind others is one that is being written just now.

    (Under the lock it is what a power cut left of a push that nobody was told of.)
    """
    path = root / LEDGER
    try:
        if not path.is_file() and os.path.lexists(path):  # nor opened: a pipe would never answer
            return Reading((), 0, f"{path} is no file")
        data = path.read_bytes()
    except FileNotFoundError:
        return Reading((), 0, f"{path} is missing" if any(_artifacts(root)) else None)
    if not data:
        return Reading((), 0, f"{path} is empty" if any(_artifacts(root)) else None)
    *lines, rest = data.split(b"\n")
    return _parse(lines, f"the last line of {path} is cut" if rest and (locked or not lines) else None, path)


def deployments(root: Path, device: str, agent_sha256: str) -> tuple[tuple[Deployment, ...], str | None]:
    """What is on the device, one entry an artifact, the newest last, and why the ledger alone could not tell."""
    found = read(root, locked=False)
    if found.damage is None:
        return _newest(found.deployments), None
    return _gathered(root, found, device, agent_sha256), found.damage


def record(root: Path, deployment: Deployment) -> Deployment:
    """Write a deployment down as the newest; returns it with what was the newest before. Needs the lock."""
    found = read(root, locked=True)
    before = _newest(found.deployments)
    if found.damage is not None:
        before = _gathered(root, found, deployment.device, deployment.agent_sha256)
    others = tuple(item for item in before if item.artifact_sha256 != deployment.artifact_sha256)
    if found.damage is not None:
        _write_anew(root, others)
    elif found.lines > _MOST_LINES:
        _write(root, before)
    deployment = replace(deployment, previous=others[-1].artifact_sha256 if others else None)
    durable.append(root / LEDGER, _line(deployment))
    return deployment


def mended(root: Path, device: str, agent_sha256: str) -> tuple[Deployment, ...]:
    """What is on the device, one entry an artifact, the newest last; a damaged one is written anew. Needs the lock."""
    found = read(root, locked=True)
    if found.damage is None:
        return _newest(found.deployments)
    items = _gathered(root, found, device, agent_sha256)
    _write_anew(root, items)
    return items


def forget(root: Path, names: Collection[str]) -> None:
    """Drop the lines of these artifacts from a ledger that is sound. Needs the lock."""
    _write(root, [item for item in read(root, locked=True).deployments if item.artifact_sha256 not in names])


def _parse(lines: Sequence[bytes], damage: str | None, path: Path) -> Reading:
    read_well = []
    for number, line in enumerate(lines, 1):
        try:
            read_well.append(from_json(Deployment, line))
        except StrictError as error:
            damage = damage or f"line {number} of {path} cannot be read ({_plain(str(error))})"
    return Reading(tuple(read_well), len(lines), damage)


def _plain(text: str) -> str:
    """What a damaged line says of itself is printed by a host: letters alone pass, and not all of them."""
    return "".join(letter for letter in text[:_LONGEST_REASON] if letter.isprintable())


def _newest(items: Sequence[Deployment]) -> tuple[Deployment, ...]:
    """One entry an artifact: pushing it again makes it the newest."""
    last = {item.artifact_sha256: index for index, item in enumerate(items)}
    return tuple(item for index, item in enumerate(items) if last[item.artifact_sha256] == index)


def _gathered(root: Path, found: Reading, device: str, agent_sha256: str) -> tuple[Deployment, ...]:
    """What the ledger still says of artifacts that are there, then the artifacts it does not name, by their age."""
    there = {path.name: path for path in _artifacts(root)}
    known = [item for item in _newest(found.deployments) if item.artifact_sha256 in there]
    unknown = sorted(set(there) - {item.artifact_sha256 for item in known}, key=lambda name: _age(there[name]))
    for name in unknown:
        try:
            manifest = look_at_artifact(there[name], name)
        except (AgentError, FileNotFoundError, PermissionError):
            continue  # no artifact that this version can read
        when = datetime.fromtimestamp(_age(there[name]), UTC).isoformat(timespec="seconds")
        previous = known[-1].artifact_sha256 if known else None
        known.append(Deployment(device, name, manifest.label, manifest.format, agent_sha256, when, previous))
    return tuple(known)


def _artifacts(root: Path) -> Iterator[Path]:
    folder = root / "artifacts"
    if folder.is_dir():
        yield from (path for path in folder.iterdir() if is_artifact_id(path.name) and path.is_dir())


def _age(path: Path) -> float:
    """When it was written, by the device's clock, in seconds since 1970 and within a calendar's reach."""
    try:
        return min(path.stat().st_mtime, _LATEST_S)
    except FileNotFoundError:  # set aside by a push, while no lock is held here
        return 0.0


def _write_anew(root: Path, items: Sequence[Deployment]) -> None:
    """Whole beside the old one first, which is then set aside: where the disk is full, the old one stays."""
    path, anew = root / LEDGER, root / f"{LEDGER}.anew.part"
    durable.write_whole(anew, _lines(items))
    if os.path.lexists(path):
        path.rename(path.with_name(f"{LEDGER}.aside-{time.time_ns()}"))
    anew.replace(path)


def _write(root: Path, items: Sequence[Deployment]) -> None:
    durable.write_whole(root / LEDGER, _lines(items))


def _lines(items: Sequence[Deployment]) -> bytes:
    return b"".join(map(_line, items))


def _line(deployment: Deployment) -> bytes:
    return json.dumps(to_dict(deployment), sort_keys=True, allow_nan=False).encode() + b"\n"
