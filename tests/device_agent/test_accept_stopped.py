"""An acceptance or a prune that is killed, or meets a full disk, at any step: `current` is what it was or is to be."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from device_agent import current, ledger, verdicts
from device_agent.accepting import Accepting
from device_agent.artifact import open_artifact
from device_agent.collect import prune
from device_agent.lock import DeviceLock
from device_agent.sweep import sweep
from groupnl_deploy.remote.bundle import build_bundle
from tests.device_agent.graph_artifacts import graph_artifact, masked_text, text_samples

AGENT = "f" * 64
# One child a step: each is a copy of a process that has imported all, and in each that step does not happen.
_STOPPED = """
import errno, os, shutil, signal, sys
from pathlib import Path
from tests.device_agent.test_accept_stopped import accept, prune_all
roots, work, sha256, how = Path(sys.argv[1]), {"accept": accept, "prune": prune_all}[sys.argv[2]], *sys.argv[3:]
BEYOND = 3
STEPS = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.symlink", "shutil.rmtree"}

def begin(root, step):
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
    work(root, sha256)
    return seen < step

for step in range(1, 1000):
    root = roots / str(step)
    shutil.copytree(roots / "before", root, symlinks=True)
    child = os.fork()
    if not child:
        try:
            os._exit(BEYOND if begin(root, step) else 0)
        except OSError:
            os._exit(0)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == BEYOND:
        break
"""
HOW = pytest.mark.parametrize("how", ["killed", pytest.param("full", marks=pytest.mark.slow)])


def accept(root: Path, sha256: str) -> None:
    agent = root / "agents" / "agent.pyz"
    lock = DeviceLock(agent.with_name("bench.lock"))
    lock.take("a test", 0)
    assert Accepting(root, agent, AGENT, lock).accept(sha256).current == sha256


def prune_all(root: Path, _: str) -> None:
    sweep(root, root / "agents" / "agent.pyz", kept_s=0)
    prune(root, 0, "pi", AGENT)


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """Every artifact on it was accepted: the second is previous, the third current. What is left is of the dead."""
    root = tmp_path_factory.mktemp("board")
    (root / "agents").mkdir()
    (root / "agents" / "agent.pyz").write_bytes(build_bundle().data)
    names = []
    for label in ("new", "older", "old"):
        artifact = graph_artifact(tmp_path_factory.mktemp("made") / label, masked_text(), text_samples(), label=label)
        shutil.copytree(artifact.directory, root / "artifacts" / artifact.sha256)
        accept(root, artifact.sha256)
        names.append(artifact.sha256)
    (root / "current" / "onnx.0123.part").symlink_to("../artifacts/of-the-dead")
    (root / "accepted" / "x.json.0123.part").write_text("{")
    return root, names


def stopped(board: Path, roots: Path, work: str, sha256: str, how: str) -> list[Path]:
    """A copy of the device for each step at which the work was stopped, and one in which it came to its end."""
    shutil.copytree(board, roots / "before", symlinks=True)
    subprocess.run([sys.executable, "-c", _STOPPED, str(roots), work, sha256, how], check=True)
    return sorted((path for path in roots.iterdir() if path.name.isdecimal()), key=lambda path: int(path.name))


def sound(root: Path) -> str:
    now = current.current(root, "onnx")
    assert now is not None and verdicts.accepted(root, now) is not None, root.name
    assert open_artifact(root / "artifacts" / now, now)
    return now


@HOW
def test_an_acceptance_stopped_at_any_step_breaks_nothing(
    board: tuple[Path, list[str]], tmp_path: Path, how: str
) -> None:
    before, (new, older, old) = board
    roots = stopped(before, tmp_path, "accept", new, how)
    assert len(roots) > 15
    seen = set()
    for root in roots:
        seen.add((sound(root), current.previous(root, "onnx")))
        accept(root, new)
        assert current.previous(root, "onnx") == old, root.name
    assert seen == {(old, older), (old, old), (new, old)}


@HOW
def test_a_prune_stopped_at_any_step_breaks_nothing(board: tuple[Path, list[str]], tmp_path: Path, how: str) -> None:
    before, (new, older, old) = board
    roots = stopped(before, tmp_path, "prune", new, how)
    assert len(roots) > 15
    for root in roots:
        assert (sound(root), current.previous(root, "onnx")) == (old, older), root.name
        listed = {item.artifact_sha256 for item in ledger.deployments(root, "pi", AGENT)[0]}
        folders = {path.name for path in (root / "artifacts").iterdir()}
        assert {older, old} <= listed <= folders <= {new, older, old}, root.name
        assert all(open_artifact(root / "artifacts" / name, name) for name in folders)
        prune_all(root, "")
        assert {path.name for path in (root / "artifacts").iterdir()} == {older, old}
        prune_all(root, "")
        assert list(root.rglob("*.part")) == [] == list((root / "incoming").glob("*")), root.name
