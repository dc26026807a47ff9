"""A push on the device's side: a folder of its own to fill, then one commit. Both need the device's lock.

Below the root::

    agents/groupnl-agent-<sha256>.pyz    the bundle, named by its digest
    artifacts/<sha256>/                  an artifact, named by its manifest's digest; whole, always
    incoming/<sha256>/                   what pushes of that artifact have sent so far; the next one goes on from there
    native/<sha256>                      a library of native operators, see `native_store.py`
    deployments.json                     the ledger
"""

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from device_agent import durable, ledger
from device_agent.artifact import open_artifact
from device_agent.disk import require_room
from device_agent.errors import UPDATE_BOTH, BadRequest, DigestMismatch
from device_agent.lock import DeviceLock
from device_agent.manifest import MANIFEST_FILE, ArtifactManifest
from device_agent.messages.ledger import Deployment
from device_agent.messages.push import CommitPush, Held, OpenPush, PushOpened, SendFile
from device_agent.parts import Part
from device_agent.removing import remove, remove_if_possible
from device_agent.sweep import sweep


class Pushing:
    """The pushes of one session, one at a time. When the session ends in the middle of a commit, that is finished."""

    def __init__(self, root: Path, agent: Path, agent_sha256: str, lock: DeviceLock) -> None:
        self._root, self._agent, self._agent_sha256, self._lock = root, agent, agent_sha256, lock
        self._push: Push | None = None
        self._finishing = threading.Lock()

    def open(self, request: OpenPush) -> PushOpened:
        """Begin one; another that is open is left as it is, to be gone on with later."""
        self._lock.require_held("a push")
        with self._finishing:
            self._push = open_push(self._root, self._agent, request)
            return self._push.opened(self._root)

    def receive(self, request: SendFile, pieces: Iterable[bytes]) -> None:
        """Take in a file of the open one; what has arrived is written to the end before the session ends."""
        push = self._open()
        if request.name not in push.parts:
            raise BadRequest(f"The open push has no file {request.name!r} to be sent.", UPDATE_BOTH)
        with self._finishing:
            push.parts[request.name].receive(request.offset_bytes, pieces)

    def place_library(self, sha256: str, pieces: Iterable[bytes]) -> None:
        """Take in a library of native operators; no push need be open."""
        self._lock.require_held("a push")
        from device_agent.native_store import place

        with self._finishing:
            place(self._root, sha256, pieces)

    def commit(self, request: CommitPush) -> Deployment:
        """Commit the open one."""
        push = self._open()
        with self._finishing:
            self._push = None
            return commit_push(self._root, self._agent, self._agent_sha256, push, request)

    @contextmanager
    def abandoned(self) -> Iterator[None]:
        """Nothing is written or committed from here on."""
        with self._finishing:
            yield

    def _open(self) -> "Push":
        self._lock.require_held("a push")
        if self._push is None:
            raise BadRequest("No push is open.", UPDATE_BOTH)
        return self._push


@dataclass(frozen=True)
class Push:
    """An open push. Where the artifact is there already and whole, there is its manifest, and nothing to be sent."""

    manifest_sha256: str
    manifest: ArtifactManifest | None = None
    incoming: Path | None = None
    parts: dict[str, Part] = field(default_factory=dict)

    def opened(self, root: Path) -> PushOpened:
        """What the host is told: where the files go and what of them is here already."""
        if self.incoming is None:
            return PushOpened(None)
        held = (Held(name, part.marks) for name, part in self.parts.items() if part.marks)
        return PushOpened(self.incoming.relative_to(root).as_posix(), tuple(held))


def open_push(root: Path, agent: Path, request: OpenPush) -> Push:
    """Make room, and the folder of what is pushed unless there is nothing to send.

    Raises `DiskRefused` where what is missing has no room.
    """
    sweep(root, agent)
    incoming = root / "incoming" / request.manifest_sha256
    try:
        manifest = open_artifact(_final(root, request.manifest_sha256), request.manifest_sha256)
        remove_if_possible(incoming)  # of a mending that was stopped at its end
        return Push(request.manifest_sha256, manifest)
    except DigestMismatch:
        if os.path.lexists(incoming) and (incoming.is_symlink() or not incoming.is_dir()):
            incoming.unlink()
        parts = {file.name: Part(incoming / file.name, file) for file in request.files}
        require_room(root, [part.missing_bytes for part in parts.values()])
        incoming.mkdir(parents=True, exist_ok=True)
        return Push(request.manifest_sha256, None, incoming, parts)


def commit_push(root: Path, agent: Path, agent_sha256: str, push: Push, request: CommitPush) -> Deployment:
    """Verify, flush, rename into place, record, sweep. What is not whole (`DigestMismatch`) stays, for a later push."""
    manifest = push.manifest
    if manifest is None:
        manifest = _place(root, push)
    if manifest.native is not None:
        from device_agent.native_store import place_loader

        place_loader(root)
    durable.flush(root / "artifacts")  # also for a push that was killed behind its renaming
    deployment = Deployment(
        device=request.device,
        artifact_sha256=push.manifest_sha256,
        label=manifest.label,
        format=manifest.format,
        agent_sha256=agent_sha256,
        pushed_at=request.pushed_at,
        previous=None,
    )
    deployment = ledger.record(root, deployment)
    from device_agent.collect import collect

    collect(root, request.pushed_at)
    sweep(root, agent)
    return deployment


def _place(root: Path, push: Push) -> ArtifactManifest:
    assert push.incoming is not None
    known = {part.record for part in push.parts.values() if part.is_whole}
    manifest = open_artifact(push.incoming, push.manifest_sha256, known)
    _leave_only(manifest, push.incoming)
    final = _final(root, push.manifest_sha256)
    durable.make_folder(final.parent)
    if os.path.lexists(final):  # damaged, or there would be nothing to place
        _mend(final, push.incoming)
    else:
        push.incoming.rename(final)
    return manifest


def _mend(final: Path, incoming: Path) -> None:
    """Put each file in the place of the damaged one. `current` may name the folder, so it is never away.

    What has come stays in `incoming` until all is mended: a mending that is cut short goes on from there.
    """
    if final.is_symlink() or not final.is_dir():  # then nothing can be opened in it anyway
        remove(final)
        incoming.rename(final)
        return
    wanted = {path.name for path in incoming.iterdir()}
    for path in list(final.iterdir()):
        if path.name not in wanted or path.is_symlink() or not path.is_file():
            remove(path)
    for name in sorted(wanted, key=lambda name: (name == MANIFEST_FILE, name)):  # with a manifest it looks whole
        part = incoming / f"{name}.part"
        part.unlink(missing_ok=True)
        durable.duplicate(incoming / name, part)
        part.replace(final / name)
    durable.flush(final)
    remove(incoming)


def _leave_only(manifest: ArtifactManifest, folder: Path) -> None:
    """Nothing travels along unlisted, whoever has put it there; the rest is flushed."""
    listed = {MANIFEST_FILE, *(file.name for file in manifest.files)}
    for path in folder.iterdir():
        if path.name in listed:
            durable.flush(path)
        else:
            remove(path)
    durable.flush(folder)


def _final(root: Path, sha256: str) -> Path:
    return root / "artifacts" / sha256
