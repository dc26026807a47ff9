"""Recordings from elsewhere: read by the names of their columns, with nothing assumed that they do not say."""

import pytest

from power.energy import window_energy
from power.errors import TraceFormatError
from power.trace import MeterFacts
from power.trace_io import read_csv

PLAIN = "t_s,voltage_v,current_a\n0,5.0,1.0\n0.5,5.0,1.2\n1,5.0,-0.4\n"
UNKNOWN = MeterFacts("unknown", "unknown", "unknown", None, 1, "t_s, voltage_v, current_a", None, "instant")


@pytest.fixture
def read(tmp_path):
    def read(text: str | bytes):
        path = tmp_path / "other.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_csv(path)

    return read


def columns(trace) -> tuple[list[float], ...]:
    return trace.t_s.tolist(), trace.voltage_v.tolist(), trace.current_a.tolist()


def test_a_file_without_facts_is_read_and_they_are_unknown(read) -> None:
    trace = read(PLAIN)
    assert (trace.facts, trace.t0_s, trace.started_at) == (UNKNOWN, 0.0, None)
    assert columns(trace) == ([0.0, 0.5, 1.0], [5.0, 5.0, 5.0], [1.0, 1.2, -0.4])
    energy = window_energy(trace, 0.0, 1.0)
    assert energy.emulated is None and energy.update_period_s == pytest.approx(0.5)
    assert energy.energy_j == pytest.approx(0.5 * 5.5 + 0.5 * 2.0)


@pytest.mark.parametrize(
    "text",
    [
        PLAIN.replace("\n", "\r\n"),
        "\ufeff" + PLAIN,
        "\ufeff" + PLAIN.replace("\n", "\r\n"),
        "# Joulescope export\n# rate: 2 Hz\n" + PLAIN,
        PLAIN.rstrip("\n"),
        "current_a,t_s,voltage_v\n1.0,0,5.0\n1.2,0.5,5.0\n-0.4,1,5.0\n",
        'note,t_s,voltage_v,current_a,ok\nwarm,0,5.0,1.0,\nmäßig,0.5,5.0,1.2,yes\n"a, b",1,5.0,-0.4,no\n',
        '"t_s","voltage_v","current_a"\n"0","5.0","1.0"\n"0.5","5.0","1.2"\n"1","5.0","-0.4"\n',
        "t_s, voltage_v, current_a\n0, 5.0, 1.0\n0.5, 5.0, 1.2\n1e0, 5.0, -0.4\n",
        "t_s,voltage_v,current_a,power_w\n0,5.0,1.0,5\n0.5,5.0,1.2,6.0000001\n1,5.0,-0.4,-2.0\n",
    ],
    ids=[
        "windows",
        "mark",
        "mark and windows",
        "notes",
        "no last newline",
        "order",
        "more",
        "quotes",
        "blanks",
        "watts",
    ],
)
def test_harmless_ways_of_writing_the_same(read, text: str) -> None:
    assert columns(read(text)) == columns(read(PLAIN))


@pytest.mark.parametrize(
    ("text", "t_s", "breaks"),
    [
        ("t_s,voltage_v,power_w\n0,nan,5\n1,5,6\n2,nan,7\n", [0, 1, 2], ()),  # the watts alone count
        ("t_s,current_a,power_w\n0,nan,5\n1,1,6\n2,nan,7\n", [0, 1, 2], ()),
        ("t_s,voltage_v,current_a,power_w\n0,5,1,nan\n1,5,1,5\n2,5,1,nan\n", [0, 1, 2], ()),  # they are a check
        ("t_s,voltage_v,current_a,power_w\n0,5,1,5\n1,nan,1,5\n2,5,1,5\n", [0, 2], (1,)),
        ("t_s,voltage_v,power_w\n0,5,5\n1,5,nan\n2,5,7\n", [0, 2], (1,)),
    ],
)
def test_a_row_that_lacks_what_makes_no_joules_is_a_row(read, text: str, t_s: list[float], breaks) -> None:
    trace = read(text)
    assert (trace.t_s.tolist(), trace.breaks) == (t_s, breaks)


@pytest.mark.parametrize("end", ["1", "1,5", "1,5.0,", "1,5.0,-", "0.4,5.0,1.0", "1,5.0,-0.4,9"])
def test_a_last_line_cut_short_is_left_out(read, end: str) -> None:
    assert len(read("t_s,voltage_v,current_a\n0,5.0,1.0\n0.5,5.0,1.2\n" + end).t_s) == 2


def test_a_last_line_without_newline_counts_only_if_its_power_agrees(read) -> None:
    head = "t_s,voltage_v,current_a,power_w\n0,5.0,1.0,5.0\n0.5,5.0,1.25,6.25\n"
    assert len(read(head + "1,5.0,1.25,6.25").t_s) == 3
    assert len(read(head + "1,5.0,1.25,6.2").t_s) == 2  # cut by one digit


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["line 1", "is empty"]),
        ("time,volts,amps\n0,5,1\n", ["the column 'time' does not say its unit"]),
        ("t_s,voltage_v\n0,5\n", ["name time, voltage alone"]),
        ("0,5,1\n1,5,1\n", ["line 1", "no line names the columns"]),
        ("t_s,t_s,voltage_v,current_a\n0,0,5,1\n", ["2 columns of time"]),
        ("t_s,voltage_v,current_a\n0,5,5,1,1,0\n", ["line 2", "6 columns instead of 3"]),  # decimal commas
        ('t_s,voltage_v,current_a\n0,5,1\n1,"5,1\n', ["line 3", "quotation mark"]),
        ("t_s,voltage_v,current_a\n0,5,1\n1,5\n", ["line 3", "there are 2 columns instead of 3"]),
        ("t_s,voltage_v,current_a\n0,5,1\n1,,1\n", ["line 3", "'' is not a number"]),
        ("t_s,voltage_v,current_a\n0,5,1\n1,5,1 A\n", ["line 3", "'1 A' is not a number"]),
        ("t_s,voltage_v,current_a\n0,5,1\n2026-01-02,5,1\n", ["line 3", "'2026-01-02' is not a number"]),
        ("note,t_s,voltage_v,current_a\na,1,5,1\nb,0.5,5,1\n", ["line 3", "backwards from 1.0 s to 0.5 s"]),
        (b"\x00\x01\x02", ["not a text file"]),
        (b"t_s,voltage_v,current_a\n0,5,\xff\n", ["line 2", "is not a number"]),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(read, text, words) -> None:
    with pytest.raises(TraceFormatError) as caught:
        read(text)
    assert all(word in caught.value.message for word in words), caught.value.message
    assert caught.value.message.endswith(".") and caught.value.remedy.endswith(".")


@pytest.mark.parametrize(("row", "line"), [("x,5,1", 40_002), ("39998.5,5,1", 40_002), ("40001,5", 40_002)])
def test_a_fault_far_down_has_the_right_line(read, row: str, line: int) -> None:
    rows = "".join(f"{t},5,1\n" for t in range(40_000))
    with pytest.raises(TraceFormatError, match=f"line {line}:"):
        read(f"t_s,voltage_v,current_a\n{rows}{row}\n40002,5,1\n")
    assert len(read(f"t_s,voltage_v,current_a\n{rows}40001,5,1").t_s) == 40_001
