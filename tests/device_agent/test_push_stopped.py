"""A commit that is killed, or meets a full disk, at any step: what has a name is whole, and nothing is lost."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from device_agent import current, ledger
from device_agent.messages.push import CommitPush, OpenPush, PushFile
from device_agent.push import commit_push, open_push
from exporters.artifact import Artifact, open_artifact

AGENT = "f" * 64
REQUEST = CommitPush("pi", "2026-11-26T12:00:00+00:00")
# One child a step: each is a copy of a process that has imported all; it pushes, and that step does not happen.
_STOPPED = """
import errno, os, shutil, signal, sys
from pathlib import Path
from device_agent.push import commit_push, open_push
from device_agent.messages.push import CommitPush, OpenPush, PushFile
roots, source, sha256, how = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4]
BEYOND = 3
STEPS = {"open", "os.link", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "shutil.rmtree"}

def push(root, step):
    agent = root / "agents" / "mine.pyz"
    begun = open_push(root, agent, OpenPush(sha256, (PushFile("manifest.json", sha256, 1),)))
    shutil.copytree(source, begun.incoming, dirs_exist_ok=True)
    seen = 0
    def hook(event, given):
        nonlocal seen
        if event in STEPS:
            seen += 1
            if seen == step and how == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            if seen == step:
                raise OSError(errno.ENOSPC, "No space left on device")
    sys.addaudithook(hook)
    commit_push(root, agent, "f" * 64, begun, CommitPush("pi", "2026-11-26T12:00:00+00:00"))
    return seen < step

for step in range(1, 1000):
    root = roots / str(step)
    shutil.copytree(roots / "before", root)
    child = os.fork()
    if not child:
        try:
            os._exit(BEYOND if push(root, step) else 0)
        except OSError:
            os._exit(0)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == BEYOND:
        break
"""


def pushed(root: Path, artifact: Artifact) -> None:
    agent = root / "agents" / "mine.pyz"
    push = open_push(root, agent, OpenPush(artifact.sha256, (PushFile("manifest.json", artifact.sha256, 1),)))
    if push.incoming is not None:
        shutil.copytree(artifact.directory, push.incoming, dirs_exist_ok=True)
    commit_push(root, agent, AGENT, push, REQUEST)


def damage(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(b"damaged")
    (folder / "unlisted").mkdir()


def require_each_whole_or_damaged(folder: Path, artifact: Artifact) -> None:
    for path in artifact.files:
        assert (folder / path.name).read_bytes() in (path.read_bytes(), b"damaged"), path.name


def listed(root: Path) -> set[str]:
    return {item.artifact_sha256 for item in ledger.deployments(root, "pi", AGENT)[0]}


@pytest.mark.parametrize("how", ["killed", pytest.param("full", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "state",
    [
        "sound",
        pytest.param("ledger cut", marks=pytest.mark.slow),
        pytest.param("ledger of another version", marks=pytest.mark.slow),
        "artifact in use damaged",
        pytest.param("artifact gone", marks=pytest.mark.slow),
    ],
)
def test_a_commit_stopped_at_any_step_breaks_nothing(tmp_path: Path, untrained, state: str, how: str) -> None:
    before, new, old = tmp_path / "before", untrained.onnx, untrained.torch
    pushed(before, old)
    book = before / ledger.LEDGER
    if state == "ledger cut":
        book.write_bytes(book.read_bytes() + b'{"device": "pi"')
    elif state == "ledger of another version":
        book.write_text('{"schema_version": 1, "deployments": []}\n')
    elif state == "artifact gone":
        (before / "artifacts" / new.sha256).mkdir()
    elif state == "artifact in use damaged":
        pushed(before, new)
        current.switch(before, "onnx", new.sha256)
        damage(before / "artifacts" / new.sha256)
    command = [sys.executable, "-c", _STOPPED, str(tmp_path), str(new.directory), new.sha256, how]
    subprocess.run(command, check=True)
    roots = sorted(path for path in tmp_path.iterdir() if path.name.isdecimal())
    assert len(roots) > 15
    for root in roots:
        if state == "artifact in use damaged":
            require_each_whole_or_damaged(root / "current" / "onnx", new)
            pushed(root, new)
        whole = {path.name for path in (root / "artifacts").iterdir() if (path / "manifest.json").exists()}
        assert {open_artifact(root / "artifacts" / name).sha256 for name in whole} == whole
        assert old.sha256 in listed(root), root.name
        pushed(root, new)
        assert listed(root) == {old.sha256, new.sha256}, root.name
        assert ledger.read(root, locked=True).damage is None
        assert list((root / "incoming").iterdir()) == [] and list(root.rglob("*.part")) == []
