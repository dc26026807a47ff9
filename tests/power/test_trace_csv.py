"""Recordings of our own on disk: the round trip is exact, and nothing that contradicts itself is read."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from power.errors import TraceFormatError, TraceNotWritten
from power.reading.asked import Asked
from power.trace import MeterFacts, PowerTrace
from power.trace_io import TraceWriter, read_csv, write_csv

T0_S = 8123.456789012345
STARTED_AT = "2026-01-02T03:04:05.678901+00:00"
finite = st.floats(-1e6, 1e6)


def same(a: PowerTrace, b: PowerTrace) -> bool:
    heads = (a.facts, a.t0_s, a.started_at, a.breaks) == (b.facts, b.t0_s, b.started_at, b.breaks)
    columns = ("t_s", "voltage_v", "current_a")
    return heads and all(np.array_equal(getattr(a, name), getattr(b, name)) for name in columns)


facts_of_any_meter = st.builds(
    MeterFacts,
    meter=st.just("km003c"),
    transport=st.just("serial"),
    port=st.just("/dev/serial/by-id/usb POWER-Z: 1"),
    emulated=st.sampled_from([True, False, None]),
    sign=st.sampled_from([1, -1]),
    field=st.just("vbus/ibus"),
    update_period_s=st.sampled_from([0.5, 0.001, None]),
    averaging=st.sampled_from(["block", "instant", "row"]),
    poll_period_s=st.sampled_from([0.05, None]),
    watts_alone=st.booleans(),
)


@given(
    st.lists(st.tuples(finite, finite, finite), max_size=20),
    facts_of_any_meter,
    st.sampled_from([STARTED_AT, None]),
    st.sets(st.integers(1, 19)),
)
def test_round_trip_is_exact(tmp_path_factory, rows, facts, started_at, breaks) -> None:
    t_s, voltage_v, current_a = zip(*sorted(rows), strict=True) if rows else ((), (), ())
    breaks = tuple(sorted(row for row in breaks if row < len(rows)))
    voltage_v = (1.0,) * len(rows) if facts.watts_alone else voltage_v
    trace = PowerTrace(facts, T0_S, started_at, t_s, voltage_v, current_a, breaks=breaks)
    path = tmp_path_factory.getbasetemp() / "round trip.csv"
    write_csv(trace, path)
    assert same(read_csv(path), trace)


def test_what_the_file_looks_like(make_trace, tmp_path) -> None:
    path = tmp_path / "power.csv"
    write_csv(make_trace([0.0, 0.5], [5.0, -2.5], voltage_v=5.0, emulated=True, averaging="block"), path)
    assert path.read_text().splitlines() == [
        "# schema_version: 3",
        "# meter: km003c",
        "# transport: serial",
        "# port: /dev/ttyACM0",
        "# emulated: true",
        "# sign: +1",
        "# field: vbus/ibus",
        "# update_period_s: 0.5",
        "# averaging: block",
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
    write_csv(make_trace([0.0, 0.5, 1.0], [1.0, 2.0, 3.0], emulated=True, averaging="block"), path)
    return path


def test_a_truncated_last_line_is_not_read(recorded) -> None:
    text = recorded.read_text()
    for cut in range(1, len("1.0,1.0,3.0,3.0\n") + 1):
        recorded.write_text(text[:-cut])
        assert read_csv(recorded).t_s.tolist() == [0.0, 0.5]


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("# emulated: true", "# emulated: no", "line 5: emulated: it is 'no', not true or false"),
        ("# emulated: true", "# emulated:", "line 5"),
        ("# emulated: true\n", "# emulated: true\n# emulated: false\n", "line 6: emulated is given twice"),
        ("# clock: monotonic", "# clock: utc", "line 10"),
        ("# schema_version: 3", "# schema_version: 4", "line 1: the recording is of version 4"),
        ("# schema_version: 3", "# schema_version: 0", "line 1"),
        ("# schema_version: 3", "# schema_version: two", "line 1"),
        ("# sign: +1", "# sign: 0", "line 6"),
        ("# update_period_s: 0.5", "# update_period_s: 0", "line 8: update_period_s: a period of 0 s"),
        ("# update_period_s: 0.5", "# update_period_s: nan", "line 8"),
        ("# averaging: block", "# averaging: mean", "line 9: averaging: it is 'mean', not block or instant"),
        ("# t0_s: 100.0", "# t0_s: soon", "line 11: t0_s: 'soon' is not a number"),
        ("2026-01-02T", "yesterday ", "line 12"),
        (
            "t_s,voltage_v,current_a,power_w",
            "t_s,voltage_v,power_w",
            "line 13: the columns are t_s, voltage_v, power_w",
        ),
        ("0.5,1.0,2.0,2.0", "0.5,1.0,2.0", "line 15: there are 3 columns"),
        ("0.5,1.0,2.0,2.0", "0.5,1.0,2.0,2.0,9", "line 15: there are 5 columns"),
        ("0.5,1.0,2.0,2.0", "0.5,nan,2.0,nan", "line 15: 'nan' is not a finite number"),
        ("0.5,1.0,2.0,2.0", "0.5,1.0,2.0,inf", "line 15: 'inf' is not a finite number"),
        ("0.5,1.0,2.0,2.0", "0.5,x,2.0,2.0", "line 15: 'x' is not a number"),
        ("0.5,1.0,2.0,2.0", "-0.5,1.0,2.0,2.0", "line 15: time goes backwards"),
        ("0.5,1.0,2.0,2.0", "0.5,1.0,2.0,7.0", "line 15: power_w is 7.0"),
        ("0.5,1.0,2.0,2.0", "0.5", "line 15: there is 1 column instead of 4"),
        ("0.5,1.0,2.0,2.0", '0.5,1.0,2.0,"2.0', "line 15"),
        ("0.5,1.0,2.0,2.0", "0.5,1.0,2.0,2.0\r0.6,1.0,2.0,2.0", "line 15"),
        (
            "0.5,1.0,2.0,2.0",
            "# schema_version: 3",
            "several recordings, one behind the other; another begins in line 15",
        ),
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


def test_the_first_of_several_faults_is_named(recorded) -> None:
    recorded.write_text(recorded.read_text().replace("0.5,1.0,2.0,2.0", "0.5,1.0,nan,2.0").replace("3.0,3.0", "x,3.0"))
    with pytest.raises(TraceFormatError, match="line 15: 'nan'"):
        read_csv(recorded)


def test_a_recording_of_the_first_version_is_read_and_its_averaging_unknown_as_it_was(recorded) -> None:
    text = recorded.read_text()
    recorded.write_text(text.replace("# schema_version: 3", "# schema_version: 1").replace("# averaging: block\n", ""))
    assert read_csv(recorded).facts.averaging == "instant"


@pytest.mark.parametrize("fact", ["meter", "emulated", "sign", "update_period_s", "t0_s", "started_at"])
def test_a_fact_that_is_not_there_is_unknown(recorded, fact: str) -> None:
    lines = recorded.read_text().splitlines(keepends=True)
    recorded.write_text("".join(line for line in lines if not line.startswith(f"# {fact}:")))
    trace = read_csv(recorded)
    found = {**vars(trace.facts), "t0_s": trace.t0_s, "started_at": trace.started_at}
    absent = {"meter": "unknown", "emulated": None, "sign": 1, "update_period_s": None, "t0_s": 0.0, "started_at": None}
    assert found[fact] == absent[fact]


def test_a_note_of_somebody_else_is_no_fact(recorded) -> None:
    before = read_csv(recorded)
    recorded.write_text("# the red board\n# colour: red\n#\n" + recorded.read_text())
    assert same(read_csv(recorded), before)


def test_a_newer_recording_asks_for_an_update(recorded) -> None:
    recorded.write_text(recorded.read_text().replace("# schema_version: 3", "# schema_version: 12"))
    with pytest.raises(TraceFormatError) as caught:
        read_csv(recorded)
    assert "Update" in caught.value.remedy


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


@given(port=st.text(st.characters(exclude_categories=()), max_size=20))
def test_a_port_of_any_name_is_read_as_it_was_written(tmp_path_factory, port: str) -> None:
    facts = MeterFacts("replay", "csv", port, None, 1, "vbus", None)
    path = tmp_path_factory.getbasetemp() / "odd.csv"
    write_csv(PowerTrace(facts, 0.0, None, [0.0], [5.0], [1.0]), path)
    assert read_csv(path).facts == facts


def test_blank_lines_and_notes_are_no_rows(recorded) -> None:
    trace, text = read_csv(recorded), recorded.read_text()
    recorded.write_text(text.replace("0.5,1.0,2.0,2.0\n", "\n0.5,1.0,2.0,2.0\n# a note, and more\n,,,\n"))
    assert same(read_csv(recorded), trace)


def test_each_of_two_recordings_in_one_file_can_be_read(recorded, make_trace, tmp_path) -> None:
    first, second = read_csv(recorded), make_trace([0.0, 0.5], [7.0, 8.0])
    write_csv(second, tmp_path / "second.csv")
    recorded.write_text(recorded.read_text() + (tmp_path / "second.csv").read_text())
    with pytest.raises(TraceFormatError, match=r"several recordings.* line 17") as caught:
        read_csv(recorded)
    assert "--part 2" in caught.value.remedy
    assert same(read_csv(recorded, Asked(part=1)), first) and same(read_csv(recorded, Asked(part=2)), second)
    with pytest.raises(TraceFormatError, match="holds 2 recordings, and part 3 was asked for"):
        read_csv(recorded, Asked(part=3))
