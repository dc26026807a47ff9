"""Where recordings are written: nothing is replaced or followed, and what the disk refuses is said."""

import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from power import trace_writer
from power.errors import TraceLost, TraceNotWritten
from power.trace import PowerTrace
from power.trace_io import TraceWriter, read_csv, write_csv

STARTED_AT = "2026-01-02T03:04:05+00:00"


@pytest.fixture
def trace(make_trace) -> PowerTrace:
    return make_trace([0.0, 0.5], [1.0, 2.0])


@pytest.fixture
def growing(trace: PowerTrace) -> Callable[[Path], TraceWriter]:
    return lambda path: TraceWriter(path, trace.facts, trace.t0_s, STARTED_AT)


@contextmanager
def no_file_longer_than(limit_bytes: int) -> Iterator[None]:
    """A limit of the system's that refuses a write as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_growing_recording_replaces_no_file(growing, tmp_path: Path) -> None:
    path = tmp_path / "power.csv"
    path.write_text("precious")
    with pytest.raises(TraceNotWritten, match="exists already") as caught:
        growing(path)
    assert "another name" in caught.value.remedy
    assert path.read_text() == "precious"


def test_a_growing_recording_follows_no_link(growing, tmp_path: Path) -> None:
    path, elsewhere = tmp_path / "power.csv", tmp_path / "elsewhere.csv"
    path.symlink_to(elsewhere)
    with pytest.raises(TraceNotWritten, match="exists already"):
        growing(path)
    assert path.is_symlink() and not elsewhere.exists()


def test_a_growing_recording_that_got_no_row_leaves_no_file(growing, tmp_path: Path) -> None:
    path = tmp_path / "power.csv"
    with growing(path):
        assert path.exists()
    assert not path.exists()


def test_a_disk_without_room_for_the_facts_leaves_no_file(growing, tmp_path: Path) -> None:
    with no_file_longer_than(50), pytest.raises(TraceNotWritten, match="too large"):
        growing(tmp_path / "power.csv")
    assert list(tmp_path.iterdir()) == []


def test_the_rows_before_the_disk_was_full_stay(growing, tmp_path: Path) -> None:
    path = tmp_path / "power.csv"
    writer = growing(path)
    writer.append(0.0, 5.0, 1.0)
    with no_file_longer_than(path.stat().st_size + 3), pytest.raises(TraceNotWritten, match="too large"):
        writer.append(0.5, 5.0, 1.0)
    writer.close()
    assert read_csv(path).t_s[0] == 0.0


def test_a_whole_recording_that_cannot_be_stored_leaves_what_was_there(trace: PowerTrace, tmp_path: Path) -> None:
    path = tmp_path / "power.csv"
    path.write_text("precious")
    with no_file_longer_than(50), pytest.raises(TraceNotWritten, match="too large"):
        write_csv(trace, path)
    assert path.read_text() == "precious" and list(tmp_path.iterdir()) == [path]


def test_nobody_can_lay_a_link_where_a_whole_recording_is_begun(trace: PowerTrace, tmp_path: Path, monkeypatch) -> None:
    """Two recordings of one process begin under different names, and neither follows what lies there."""
    begun: list[Path] = []
    really = Path.replace
    monkeypatch.setattr(Path, "replace", lambda self, target: begun.append(self) or really(self, target))
    for _ in range(2):
        write_csv(trace, tmp_path / "power.csv")
    assert begun[0] != begun[1] and {path.parent for path in begun} == {tmp_path}


def test_a_whole_recording_may_be_read_by_whom_the_system_lets(trace: PowerTrace, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.touch()
    write_csv(trace, tmp_path / "power.csv")
    assert (tmp_path / "power.csv").stat().st_mode == plain.stat().st_mode


def test_watts_however_many_are_written_as_numbers(make_trace, tmp_path: Path) -> None:
    trace = make_trace([0.0, 0.5], [1e305, -1e305], voltage_v=1e150)
    write_csv(trace, tmp_path / "power.csv")
    assert read_csv(tmp_path / "power.csv").current_a.tolist() == trace.current_a.tolist()


@pytest.mark.parametrize("failure", [UnicodeEncodeError("utf-8", "\udcff", 0, 1, "no"), KeyboardInterrupt(), OSError()])
def test_whatever_fails_while_a_recording_is_begun_leaves_no_fragment(
    growing, tmp_path: Path, monkeypatch, failure: BaseException
) -> None:
    def broken(*_: object) -> Iterator[str]:
        yield "# schema_version: 2\n"
        raise failure

    monkeypatch.setattr(trace_writer, "fact_lines", broken)
    with pytest.raises(TraceNotWritten if isinstance(failure, OSError) else type(failure)):
        growing(tmp_path / "power.csv")
    assert list(tmp_path.iterdir()) == []


def test_every_recording_is_brought_to_the_disk_before_it_is_called_finished(
    growing, trace: PowerTrace, tmp_path: Path, monkeypatch
) -> None:
    """What was brought there is read at that moment: all of it must have left the process."""
    brought: list[str] = []
    really = os.fsync
    monkeypatch.setattr(
        os, "fsync", lambda file: brought.append(Path(f"/proc/self/fd/{file}").read_text()) or really(file)
    )
    with growing(tmp_path / "growing.csv") as writer:
        writer.append(0.0, 5.0, 1.0)
    write_csv(trace, tmp_path / "whole.csv")
    assert brought == [(tmp_path / name).read_text() for name in ("growing.csv", "whole.csv")]


@pytest.mark.parametrize("replacement", [None, "another's"])
def test_a_growing_recording_that_was_removed_or_replaced_is_lost_and_said_to_be(
    growing, tmp_path: Path, replacement: str | None
) -> None:
    path = tmp_path / "power.csv"
    for rows in (0, 1):
        writer = growing(path)
        for _ in range(rows):
            writer.append(0.0, 5.0, 1.0)
        path.unlink()
        if replacement is not None:
            path.write_text(replacement)
        with pytest.raises(TraceLost, match="removed or replaced"):
            writer.close()
        writer.close()
        assert path.exists() == (replacement is not None)
        path.unlink(missing_ok=True)
