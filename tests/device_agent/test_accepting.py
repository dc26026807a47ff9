"""A trial's end is told apart: wrong answers, a crash, no memory, no runtime, no end. What passes becomes current."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from device_agent import accepting as device_accepting
from device_agent import current, verdicts
from device_agent.accepting import Accepting, outcome
from device_agent.child import Ended
from device_agent.errors import BadRequest, DigestMismatch
from device_agent.lock import DeviceLock
from device_agent.trial import Tried
from exporters.artifact import Artifact
from groupnl_deploy.remote.bundle import build_bundle
from tests.device_agent.graph_artifacts import graph_artifact, masked_text, text_samples
from tests.device_agent.made_up_runtime import remove_runtime, runtime_that

STEP = "imported the runtime"


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Artifact]:
    """Two that are right, and one whose golden answers are another graph's."""
    folder = tmp_path_factory.mktemp("artifacts")
    samples = text_samples()
    return {
        "first": graph_artifact(folder / "first", masked_text(), samples, label="first"),
        "second": graph_artifact(folder / "second", masked_text(), samples, label="second"),
        "wrong": graph_artifact(folder / "wrong", masked_text(), samples, label="wrong", right=masked_text(seed=1)),
    }


@pytest.fixture
def board(tmp_path: Path, artifacts: dict[str, Artifact]) -> Accepting:
    """A session on a device that all of them were pushed to, with the device's lock."""
    agent = tmp_path / "agents" / "agent.pyz"
    agent.parent.mkdir()
    agent.write_bytes(build_bundle().data)
    for artifact in artifacts.values():
        put(tmp_path, artifact)
    lock = DeviceLock(agent.with_name("bench.lock"))
    lock.take("a test", 0)
    return Accepting(tmp_path, agent, "f" * 64, lock)


def put(root: Path, artifact: Artifact) -> None:
    folder = root / "artifacts" / artifact.sha256
    folder.mkdir(parents=True)
    for file in artifact.files:
        os.link(file, folder / file.name)


def test_what_gives_its_golden_answers_becomes_current(board: Accepting, artifacts: dict[str, Artifact]) -> None:
    first, second = artifacts["first"].sha256, artifacts["second"].sha256
    done = board.accept(first)
    assert (done.verdict, done.tried, done.code) == ("accepted", True, None)
    assert (done.current, done.previous) == (first, None)
    record = verdicts.accepted(board.root, first)
    assert record is not None and (record.model, record.library) == ("model.onnx", None)
    assert record.runtime.environment is None and record.runtime.packages["onnxruntime"]
    again = board.accept(first)
    assert (again.verdict, again.tried, again.current) == ("accepted", False, first)
    done = board.accept(second)
    assert (done.tried, done.current, done.previous) == (True, second, first)
    back = board.rollback("onnx")
    assert (back.artifact_sha256, back.tried, back.current, back.previous) == (first, False, first, second)


def test_other_answers_are_refused_and_what_is_current_stays(board: Accepting, artifacts: dict[str, Artifact]) -> None:
    current.switch(board.root, "onnx", artifacts["first"].sha256)
    for _ in range(2):  # what was refused is tried again
        done = board.accept(artifacts["wrong"].sha256)
        assert (done.verdict, done.code, done.tried) == ("refused", "backend_failed", True)
        assert "another answer" in str(done.message) and done.remedy
        assert done.current == artifacts["first"].sha256
    assert verdicts.state_of(board.root, artifacts["wrong"].sha256) == "refused"


DEATHS = [
    ("import os; os.kill(os.getpid(), 4)", "refused", "illegal_instruction", "instruction that its processor"),
    pytest.param(
        "import ctypes; ctypes.string_at(0)", "refused", "crashed", "crashed inside a library", marks=pytest.mark.slow
    ),
    pytest.param(
        "import os; os.abort()", "refused", "crashed", "crashed inside a library", marks=pytest.mark.slow
    ),  # as the one before
    ("import os; os.kill(os.getpid(), 9)", "refused", "killed", "was killed (SIGKILL)"),
    pytest.param("raise MemoryError", "refused", "out_of_memory", "ran out of memory", marks=pytest.mark.slow),
    (
        "import os; print('so long', flush=True); os._exit(7)",
        "refused",
        "crashed",
        "the runtime: so long",
    ),
    (
        "raise ImportError('no libatomic.so.1', name='onnxruntime')",
        "not_accepted",
        "missing_library",
        "libatomic",
    ),
    (
        "raise RuntimeError('no such device')",
        "refused",
        "backend_failed",
        "The packages of the backend onnxruntime do not load: RuntimeError: no such device.",
    ),
]


