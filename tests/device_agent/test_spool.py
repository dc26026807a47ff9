"""What lies in a device's spool: whole or not at all, known by age, fetched more than once, gone after a week."""

import errno
import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from device_agent import spool
from device_agent.errors import BenchNotKept, BenchUnknown, DigestMismatch
from device_agent.messages.bench import BenchRequest
from device_agent.messages.greeting import AgentFault
from device_agent.settings import Settings
from device_agent.strict import from_json, to_json

DAY_S = 86_400
ID, OTHER = "0123456789ab", "ba9876543210"
REQUEST = BenchRequest("artifacts/a", "a" * 64, "null", Settings(), 0, 0.0, ID)
LINES = [b'{"type":"one"}', b'{"type":"two"}']


def kept(root: Path, bench_id: str = ID, fault: AgentFault | None = None) -> spool.SpooledBench:
    bench = spool.spooled(replace(REQUEST, bench_id=bench_id), "net", "{}", fault, LINES)
    spool.keep(root, bench, LINES)
    return bench


def age(root: Path, days: float, same_boot: bool) -> None:
    """Make the only result so old, of this boot of the machine or of one before it."""
    record = root / "spool" / ID / "bench.json"
    bench = from_json(spool.SpooledBench, record.read_text())
    if same_boot:  # and the time of day was set meanwhile
        bench = replace(bench, boot_s=bench.boot_s - days * DAY_S, ended_at="2000-01-01T00:00:00+00:00")
    else:
        then = datetime.now(UTC) - timedelta(days=days)
        bench = replace(bench, boot="another", ended_at=then.isoformat())
    record.write_text(to_json(bench))


def test_what_is_kept_is_read_again_also_while_another_removes_it(tmp_path: Path) -> None:
    bench = kept(tmp_path)
    record, lines = spool.read(tmp_path, ID)
    spool.forget(tmp_path, ID)
    assert record == bench and list(lines) == LINES
    assert list((tmp_path / "spool").iterdir()) == []
    spool.forget(tmp_path, ID)
    with pytest.raises(BenchUnknown, match=ID):
        spool.read(tmp_path, ID)


def test_states_tell_what_lies_there_the_oldest_first(tmp_path: Path) -> None:
    kept(tmp_path)
    kept(tmp_path, OTHER, AgentFault("backend_failed", "It fell over.", "Mend it."))
    age(tmp_path, 1, same_boot=True)
    first, second = spool.states(tmp_path)
    assert (first.bench_id, first.state, first.label, first.backend) == (ID, "finished", "net", "null")
    assert first.ended_s == pytest.approx(DAY_S, abs=60) and first.artifact_sha256 == "a" * 64
    assert (second.bench_id, second.why) == (OTHER, "It fell over.") and second.ended_s < 60
    assert spool.state_of(tmp_path, OTHER) == replace(second, ended_s=pytest.approx(second.ended_s, abs=60))
    assert spool.state_of(tmp_path, "c" * 12) is None


@pytest.mark.parametrize("same_boot", [True, False])
def test_what_nobody_fetched_goes_after_seven_days(tmp_path: Path, same_boot: bool) -> None:
    kept(tmp_path)
    age(tmp_path, 6.9, same_boot)
    spool.sweep_spool(tmp_path)
    assert spool.state_of(tmp_path, ID) is not None
    age(tmp_path, 0.2, same_boot) if same_boot else age(tmp_path, 7.1, same_boot)
    spool.sweep_spool(tmp_path)
    assert list((tmp_path / "spool").iterdir()) == []


def test_what_a_dead_writer_left_goes_and_what_is_not_ours_stays(tmp_path: Path) -> None:
    (tmp_path / "spool" / f".{ID}.part").mkdir(parents=True)
    (tmp_path / "spool" / f".{OTHER}.part").mkdir()
    os.utime(tmp_path / "spool" / f".{ID}.part", (0, 0))
    (tmp_path / "spool" / "notes").mkdir()
    spool.sweep_spool(tmp_path)
    assert {path.name for path in (tmp_path / "spool").iterdir()} == {"notes", f".{OTHER}.part"}
    assert spool.states(tmp_path) == []


def _cut_messages(folder: Path) -> None:
    (folder / "messages.jsonl").write_bytes(LINES[0] + b"\n")


def _lose_messages(folder: Path) -> None:
    (folder / "messages.jsonl").unlink()


def _cut_record(folder: Path) -> None:
    (folder / "bench.json").write_bytes((folder / "bench.json").read_bytes()[:-9])


def _lose_record(folder: Path) -> None:
    (folder / "bench.json").unlink()


def _exchange(folder: Path) -> None:
    folder.rename(folder.with_name(OTHER))


@pytest.mark.parametrize("damage", [_cut_messages, _lose_messages, _cut_record, _lose_record, _exchange])
def test_a_damaged_result_is_never_taken_for_one(tmp_path: Path, damage) -> None:
    kept(tmp_path)
    damage(tmp_path / "spool" / ID)
    name = OTHER if damage is _exchange else ID
    with pytest.raises(DigestMismatch, match=name):
        spool.read(tmp_path, name)
    spool.forget(tmp_path, name)
    assert spool.states(tmp_path) == []


@pytest.fixture
def refusing(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Whichever step's number the list begins with is refused as by a full disk; what follows the refusal works."""
    steps: list[int] = []

    def refuse(name: str):
        works = getattr(Path, name)

        def step(*arguments: object, **options: object) -> object:
            if steps:
                steps[0] -= 1
                if steps[0] == 0:
                    steps.clear()
                    raise OSError(errno.ENOSPC, "No space left on device")
            return works(*arguments, **options)

        return step

    for name in ("mkdir", "open", "write_text", "rename"):
        monkeypatch.setattr(Path, name, refuse(name))
    yield steps


def test_a_disk_that_is_full_at_any_step_leaves_no_half_and_is_told(tmp_path: Path, refusing: list[int]) -> None:
    refused, bench = 0, spool.spooled(REQUEST, "net", "{}", None, LINES)
    for step in itertools.count(1):
        (tmp_path / "spool").mkdir(exist_ok=True)
        refusing[:] = [step]
        try:
            spool.keep(tmp_path, bench, LINES)
        except OSError:
            refused += 1
        else:
            break
        finally:
            refusing.clear()
        (state,) = spool.states(tmp_path)
        assert (state.bench_id, state.state, state.why) == (ID, "not_kept", os.strerror(errno.ENOSPC))
        with pytest.raises(BenchNotKept, match="No space left"):
            spool.read(tmp_path, ID)
        spool.forget(tmp_path, ID)
        assert list((tmp_path / "spool").iterdir()) == []
    assert refused >= 4
    assert spool.read(tmp_path, ID)[0].label == "net"


@pytest.mark.root
def test_a_disk_that_is_really_full_is_told_too(mounted: Callable[[str], Path]) -> None:
    small_disk = mounted("size=100k")
    bench = spool.spooled(REQUEST, "net", "{}", None, LINES)
    with pytest.raises(OSError, match="No space left"):
        spool.keep(small_disk, bench, [bytes(200_000)])
    (state,) = spool.states(small_disk)
    assert state.state == "not_kept" and "No space left" in state.why
    spool.forget(small_disk, ID)
    kept(small_disk)
    assert spool.read(small_disk, ID)[0].label == "net"
