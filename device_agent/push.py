"""A push on the device's side: a folder of its own to fill, then one commit. Both need the device's lock.

Below the root::

    agents/groupnl-agent-<sha256>.pyz    the bundle, named by its digest
    artifacts/<sha256>/                  an artifact, named by its manifest's digest; whole, always
    incoming/<push>/                     what the push that holds the lock has sent so far
    native/<sha256>                      a library of native operators, see `native_store.py`
    deployments.json                     the ledger
"""

import os
import secrets
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from device_agent import durable, ledger
from device_agent.artifact import open_artifact
from device_agent.errors import UPDATE_BOTH, BadRequest, DigestMismatch
from device_agent.lock import DeviceLock
from device_agent.manifest import MANIFEST_FILE, ArtifactManifest
from device_agent.messages.ledger import Deployment
from device_agent.messages.push import CommitPush, OpenPush, PushOpened
from device_agent.native_store import place, place_loader
from device_agent.sweep import sweep


class Pushing:
    """The pushes of one session, one at a time. When the session ends in the middle of a commit, that is finished."""

    def __init__(self, root: Path, agent: Path, agent_sha256: str, lock: DeviceLock) -> None:
        self._root, self._agent, self._agent_sha256, self._lock = root, agent, agent_sha256, lock
        self._push: Push | None = None
        self._finishing = threading.Lock()

    def open(self, request: OpenPush) -> PushOpened:
        """Begin one; what another has sent so far is removed."""
        self._lock.require_held("a push")
        with self._finishing:
            if self._push is not None:
                discard_push(self._push)
            self._push = open_push(self._root, self._agent, request)
        incoming = self._push.incoming
        return PushOpened(None if incoming is None else incoming.relative_to(self._root).as_posix())

    def place_library(self, sha256: str) -> None:
        """Take in a library of native operators that has arrived; no push need be open."""
        self._lock.require_held("a push")
        with self._finishing:
            place(self._root, sha256)

    def commit(self, request: CommitPush) -> Deployment:
        """Commit the open one."""
        self._lock.require_held("a push")
        if self._push is None:
            raise BadRequest("No push is open.", UPDATE_BOTH)
        with self._finishing:
            push, self._push = self._push, None
            return commit_push(self._root, self._agent, self._agent_sha256, push, request)

    @contextmanager
    def abandoned(self) -> Iterator[None]:
        """Nothing is committed from here on, and what an open push has sent is removed."""
        with self._finishing:
            if self._push is not None:
                discard_push(self._push)
            yield


@dataclass(frozen=True)
class Push:
    """An open push. `incoming` is None where the artifact is there already and whole."""

    manifest: ArtifactManifest | None
    manifest_sha256: str
    incoming: Path | None


def open_push(root: Path, agent: Path, request: OpenPush) -> Push:
    """Make room, and a folder of the push's own unless there is nothing to send."""
    sweep(root, agent)
    try:
        manifest = open_artifact(_final(root, request.manifest_sha256), request.manifest_sha256)
        return Push(manifest, request.manifest_sha256, None)
    except DigestMismatch:
        incoming = root / "incoming" / secrets.token_hex(8)
        incoming.mkdir(parents=True)
        return Push(None, request.manifest_sha256, incoming)


def commit_push(root: Path, agent: Path, agent_sha256: str, push: Push, request: CommitPush) -> Deployment:
    """Verify, flush, rename into place, record, sweep. Of what is refused (`DigestMismatch`) nothing is left."""
    manifest = push.manifest
    if manifest is None:
        manifest = _place(root, push)
    if manifest.native is not None:
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
    sweep(root, agent)
    return deployment


def discard_push(push: Push) -> None:
    """Remove what was sent so far; never raises."""
    if push.incoming is not None:
        shutil.rmtree(push.incoming, ignore_errors=True)


def _place(root: Path, push: Push) -> ArtifactManifest:
    assert push.incoming is not None
    try:
        manifest = open_artifact(push.incoming, push.manifest_sha256)
        _leave_only(manifest, push.incoming)
        final = _final(root, push.manifest_sha256)
        final.parent.mkdir(exist_ok=True)
        if os.path.lexists(final):  # damaged, or there would be nothing to place
            final.rename(push.incoming.with_suffix(".damaged"))
        push.incoming.rename(final)
    except BaseException:
        discard_push(push)
        raise
    return manifest


def _leave_only(manifest: ArtifactManifest, folder: Path) -> None:
    """Nothing travels along unlisted, such as the part of an upload that was tried twice; the rest is flushed."""
    listed = {MANIFEST_FILE, *(file.name for file in manifest.files)}
    for path in folder.iterdir():
        if path.name in listed:
            durable.flush(path)
        elif path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    durable.flush(folder)


def _final(root: Path, sha256: str) -> Path:
    return root / "artifacts" / sha256
