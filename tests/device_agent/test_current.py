"""The links to what is used, the verdicts, and what is collected: plain files, looked at from outside."""

import os
from pathlib import Path

import pytest

from device_agent import current, verdicts
from device_agent.messages.doctor import Runtime
from device_agent.messages.ledger import Deployment
from device_agent.standing import standings

A, B, C = ("a" * 64, "b" * 64, "c" * 64)
RUNTIME = Runtime("onnxruntime", None, "3.11.2", {"numpy": "2.0.0", "onnxruntime": "1.20.0"})


def accepted(sha256: str, newest: verdicts.Newest | None = None) -> verdicts.Accepted:
    return verdicts.Accepted(sha256, "model.onnx", None, RUNTIME, "f" * 64, newest)


def pushed(sha256: str, at: str = "2026-11-26T12:00:00+00:00") -> Deployment:
    return Deployment("pi", sha256, "net", "onnx", "f" * 64, at, None)


def used(root: Path) -> tuple[str | None, str | None]:
    return current.current(root, "onnx"), current.previous(root, "onnx")


def test_what_was_current_becomes_the_previous_one(tmp_path: Path) -> None:
    assert used(tmp_path) == (None, None)
    seen = []
    for name in (A, A, B, C, B, B):
        current.switch(tmp_path, "onnx", name)
        seen.append(used(tmp_path))
    assert seen == [(A, None), (A, None), (B, A), (C, B), (B, C), (B, C)]
    assert current.current(tmp_path, "torch") is None
    assert current.in_use(tmp_path) == {B, C}


def test_a_link_leads_to_the_artifact_wherever_the_root_is_moved(tmp_path: Path) -> None:
    (tmp_path / "root" / "artifacts" / A).mkdir(parents=True)
    current.switch(tmp_path / "root", "onnx", A)
    (tmp_path / "root").rename(tmp_path / "moved")
    assert (tmp_path / "moved" / "current" / "onnx").resolve() == (tmp_path / "moved" / "artifacts" / A).resolve()
    assert [path.name for path in (tmp_path / "moved" / "current").iterdir()] == ["onnx"]


@pytest.mark.parametrize(
    "target", [f"/elsewhere/{A}", "../artifacts/x", f"../artifacts/../artifacts/{A}", f"../artifacts/{A}/"]
)
def test_a_link_of_somebody_elses_is_none_of_ours(tmp_path: Path, target: str) -> None:
    (tmp_path / "current").mkdir()
    (tmp_path / "current" / "onnx").symlink_to(target)
    assert current.current(tmp_path, "onnx") is None
    current.switch(tmp_path, "onnx", A)
    assert used(tmp_path) == (A, None)


def test_a_folder_in_the_links_place_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "current" / "onnx").mkdir(parents=True)
    with pytest.raises(OSError, match="onnx"):
        current.switch(tmp_path, "onnx", A)
    assert [path.name for path in (tmp_path / "current").iterdir()] == ["onnx"]


class Stopped(Exception):
    """The power went."""


@pytest.mark.parametrize(("before", "to"), [((B, A), C), ((B, A), A), ((A, None), B), ((None, None), A)])
def test_a_switch_that_is_stopped_anywhere_is_finished_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: tuple[str | None, str | None], to: str
) -> None:
    """At every step what is current is what was or what is to be, and the second try ends as the first should have."""
    real, steps = os.replace, 0

    def counted(source: Path, target: Path) -> None:
        nonlocal steps
        steps += 1
        if steps == stop_at:
            raise Stopped
        real(source, target)

    monkeypatch.setattr(Path, "replace", counted)
    for stop_at in (1, 2):
        root, steps = tmp_path / str(stop_at), 0
        for name, target in zip(("current", "previous"), before, strict=True):
            if target is not None:
                (root / name).mkdir(parents=True)
                (root / name / "onnx").symlink_to(f"../artifacts/{target}")
        root.mkdir(exist_ok=True)
        try:
            current.switch(root, "onnx", to)
        except Stopped:
            assert used(root)[0] in (before[0], to)
        current.switch(root, "onnx", to)
        assert used(root) in ((to, before[0]), (to, to)) and used(root)[0] == to
        if to != before[1]:
            assert used(root) == (to, before[0])


def test_the_last_verdict_counts_and_an_earlier_acceptance_stays_written(tmp_path: Path) -> None:
    assert verdicts.state_of(tmp_path, A) == "pending"
    verdicts.record_accepted(tmp_path, accepted(A))
    assert verdicts.state_of(tmp_path, A) == "accepted" and verdicts.accepted(tmp_path, A) == accepted(A)
    verdicts.record_refused(tmp_path, verdicts.Refused(A, "crashed", "It crashed.", "Mend it."))
    assert verdicts.state_of(tmp_path, A) == "refused" and verdicts.accepted(tmp_path, A) == accepted(A)
    verdicts.record_accepted(tmp_path, accepted(A))
    assert verdicts.state_of(tmp_path, A) == "accepted"
    verdicts.forget(tmp_path, A)
    assert verdicts.state_of(tmp_path, A) == "pending"


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"schema_version": 2}'])
def test_a_record_that_cannot_be_read_is_no_record(tmp_path: Path, text: str) -> None:
    (tmp_path / "accepted").mkdir()
    (tmp_path / "accepted" / f"{A}.json").write_text(text)
    assert verdicts.state_of(tmp_path, A) == "pending"


def test_a_record_under_another_name_is_no_record(tmp_path: Path) -> None:
    verdicts.record_accepted(tmp_path, accepted(A))
    (tmp_path / "accepted" / f"{A}.json").rename(tmp_path / "accepted" / f"{B}.json")
    assert verdicts.accepted(tmp_path, B) is None


def newer(root: Path, deployments: list[Deployment]) -> list[str]:
    return [one.deployment.artifact_sha256 for one in standings(root, deployments) if one.is_newer]


def test_what_was_pushed_behind_the_switch_is_newer(tmp_path: Path) -> None:
    three = [pushed(A), pushed(B), pushed(C)]
    assert newer(tmp_path, three) == [A, B, C], "nothing is current"
    current.switch(tmp_path, "onnx", A)
    assert newer(tmp_path, three) == [A, B, C], "of a switch that no record tells of nobody knows"
    verdicts.record_accepted(tmp_path, accepted(A, verdicts.Newest(B, three[1].pushed_at)))
    assert newer(tmp_path, three) == [C]
    again = [pushed(A), pushed(C), pushed(B, "2026-11-26T12:00:05+00:00")]
    assert newer(tmp_path, again) == [B], "the push that was the newest was repeated since"


def test_how_an_artifact_stands(tmp_path: Path) -> None:
    (tmp_path / "artifacts" / A).mkdir(parents=True)
    (tmp_path / "artifacts" / A / "model.onnx").write_bytes(b"12345")
    current.switch(tmp_path, "onnx", B)
    current.switch(tmp_path, "onnx", A)
    verdicts.record_accepted(tmp_path, accepted(A, verdicts.Newest(B, pushed(B).pushed_at)))
    one, two = standings(tmp_path, [pushed(A), pushed(B)])
    assert (one.bytes, one.state, one.is_current, one.is_previous) == (5, "accepted", True, False)
    assert (two.bytes, two.state, two.is_current, two.is_previous) == (None, "pending", False, True)
