"""What is no recording is refused soon and in two sentences: pipes, devices, endless lines, endless watts."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from power.errors import TraceFormatError
from power.reading.text import LONGEST_LINE
from power.trace import MeterFacts, PowerTrace
from power.trace_io import read_csv

HEAD = "t_s,voltage_v,current_a\n"
FACTS = MeterFacts("km003c", "serial", "/dev/ttyACM0", True, 1, "vbus/ibus", 0.5)


def refusal(path: Path) -> TraceFormatError:
    with pytest.raises(TraceFormatError) as caught:
        read_csv(path)
    assert caught.value.message.endswith(".") and caught.value.remedy.endswith(".")
    return caught.value


def test_a_named_pipe_is_refused_without_waiting_for_a_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "not a regular file" in refusal(tmp_path / "pipe").message


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/null", "."])
def test_devices_and_folders_are_refused(path: str) -> None:
    error = refusal(Path(path))
    assert "not a regular file" in error.message and "read from standard input" in error.remedy


def test_a_link_to_a_recording_is_read(tmp_path: Path) -> None:
    (tmp_path / "real.csv").write_text(HEAD + "0,5,1\n")
    (tmp_path / "link.csv").symlink_to("real.csv")
    assert len(read_csv(tmp_path / "link.csv").t_s) == 1


def padded(line: str, length: int) -> str:
    return line + " " * (length - len(line))


@pytest.mark.parametrize("end", ["\n", ""])
@pytest.mark.parametrize(
    ("before", "line"),
    [("", "# port: x"), ("", HEAD.strip()), (HEAD, "0,5,1"), (HEAD + "0,5,1\n" * 30_000, "0,5,1")],
    ids=["fact", "names", "row", "row far down"],
)
def test_a_line_that_is_too_long_is_refused_by_its_number(tmp_path: Path, before: str, line: str, end: str) -> None:
    path, number = tmp_path / "long.csv", before.count("\n") + 1
    path.write_text(before + padded(line, LONGEST_LINE + 1) + end)
    assert f"line {number}: it is longer than {LONGEST_LINE} characters" in refusal(path).message


def test_a_line_may_be_as_long_as_that(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    path.write_text("\n".join(padded(line, LONGEST_LINE) for line in ("# port: x", HEAD.strip(), "0,5,1", "1,5,1")))
    trace = read_csv(path)
    assert trace.facts.port == "x" and trace.t_s.tolist() == [0.0, 1.0]


def test_a_fault_in_front_of_a_line_that_is_too_long_is_the_one_named(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    path.write_text(HEAD + "0,5,1\nx,5,1\n" + padded("1,5,1", LONGEST_LINE + 1) + "\n")
    assert "line 3: 'x' is not a number" in refusal(path).message


def test_a_huge_file_of_one_line_takes_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "huge.csv"
    with path.open("wb") as file:
        file.truncate(32 << 30)  # a hole of 32 GiB, which takes no room on the disk
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))\n"
        "from pathlib import Path; from power.trace_io import read_csv; read_csv(Path(sys.argv[1]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False, timeout=300
    )
    assert "TraceFormatError" in done.stderr and "line 1: it is longer" in done.stderr


@pytest.mark.parametrize("columns", [HEAD, "t_s,voltage_v,current_a,power_w\n"])
def test_power_beyond_all_numbers_is_refused_by_its_line(tmp_path: Path, columns: str) -> None:
    path, watts = tmp_path / "endless.csv", ",1" if "power_w" in columns else ""
    path.write_text(f"{columns}0,1,1{watts}\n1,1e200,-1e200{watts}\n")
    assert "line 3: 1e+200 V times -1e+200 A is no finite power" in refusal(path).message


def test_a_trace_has_finite_power_or_is_none() -> None:
    with pytest.raises(TraceFormatError) as caught:
        PowerTrace(FACTS, 0.0, None, [0.0, 1.0], [1.0, 1e200], [1.0, 1e200])
    assert "1e+200 V times 1e+200 A in row 2 is no finite power" in caught.value.message
    assert caught.value.remedy
    assert PowerTrace(FACTS, 0.0, None, [0.0], [1e200], [1e100]).power_w[0] == 1e300


def test_times_however_far_apart_are_in_order() -> None:
    assert len(PowerTrace(FACTS, 0.0, None, [-1e308, 1e308], [1.0, 1.0], [1.0, 1.0]).t_s) == 2
