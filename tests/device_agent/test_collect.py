"""What is removed: the rule, and the files."""

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import pytest

from device_agent import current, ledger, verdicts
from device_agent.collect import KEPT_FOR, collect, moment, old_artifacts
from device_agent.messages.ledger import Deployment

DAYS = [f"2026-11-{day:02}T12:00:00+00:00" for day in range(1, 21)]
NAMES = [f"{number:064x}" for number in range(1, 21)]
TWENTY = [Deployment("pi", name, "net", "onnx", "f" * 64, day, None) for name, day in zip(NAMES, DAYS, strict=True)]
NOW = "2026-11-20T12:00:00+00:00"


def old(pushes: list[Deployment], in_use: Collection[int] = (), keep: int = 10, now: str | None = NOW) -> list[int]:
    today = None if now is None else moment(now)
    before = None if today is None else today - KEPT_FOR
    return [int(name, 16) for name in old_artifacts(pushes, {f"{one:064x}" for one in in_use}, keep, before)]


def test_neither_new_nor_young_nor_used_artifacts_are_old() -> None:
    assert old(TWENTY) == list(range(1, 11)), "the ten newest stay"
    assert old(TWENTY, {1, 7}) == [2, 3, 4, 5, 6, 8, 9, 10]
    assert old(TWENTY, keep=2) == list(range(1, 13)), "a week's stay"
    assert old(TWENTY, {20}, keep=0, now=None) == list(range(1, 20)), "a prune asks for no age"
    assert old(TWENTY[:10]) == [] and old([]) == []


def test_pushing_again_makes_an_artifact_young() -> None:
    assert old([*TWENTY, replace(TWENTY[0], pushed_at=NOW)]) == list(range(2, 12))


@pytest.mark.parametrize("time", ["", "yesterday", "2026-11-01T12:00:00"])
def test_a_time_that_says_nothing_makes_nothing_old(time: str) -> None:
    assert moment(time) is None
    assert old([replace(TWENTY[0], pushed_at=time), *TWENTY[1:]], keep=19) == []


def test_what_is_old_goes_with_its_line_and_its_verdict(tmp_path: Path) -> None:
    for deployment in TWENTY:
        (tmp_path / deployment.directory).mkdir(parents=True)
        ledger.record(tmp_path, deployment)
        verdicts.record_refused(tmp_path, verdicts.Refused(deployment.artifact_sha256, "crashed", "It crashed.", "x"))
    current.switch(tmp_path, "onnx", NAMES[2])
    current.switch(tmp_path, "onnx", NAMES[4])
    unlisted = tmp_path / "artifacts" / ("e" * 64)
    unlisted.mkdir()  # a push was killed before it was written down, just now
    gone = collect(tmp_path, NOW)
    left = [name for name in NAMES if name not in gone]
    assert left == [NAMES[2], NAMES[4], *NAMES[10:]]
    assert [item.artifact_sha256 for item in ledger.read(tmp_path, locked=True).deployments] == left
    assert {path.name for path in (tmp_path / "artifacts").iterdir()} == {*left, unlisted.name}
    assert {path.stem for path in (tmp_path / "refused").iterdir()} == set(left)
    assert list((tmp_path / "incoming").iterdir()) == []
    assert collect(tmp_path, NOW) == ()
