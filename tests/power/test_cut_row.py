"""The last row of a file from elsewhere: believed only where it was not cut inside a number."""

import pytest

from power.energy import window_energy
from power.errors import WindowNotCovered
from power.trace_io import read_csv

FIXED = [f"{k / 10:.1f},5.07{k % 3},{0.6 + k / 997:.4f}" for k in range(60)]
STRIPPED = [f"{k / 10:g},5.07,{0.6 + k / 40:g}" for k in range(60)]
ORDERS = {
    "t_s,voltage_v,current_a": (0, 1, 2),
    "current_a,t_s,voltage_v": (2, 0, 1),
    "voltage_v,current_a,t_s": (1, 2, 0),
}


@pytest.fixture
def read(tmp_path):
    def write(text: str):
        (tmp_path / "cut.csv").write_text(text, newline="")
        return read_csv(tmp_path / "cut.csv")

    return write


@pytest.mark.parametrize("head", ORDERS)
@pytest.mark.parametrize("lines", [FIXED, STRIPPED], ids=["fixed digits", "stripped zeros"])
def test_no_cut_anywhere_in_the_last_row_is_believed(read, head: str, lines: list[str]) -> None:
    ordered = [",".join(line.split(",")[place] for place in ORDERS[head]) for line in lines]
    whole = read("\n".join([head, *ordered, ""]))
    for cut in range(1, len(ordered[-1]) + 1):
        text = "\n".join([head, *ordered])[:-cut]
        trace = read(text)
        assert len(trace.t_s) == 59 and trace.t_s.tolist() == whole.t_s[:-1].tolist(), text[-20:]
        assert text.endswith("\n") or "the last, has no end and may be cut short" in trace.remarks[0]


def test_a_whole_last_row_without_its_newline_is_kept(read) -> None:
    text = "\n".join(["t_s,voltage_v,current_a", *FIXED])
    for end in ("", "\r", "\n", "\r\n"):
        assert len(read(text + end).t_s) == 60
    assert len(read(text.replace("\n", "\r\n")).t_s) == 60
    quoted = "\n".join(f'"{line.replace(",", chr(34) + "," + chr(34))}"' for line in text.splitlines())
    assert len(read(quoted).t_s) == 60
    assert len(read("t_s,voltage_v,current_a\n0,5,1\n10,5,1").t_s) == 2


def test_a_number_that_was_cut_and_got_its_newline_later_is_left_out(read) -> None:
    for lost in (1, 2, 3, 4, 5):
        trace = read("\n".join(["t_s,voltage_v,current_a", *FIXED])[:-lost] + "\n")
        assert len(trace.t_s) == 59 and "fewer digits than all others" in trace.remarks[0]
    assert len(read("\n".join(["t_s,voltage_v,current_a", *STRIPPED[:-1], "5.9,5.07,2", ""])).t_s) == 60


def test_a_whole_last_row_that_happens_to_end_with_a_zero_is_kept(read) -> None:
    """Most programs write 0.66 for 0.660; among a dozen rows all others may well have three digits."""
    lines = [f"{k},5.07,{0.6 + k / 1000 + 0.001:g}" for k in range(9)] + [f"{k},5.07,0.7{k}1" for k in range(10, 20)]
    for last in ("0.66", "0.7", "1"):
        trace = read("\n".join(["t_s,voltage_v,current_a", *lines, f"20,5.07,{last}", ""]))
        assert trace.current_a[-1] == float(last)
    cut = read("\n".join(["t_s,voltage_v,current_a", *lines, "20,5.07,0.", ""]))
    assert len(cut.t_s) == 19 and "fewer digits than all others" in cut.remarks[0]


def test_where_too_little_is_left_it_is_said_why(read) -> None:
    trace = read("t_s,voltage_v,current_a\n0,5,1.25\n10,5,0.5")
    with pytest.raises(WindowNotCovered, match=r"1 measurement.*Line 3, the last, .* end it with a newline"):
        window_energy(trace, 0.0, 10.0)
    assert window_energy(read("t_s,voltage_v,current_a\n0,5,1.25\n10,5,0.5\n"), 0.0, 10.0).energy_j == 43.75


def test_a_column_that_nobody_needs_may_end_as_it_likes(read) -> None:
    lines = [f"{line},note {'x' * (k % 5)}" for k, line in enumerate(FIXED)]
    assert len(read("\n".join(["t_s,voltage_v,current_a,note", *lines])[:-3]).t_s) == 60


def test_exponents_and_whole_numbers(read) -> None:
    small = [f"{k / 10:.1f},5.0,{0.001 + k / 1e6:.4e}" for k in range(20)]
    text = "\n".join(["t_s,voltage_v,current_a", *small])
    assert len(read(text).t_s) == 20
    for cut in range(1, 9):
        assert len(read(text[:-cut]).t_s) == 19
    whole = "\n".join(["t_s,voltage_v,current_a", *(f"{k},5,1{k % 10}" for k in range(20))])
    assert len(read(whole).t_s) == 20 and len(read(whole[:-1]).t_s) == 19
