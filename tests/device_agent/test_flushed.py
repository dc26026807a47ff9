"""What a power cut must not undo: the kernel's own account of which file and folder is on the disk before what."""

import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from groupnl_deploy.remote.bundle import build_bundle
from tests.device_agent.graph_artifacts import graph_artifact, masked_text, text_samples

# A push and its acceptance, whose trial is a child and is not traced.
_PUSH = """
import shutil, sys
from pathlib import Path
from device_agent.accepting import Accepting
from device_agent.lock import DeviceLock
from device_agent.file_digest import FileDigest
from device_agent.messages.push import CommitPush, OpenPush, PushFile
from device_agent.push import commit_push, open_push
root, source, sha256 = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
agent = root / "agents" / "agent.pyz"
files = tuple(PushFile(**vars(FileDigest.of(path))) for path in source.iterdir())
push = open_push(root, agent, OpenPush(sha256, files))
shutil.copytree(source, push.incoming, dirs_exist_ok=True)
commit_push(root, agent, "f" * 64, push, CommitPush("pi", "2026-11-26T12:00:00+00:00"))
lock = DeviceLock(agent.with_name("bench.lock"))
lock.take("a test", 0)
assert Accepting(root, agent, "f" * 64, lock).accept(sha256).current == sha256
"""
_STRACE = ["strace", "-y", "-qq", "-s", "4096", "-e", "trace=fsync,rename,mkdir,symlink"]


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], str]:
    """The calls of one push that the disk is told of, each as "fsync artifacts", paths below the root; and its id."""
    if shutil.which("strace") is None:
        pytest.skip("needs strace")
    root = tmp_path_factory.mktemp("root")
    (root / "agents").mkdir()
    (root / "agents" / "agent.pyz").write_bytes(build_bundle().data)
    artifact = graph_artifact(tmp_path_factory.mktemp("made") / "net", masked_text(), text_samples())
    command = [sys.executable, "-c", _PUSH, str(root), str(artifact.directory), artifact.sha256]
    done = subprocess.run([*_STRACE, *command], capture_output=True, text=True, check=False)
    if "ptrace" in done.stderr.lower():
        pytest.skip("strace may not trace here")
    assert done.returncode == 0, done.stderr
    return [plain(line, root) for line in done.stderr.splitlines() if str(root) in line], artifact.sha256


def plain(line: str, root: Path) -> str:
    name = line.partition("(")[0]
    paths = re.findall(rf"[\"<]{re.escape(str(root))}/?([^\">]*)[\">]", line)
    return " ".join([name, *(re.sub(r"\.[0-9a-f]{12}\.part", ".part", path) or "." for path in paths)])


def before(calls: Sequence[str], first: str, then: str) -> bool:
    return calls.index(first) < calls.index(then)


def test_an_artifact_is_on_the_disk_before_it_has_its_name(calls: tuple[list[str], str]) -> None:
    seen, sha256 = calls
    named = f"rename incoming/{sha256} artifacts/{sha256}"
    for file in ("manifest.json", "model.onnx", "golden_input.npz", "golden_output.npz", "samples.npz"):
        assert before(seen, f"fsync incoming/{sha256}/{file}", named), seen
    assert before(seen, f"fsync incoming/{sha256}", named)
    assert before(seen, "mkdir artifacts", "fsync .") and before(seen, "fsync .", named)
    assert before(seen, named, "fsync artifacts") and before(seen, "fsync artifacts", "fsync deployments.json")


def test_all_of_it_is_on_the_disk_before_it_is_current(calls: tuple[list[str], str]) -> None:
    seen, sha256 = calls
    switched = "rename current/onnx.part current/onnx"
    record = f"accepted/{sha256}.json"
    steps = [
        "fsync artifacts",
        "fsync deployments.json",
        "mkdir accepted",
        f"fsync {record}.part",
        f"rename {record}.part {record}",
        "fsync accepted",
        "mkdir current",
        switched,
        "fsync current",
    ]
    positions = [seen.index(step) for step in steps]
    assert positions == sorted(positions), seen
    assert "fsync ." in seen[seen.index("mkdir current") : seen.index(switched)]
