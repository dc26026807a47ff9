"""The fast way and the careful way of reading give the same trace or the same refusal, whatever the bytes."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from power.errors import TraceFormatError
from power.reading.encoding import texts
from power.trace_io import read_csv

HEADERS = [
    "t_s,voltage_v,current_a",
    "current_a,t_s,voltage_v",
    "t_s,voltage_v,current_a,power_w",
    "t_s,voltage_v,note,current_a",
]
HEAD = HEADERS[0] + "\n"
WITH_NOTE = "t_s,voltage_v,current_a,note\n"
WITH_POWER = "t_s,voltage_v,current_a,power_w\n"

number = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.integers(0, 9).map(str),
    st.sampled_from(
        ["1e200", "-1e200", "1e400", "1e-400", "nan", "-inf", "infinity", "+1", ".5", "5.", "1_0", "0x1", "1d2"]
    ),
)
# What one parser or another takes for a blank, a digit, a quote, an end of a line or of a string.
oddity = st.one_of(
    st.sampled_from(["", " ", '"', '""', "'", "\r", "#", ";", "x", "1 2", "\\"]),
    st.sampled_from("\t\0\x01\x0b\x0c\x1c\x1f\x7f\x85\xa0\u2028\u0661\ufeffä"),
)
cell = st.one_of(number, number, st.tuples(oddity, number, oddity).map("".join), oddity, st.text(max_size=4))
line = st.lists(cell, min_size=3, max_size=4).map(",".join)
end = st.sampled_from(["\n", "\n", "\n", "\r\n", "\r", "\n\n", ""])
table = st.tuples(
    st.sampled_from(HEADERS), end, st.lists(st.tuples(line, end).map("".join), max_size=6).map("".join)
).map("".join)
text_file = table.map(lambda text: text.encode("utf-8", "surrogatepass"))
any_file = st.one_of(text_file, text_file, st.tuples(text_file, st.binary(max_size=6)).map(b"".join), st.binary())


@given(any_file, st.sampled_from([1, 30, 1 << 20]))
@example((HEAD + "0,5,1\x00junk\n").encode(), 30)
@example((HEAD + '0,5,"1"2\n').encode(), 30)
@example((HEAD + "0,5,1\r1,5,1\n\n").encode(), 30)
@example((WITH_NOTE + '0,5,1,"a\nb"\r1,5,1,c\n').encode(), 1 << 20)
@example((WITH_POWER + "0,1e200,1e200,5\n").encode(), 30)
@example((WITH_POWER + "0,1,1000000,999999.000000\n").encode(), 30)
@example((WITH_POWER + "0,5,1,5.000005\n").encode(), 30)
@example(b"s,voltage-v,current-a\r\x00", 1)
def test_both_ways_give_the_same_trace_or_the_same_refusal(tmp_path_factory, content: bytes, at_once: int) -> None:
    path = tmp_path_factory.getbasetemp() / "two ways.csv"
    path.write_bytes(content)
    with pytest.MonkeyPatch.context() as patch:
        at_a_stroke = outcome(path)
        patch.setattr("power.trace_reader.texts", lambda source: split(texts(source), at_once))
        fast = outcome(path)
        patch.setattr("power.reading.rows._fast", lambda layout, piece: None)
        assert fast == outcome(path)
    # Of two faults, that a file is no text may be seen sooner or later; nothing else depends on the pieces.
    assert fast == at_a_stroke or (isinstance(fast, str) and isinstance(at_a_stroke, str))


def split(parts: Iterable[str], at_once: int) -> Iterator[str]:
    for part in parts:
        yield from (part[first : first + at_once] for first in range(0, len(part), at_once))


def outcome(path: Path) -> str | tuple[object, ...]:
    try:
        trace = read_csv(path)
    except TraceFormatError as error:
        return str(error)
    return (trace.facts, trace.t0_s, np.stack([trace.t_s, trace.voltage_v, trace.current_a]).tobytes())


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace(",", ", "),
        lambda text: "\ufeff" + text,
        lambda text: text.replace("current_a,", "current_a,note,").replace(",1.0,", ",1.0,all well; go on,"),
    ],
    ids=["as written", "windows", "blanks", "mark", "a column of words"],
)
def test_what_is_plain_is_read_the_fast_way(
    recording: str, tmp_path, monkeypatch, change: Callable[[str], str]
) -> None:
    def careful(layout: object, piece: object) -> None:
        pytest.fail("line by line")

    monkeypatch.setattr("power.reading.rows._careful", careful)
    path = tmp_path / "plain.csv"
    path.write_text(change(recording), newline="")
    assert read_csv(path).current_a.tolist() == [1.0, 1.0]


@pytest.fixture
def recording() -> str:
    return "# schema_version: 2\n" + WITH_POWER + "0.0,5.0,1.0,5.0\n0.5,5.0,1.0,5.0\n"
