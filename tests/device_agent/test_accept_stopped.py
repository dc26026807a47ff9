"""An acceptance or a prune that is killed, or meets a full disk, at any step: `current` is what it was or is to be."""

import shutil
from collections.abc import Callable
from functools import partial
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
from tests.device_agent.stopped_steps import stopped

AGENT = "f" * 64
HOW = pytest.mark.parametrize("how", ["killed", pytest.param("full", marks=pytest.mark.slow)])


def accept(root: Path, sha256: str) -> None:
    agent = root / "agents" / "agent.pyz"
    lock = DeviceLock(agent.with_name("bench.lock"))
    lock.take("a test", 0)
    assert Accepting(root, agent, AGENT, lock).accept(sha256).current == sha256


def prune_all(root: Path) -> None:
    sweep(root, root / "agents" / "agent.pyz", kept_s=0)
    prune(root, 0, "pi", AGENT)


def accepting(root: Path, sha256: str) -> Callable[[], None]:
    return partial(accept, root, sha256)


def pruning(root: Path) -> Callable[[], None]:
    return partial(prune_all, root)


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
    roots = stopped(before, tmp_path, how, accepting, new)
    assert len(roots) > 15
    seen = set()
    for root in roots:
        seen.add((sound(root), current.previous(root, "onnx")))
        accept(root, new)
        assert current.previous(root, "onnx") == old, root.name
    assert seen == {(old, older), (old, old), (new, old)}


@HOW
@pytest.mark.slow
def test_a_prune_stopped_at_any_step_breaks_nothing(board: tuple[Path, list[str]], tmp_path: Path, how: str) -> None:
    before, (new, older, old) = board
    roots = stopped(before, tmp_path, how, pruning)
    assert len(roots) > 15
    for root in roots:
        assert (sound(root), current.previous(root, "onnx")) == (old, older), root.name
        listed = {item.artifact_sha256 for item in ledger.deployments(root, "pi", AGENT)[0]}
        folders = {path.name for path in (root / "artifacts").iterdir()}
        assert {older, old} <= listed <= folders <= {new, older, old}, root.name
        assert all(open_artifact(root / "artifacts" / name, name) for name in folders)
        prune_all(root)
        assert {path.name for path in (root / "artifacts").iterdir()} == {older, old}
        prune_all(root)
        assert list(root.rglob("*.part")) == [] == list((root / "incoming").glob("*")), root.name
