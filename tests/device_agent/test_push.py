"""A push on the device's side, where odd things lie in its way."""

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from device_agent import disk, ledger
from device_agent.file_digest import FileDigest
from device_agent.messages.ledger import Deployment
from device_agent.messages.push import CommitPush, OpenPush, PushFile
from device_agent.push import Push, commit_push, open_push
from exporters.artifact import Artifact, open_artifact

AGENT = "f" * 64
REQUEST = CommitPush("pi", "2026-11-26T12:00:00+00:00")


def opening(artifact: Artifact) -> OpenPush:
    return OpenPush(artifact.sha256, tuple(PushFile(**vars(FileDigest.of(path))) for path in artifact.files))


def opened(root: Path, artifact: Artifact) -> Push:
    """A push whose files have arrived."""
    push = open_push(root, root / "agents" / "mine.pyz", opening(artifact))
    assert push.incoming is not None
    shutil.copytree(artifact.directory, push.incoming, dirs_exist_ok=True)
    return push


def committed(root: Path, push: Push) -> Deployment:
    return commit_push(root, root / "agents" / "mine.pyz", AGENT, push, REQUEST)


@pytest.mark.parametrize(
    "make",
    [lambda path: path.symlink_to("nowhere"), lambda path: path.write_text("x"), os.mkdir, os.mkfifo],
    ids=["dangling link", "file", "empty folder", "pipe"],
)
def test_what_lies_under_the_artifacts_name_makes_way(
    tmp_path: Path, untrained, make: Callable[[Path], object]
) -> None:
    final = tmp_path / "artifacts" / untrained.onnx.sha256
    final.parent.mkdir()
    make(final)
    committed(tmp_path, opened(tmp_path, untrained.onnx))
    assert open_artifact(final).sha256 == untrained.onnx.sha256
    assert [item.artifact_sha256 for item in ledger.read(tmp_path, locked=True).deployments] == [final.name]
    assert list((tmp_path / "incoming").iterdir()) == []


def test_a_name_that_cannot_be_given_leaves_the_files_for_a_later_try(tmp_path: Path, untrained) -> None:
    push = opened(tmp_path, untrained.onnx)
    (tmp_path / "artifacts").write_text("x")
    with pytest.raises(OSError, match="artifacts"):
        committed(tmp_path, push)
    assert open_artifact(tmp_path / "incoming" / untrained.onnx.sha256).sha256 == untrained.onnx.sha256
    assert not (tmp_path / ledger.LEDGER).exists()
    (tmp_path / "artifacts").unlink()
    committed(tmp_path, opened(tmp_path, untrained.onnx))
    assert list((tmp_path / "incoming").iterdir()) == []


@pytest.mark.parametrize(
    ("number", "code", "remedy"),
    [
        (errno.ENOSPC, "disk_full", "Free some space"),
        (errno.EDQUOT, "disk_full", "Free some space"),
        (errno.EACCES, "storage", "who owns"),
        (errno.EROFS, "read_only", "remount,rw"),
        (errno.EXDEV, "storage", "Link the whole folder"),
        (errno.EISDIR, "storage", "See to that file or folder"),
    ],
)
def test_each_refusal_of_a_disk_has_a_remedy_of_its_own(number: int, code: str, remedy: str) -> None:
    fault = disk.refusal(OSError(number, os.strerror(number), "/there"), Path("/"))
    assert fault.code == code and remedy in fault.remedy
    assert code == "read_only" or "/there" in fault.message
