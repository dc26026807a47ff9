"""Recordings on disk: the round trip is exact, and nothing doubtful is read."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from power.errors import TraceFormatError, TraceNotWritten
from power.trace import MeterFacts, PowerTrace
from power.trace_io import TraceWriter, read_csv, write_csv

T0_S = 8123.456789012345
STARTED_AT = "2026-01-02T03:04:05.678901+00:00"
finite = st.floats(-1e6, 1e6)


def same(a: PowerTrace, b: PowerTrace) -> bool:
    heads = (a.facts, a.t0_s, a.started_at) == (b.facts, b.t0_s, b.started_at)
    columns = ("t_s", "voltage_v", "current_a")
    return heads and all(np.array_equal(getattr(a, name), getattr(b, name)) for name in columns)


@given(st.lists(st.tuples(finite, finite, finite), max_size=20), st.booleans(), st.sampled_from([1, -1]))
def test_round_trip_is_exact(tmp_path_factory, rows, emulated, sign) -> None:
    facts = MeterFacts("km003c", "serial", "/dev/serial/by-id/usb POWER-Z: 1", emulated, sign, "vbus/ibus", 0.5)
    t_s, voltage_v, current_a = zip(*sorted(rows), strict=True) if rows else ((), (), ())
    trace = PowerTrace(facts, T0_S, STARTED_AT, t_s, voltage_v, current_a)
    path = tmp_path_factory.getbasetemp() / "round trip.csv"
    write_csv(trace, path)
    assert same(read_csv(path), trace)


def test_what_the_file_looks_like(make_trace, tmp_path) -> None:
    path = tmp_path / "power.csv"
    write_csv(make_trace([0.0, 0.5], [5.0, -2.5], voltage_v=5.0, emulated=True), path)
    assert path.read_text().splitlines() == [
        "# schema_version: 1",
        "# meter: km003c",
        "# transport: serial",
        "# port: /dev/ttyACM0",
        "# emulated: true",
        "# sign: +1",
        "# field: vbus/ibus",
        "# update_period_s: 0.5",
        "# clock: monotonic",
        "# t0_s: 100.0",
        "# started_at: 2026-01-02T03:04:05+00:00",
        "t_s,voltage_v,current_a,power_w",
        "0.0,5.0,1.0,5.0",
        "0.5,5.0,-0.5,-2.5",
    ]
    assert list(tmp_path.iterdir()) == [path]


def test_the_growing_file_is_readable_at_any_moment(make_trace, tmp_path) -> None:
    trace, path = make_trace([0.0, 0.5, 1.0], [1.0, 2.0, 3.0]), tmp_path / "growing.csv"
    with TraceWriter(path, trace.facts, trace.t0_s, trace.started_at) as writer:
        for count, row in enumerate(zip(trace.t_s, trace.voltage_v, trace.current_a, strict=True)):
            assert len(read_csv(path).t_s) == count
            writer.append(*map(float, row))
    assert same(read_csv(path), trace)


@pytest.fixture
def recorded(make_trace, tmp_path):
    path = tmp_path / "power.csv"
    write_csv(make_trace([0.0, 0.5, 1.0], [1.0, 2.0, 3.0], emulated=True), path)
    return path


def test_a_truncated_last_line_is_not_read(recorded) -> None:
    text = recorded.read_text()
    for cut in range(1, len("1.0,1.0,3.0,3.0\n") + 1):
        recorded.write_text(text[:-cut])
        assert read_csv(recorded).t_s.tolist() == [0.0, 0.5]


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("# emulated: true\n", "", "lacks the facts emulated"),
        ("# emulated: true", "# emulated: no", "line 5: emulated is 'no', not true or false"),
        ("# emulated: true", "# emulated:", "line 5"),
        ("# emulated: true\n", "# emulated: true\n# emulated: false\n", "line 6: emulated is given twice"),
        ("# clock: monotonic", "# clock: utc", "line 9"),
        ("# schema_version: 1", "# schema_version: 2", "line 1"),
        ("# sign: +1", "# sign: 0", "line 6"),
        ("# update_period_s: 0.5", "# update_period_s: 0", "update period"),
        ("# t0_s: 100.0", "# t0_s: soon", "line 10: 'soon' is not a number"),
        ("2026-01-02T", "yesterday ", "line 11"),
        ("# meter: km003c", "# meter: km003c\n# colour: red", "line 3: 'colour' is no known fact"),
        ("t_s,voltage_v,current_a,power_w", "t_s,voltage_v,power_w", "line 12: the columns"),
        ("0.5,1.0,2.0,2.0", "0.5,1.0,2.0", "line 14: there are 3 columns"),
        ("0.5,1.0,2.0,2.0", "0.5,nan,2.0,nan", "line 14: 'nan' is not a finite number"),
        ("0.5,1.0,2.0,2.0", "0.5,x,2.0,2.0", "line 14: 'x' is not a number"),
        ("0.5,1.0,2.0,2.0", "-0.5,1.0,2.0,2.0", "line 14: time goes backwards"),
        ("0.5,1.0,2.0,2.0", "0.5,1.0,2.0,7.0", "line 14: power_w is 7.0"),
        ("0.5,1.0,2.0,2.0", "", "line 14: there are 1 columns"),
    ],
)
def test_bad_input_names_its_line(recorded, old, new, complaint) -> None:
    text = recorded.read_text()
    assert text.count(old) == 1
    recorded.write_text(text.replace(old, new))
    with pytest.raises(TraceFormatError) as caught:
        read_csv(recorded)
    assert complaint in caught.value.message
    assert caught.value.remedy


def test_files_that_are_no_recording(tmp_path) -> None:
    binary, empty = tmp_path / "binary.csv", tmp_path / "empty.csv"
    binary.write_bytes(b"\xff\xfe\x00")
    empty.write_bytes(b"")
    for path in (binary, empty, tmp_path, tmp_path / "absent.csv"):
        with pytest.raises(TraceFormatError):
            read_csv(path)


def test_an_unwritable_place_is_an_error_of_ours(make_trace, recorded) -> None:
    trace = make_trace([0.0], [1.0])
    with pytest.raises(TraceNotWritten, match="No such file"):
        write_csv(trace, recorded.parent / "absent" / "power.csv")
    with pytest.raises(TraceNotWritten):
        write_csv(trace, recorded / "below a file.csv")
    with pytest.raises(TraceNotWritten):
        TraceWriter(recorded.parent, trace.facts, 0.0, STARTED_AT)


def test_a_full_disk_is_an_error_of_ours(make_trace) -> None:
    trace = make_trace([0.0], [1.0])
    with pytest.raises(TraceNotWritten, match="No space left"):
        TraceWriter(Path("/dev/full"), trace.facts, 0.0, STARTED_AT)