@pytest.mark.parametrize(("does", "verdict", "code", "words"), DEATHS)
def test_how_a_runtime_dies_is_told_apart(
    board: Accepting, artifacts: dict[str, Artifact], does: str, verdict: str, code: str, words: str
) -> None:
    current.switch(board.root, "onnx", artifacts["first"].sha256)
    runtime_that(board.root, does)
    done = board.accept(artifacts["second"].sha256)
    assert (done.verdict, done.code) == (verdict, code), done
    assert words in str(done.message) and str(done.message).endswith(".")
    assert done.current == artifacts["first"].sha256
    pending = "pending" if verdict == "not_accepted" else "refused"
    assert verdicts.state_of(board.root, artifacts["second"].sha256) == pending


def test_a_runtime_that_changed_tries_what_was_accepted_again(board: Accepting, artifacts: dict[str, Artifact]) -> None:
    first = artifacts["first"].sha256
    board.accept(first)
    runtime_that(board.root, "import os; os.abort()")
    done = board.accept(first)
    assert (done.verdict, done.tried, done.current) == ("refused", True, first), "it was accepted once"
    remove_runtime(board.root)
    assert board.accept(first).verdict == "accepted"
    assert verdicts.state_of(board.root, first) == "accepted"


def test_a_runtime_that_never_ends_is_stopped(
    board: Accepting, artifacts: dict[str, Artifact], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device_accepting, "TRIAL_S", 2.0)
    runtime_that(board.root, "import time; time.sleep(600)")
    done = board.accept(artifacts["first"].sha256)
    assert (done.verdict, done.code) == ("refused", "no_answer") and "within 2 s" in str(done.message)


def test_a_python_that_does_not_start_is_a_missing_runtime(board: Accepting, artifacts: dict[str, Artifact]) -> None:
    python = board.root / "environments" / "onnxruntime" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("no program")
    done = board.accept(artifacts["first"].sha256)
    assert (done.verdict, done.code) == ("not_accepted", "missing_library") and "does not start" in str(done.message)


def test_damage_is_no_verdict(board: Accepting, artifacts: dict[str, Artifact]) -> None:
    first = artifacts["first"].sha256
    model = board.root / "artifacts" / first / "model.onnx"
    data = bytearray(model.read_bytes())
    data[-1] ^= 1
    model.unlink()
    model.write_bytes(data)
    with pytest.raises(DigestMismatch):
        board.accept(first)
    assert verdicts.state_of(board.root, first) == "pending" and current.current(board.root, "onnx") is None


def test_where_nothing_was_current_before_there_is_no_way_back(
    board: Accepting, artifacts: dict[str, Artifact]
) -> None:
    for _ in range(2):
        with pytest.raises(BadRequest, match="nothing to go back to"):
            board.rollback("onnx")
        current.switch(board.root, "onnx", artifacts["first"].sha256)


def test_without_the_lock_nothing_is_accepted(board: Accepting, artifacts: dict[str, Artifact]) -> None:
    board.lock.release()
    for attempt in (lambda: board.accept(artifacts["first"].sha256), lambda: board.rollback("onnx")):
        with pytest.raises(BadRequest, match="lock"):
            attempt()


ENDS: list[tuple[Ended, Callable[[Tried], bool]]] = [
    (
        Ended(("started", '{"model": "m", "library": null, "trouble": null}'), (), 0, True),
        lambda tried: tried.model == "m",
    ),
    (Ended((), ("No module named x",), 1, True), lambda tried: "No module named x" in message(tried)),
    (Ended((), (), 1, True), lambda tried: "it said nothing" in message(tried)),
    (Ended((STEP,), (), 137, False), lambda tried: "within" in message(tried)),
    (Ended((STEP, '{"model": 7}'), (), 139, True), lambda tried: tried.trouble is not None),
]


def message(tried: Tried) -> str:
    assert tried.trouble is not None
    return tried.trouble.message


@pytest.mark.parametrize(("ended", "holds"), ENDS)
def test_every_end_says_something(ended: Ended, holds: Callable[[Tried], bool]) -> None:
    assert holds(outcome(ended))
