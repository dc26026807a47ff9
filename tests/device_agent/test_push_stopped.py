"""A commit that is killed, or meets a full disk, at any step: what has a name is whole, and nothing is lost."""

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from device_agent import current, ledger
from device_agent.messages.push import CommitPush, OpenPush, PushFile
from device_agent.push import commit_push, open_push
from exporters.artifact import Artifact, open_artifact
from tests.device_agent.stopped_steps import stopped

AGENT = "f" * 64
REQUEST = CommitPush("pi", "2026-11-26T12:00:00+00:00")


def pushing(root: Path, source: Path | str, sha256: str) -> Callable[[], object]:
    """All has arrived, and is to be committed."""
    agent = root / "agents" / "mine.pyz"
    push = open_push(root, agent, OpenPush(sha256, (PushFile("manifest.json", sha256, 1),)))
    if push.incoming is not None:
        shutil.copytree(source, push.incoming, dirs_exist_ok=True)
    return partial(commit_push, root, agent, AGENT, push, REQUEST)


def pushed(root: Path, artifact: Artifact) -> None:
    pushing(root, artifact.directory, artifact.sha256)()


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
        pytest.param("artifact in use damaged", marks=pytest.mark.slow),
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
    roots = stopped(before, tmp_path, how, pushing, new.directory, new.sha256)
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
