"""`groupnl power integrate` and `groupnl power plot` as they are typed: answers, refusals, and exit codes."""

import math
from pathlib import Path

import pytest
from PIL import Image

from power.trace import MeterFacts, PowerTrace
from power.trace_io import write_csv
from tests.e2e.power_command import integrated, power

TEN_HZ = [tenth / 10 for tenth in range(31)]
KEYS = {
    "schema_version",
    "energy_j",
    "energy_wh",
    "mean_power_w",
    "peak_power_w",
    "min_voltage_v",
    "duration_s",
    "samples",
    "update_period_s",
    "max_gap_s",
    "method",
    "sign",
    "emulated",
    "idle_power_w",
    "net_energy_j",
    "start_s",
    "end_s",
    "edge_error_j",
    "edge_error_assumes",
    "left_out_s",
    "gaps",
}


def refusal(code: int, *arguments: object) -> str:
    done = power(*arguments)
    assert done.exit_code == code, done.output
    assert done.stdout == "" and "Error:" in done.stderr and "Try:" in done.stderr
    return done.stderr


def plain(path: Path, t_s: list[float], power_w: list[float]) -> Path:
    """A CSV from elsewhere, at 5 V."""
    rows = [f"{t!r},5.0,{watts / 5!r}" for t, watts in zip(t_s, power_w, strict=True)]
    path.write_text("\n".join(["t_s,voltage_v,current_a", *rows, ""]))
    return path


def recorded(path: Path, t_s: list[float], power_w: list[float], emulated: bool = True) -> Path:
    facts = MeterFacts("km003c", "serial", "/dev/pts/1", emulated, 1, "vbus/ibus", 0.5, "block")
    write_csv(PowerTrace(facts, 0.0, None, t_s, [5.0] * len(t_s), [watts / 5 for watts in power_w]), path)
    return path


@pytest.fixture
def steady(tmp_path: Path) -> Path:
    return plain(tmp_path / "steady.csv", TEN_HZ, [5.0] * 31)


def test_a_steady_load(steady: Path) -> None:
    found = integrated(steady, "--from", 1.05, "--to", 1.35)
    assert set(found) >= KEYS
    assert found["energy_j"] == pytest.approx(1.5)
    assert (found["schema_version"], found["samples"], found["emulated"], found["sign"]) == (1, 3, None, 1)
    assert found["method"] == "trapezoid, edges interpolated"
    assert found["idle_power_w"] is found["net_energy_j"] is None
    assert found["energy_wh"] == pytest.approx(1.5 / 3600)
    assert found["update_period_s"] == pytest.approx(0.1)


def test_a_ramp_by_both_rules(tmp_path: Path) -> None:
    ramp = plain(tmp_path / "ramp.csv", TEN_HZ, TEN_HZ)
    assert integrated(ramp, "--from", 1.05, "--to", 1.35)["energy_j"] == pytest.approx(0.36)
    late = integrated(ramp, "--from", 1.05, "--to", 1.35, "--method", "interval")
    assert late["energy_j"] == pytest.approx(0.375)
    assert late["method"] == "each value covers the interval before it"
    assert late["edge_error_j"] >= 0.015


def test_without_a_window_all_of_it_whose_error_can_be_told(steady: Path) -> None:
    """Two rows behind the end tell of a step at it, and two more where they may be a poll late."""
    found = integrated(steady)
    assert (found["start_s"], found["end_s"], found["left_out_s"]) == pytest.approx((0.0, 2.6, 0.4))
    assert found["energy_j"] == pytest.approx(13.0) and found["edge_error_j"] == 0.0
    assert any("ends 0.400 s before the last row" in note and "--to" in note for note in found["notes"])
    assert integrated(steady, "--from", 1)["energy_j"] == pytest.approx(8.0)
    assert integrated(steady, "--to", 1)["energy_j"] == pytest.approx(5.0)


def test_an_end_that_is_asked_for_too_near_the_last_row_has_an_unknown_error(steady: Path) -> None:
    found = integrated(steady, "--to", 3)
    assert found["energy_j"] == pytest.approx(15.0) and found["left_out_s"] == 0.0
    assert found["edge_error_j"] is None
    assert any("not known" in note and "Record for 5 update periods more" in note for note in found["notes"])
    shown = power("integrate", steady, "--to", 3).stdout
    assert "up to (J)   not known" in shown and "< 0.001" not in shown
    of_idle = integrated(steady, "--to", 1, "--idle-from", 2, "--idle-to", 3)
    assert of_idle["edge_error_j"] == 0.0 and of_idle["net_edge_error_j"] is of_idle["idle"]["edge_error_j"] is None
    assert any("the idle window's edges" in note for note in of_idle["notes"])


def test_an_edge_error_is_never_shown_as_nothing_and_says_what_it_supposes(tmp_path: Path) -> None:
    """Ripple of half a second vanishes in means of half a second: no row can tell of it."""
    path = recorded(tmp_path / "power.csv", [k / 2 for k in range(41)], [6.0] * 41)
    found = integrated(path, "--from", 2.2, "--to", 12.2)
    assert found["edge_error_assumes"] == "a load that keeps each level for two update periods"
    assert any(found["edge_error_assumes"] in note and "about 3 J" in note for note in found["notes"])
    shown = power("integrate", path, "--from", 2.2, "--to", 12.2).stdout
    assert "< 0.001" in shown and " 0.000 " not in shown and found["edge_error_assumes"] in shown


def test_net_of_idle_beside_gross(tmp_path: Path) -> None:
    path = recorded(tmp_path / "power.csv", [k / 2 for k in range(41)], [2.0] * 11 + [6.0] * 20 + [2.0] * 10)
    found = integrated(path, "--from", 6, "--to", 14, "--idle-from", 1, "--idle-to", 4)
    assert found["energy_j"] == pytest.approx(48.0)
    assert (found["idle_power_w"], found["idle_energy_j"]) == pytest.approx((2.0, 16.0))
    assert found["net_energy_j"] == pytest.approx(32.0)
    assert found["emulated"] is True and "EMULATED" in found["notes"][0]
    shown = power("integrate", path, "--from", 6, "--to", 14, "--idle-from", 1, "--idle-to", 4).stdout
    for words in ("Gross", "Idle", "Net", "48.000", "32.000", "EMULATED", "2.000 W over 8.000 s, 16.000 J"):
        assert words in shown


def test_what_a_doubter_should_know_is_said(tmp_path: Path) -> None:
    faster = [0.02 * k for k in range(400)]
    path = recorded(tmp_path / "fast.csv", faster, [5.0 + math.sin(k) for k in range(400)], emulated=False)
    notes = " ".join(integrated(path)["notes"])
    assert "every 0.02 s, not every 0.5 s" in notes and "EMULATED" not in notes
    overlapping = " ".join(integrated(path, "--idle-from", 1, "--idle-to", 2)["notes"])
    assert "overlaps" in overlapping
    backward = plain(tmp_path / "backward.csv", TEN_HZ, [-5.0] * 31)
    found = integrated(backward)
    assert found["energy_j"] == pytest.approx(-13.0)
    assert any("--sign -1" in note for note in found["notes"])
    assert integrated(backward, "--sign", -1)["energy_j"] == pytest.approx(13.0)
    forward = plain(tmp_path / "forward.csv", TEN_HZ, [5.0] * 31)
    assert any("leave it out" in note for note in integrated(forward, "--sign", -1)["notes"])


def test_the_folder_of_a_power_run_is_its_only_run(tmp_path: Path) -> None:
    (tmp_path / "kept" / "run-1").mkdir(parents=True)
    recorded(tmp_path / "kept" / "run-1" / "power.csv", TEN_HZ, [5.0] * 31)
    assert integrated(tmp_path / "kept") == integrated(tmp_path / "kept" / "run-1")
    (tmp_path / "kept" / "run-2").mkdir()
    recorded(tmp_path / "kept" / "run-2" / "power.csv", TEN_HZ, [5.0] * 31)
    several = power("integrate", tmp_path / "kept")
    assert several.exit_code == 2 and "2 recordings" in several.stderr and "run-1" in several.stderr
    assert power("plot", tmp_path / "kept", "--out", tmp_path / "x.png").exit_code == 2


def test_a_window_that_is_not_covered_and_a_hole_are_invalid_measurements(steady: Path, tmp_path: Path) -> None:
    assert "not covered" in refusal(6, "integrate", steady, "--from", 1, "--to", 3.5)
    assert "no duration" in refusal(6, "integrate", steady, "--from", 2, "--to", 1)
    holed = plain(tmp_path / "holed.csv", [*TEN_HZ, *(t + 5 for t in TEN_HZ)], [5.0] * 62)
    assert "No measurement for 2.000 s" in refusal(6, "integrate", holed)
    assert integrated(holed, "--max-gap", 2.5)["gaps"] == 1
    assert integrated(holed, "--to", 3)["energy_j"] == pytest.approx(15.0)
    assert "1 measurement" in refusal(6, "integrate", plain(tmp_path / "one.csv", [1.0], [5.0]))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--idle-from", 1), "--idle-to"),
        (("--idle-to", 1), "--idle-from"),
        (("--method", "trapeze"), "trapezoid"),
        (("--max-gap", 0), "--max-gap"),
        (("--max-gap", "nan"), "--max-gap"),
    ],
)
def test_options_that_make_no_sense_are_usage(steady: Path, options, words: str) -> None:
    assert words in refusal(2, "integrate", steady, *options)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("time,volts\n0,5\n", "name time, voltage alone"),
        ("t_s,voltage_v,current_a\n0,5,1\n1,5,x\n", "line 3: 'x'"),
        ("t_s,voltage_v,current_a\n1,5,1\n0,5,1\n", "line 3: time goes backwards"),
        ("# schema_version: 9\nt_s,voltage_v,current_a\n1,5,1\n", "Update"),
    ],
)
@pytest.mark.parametrize("command", ["integrate", "plot"])
def test_files_that_are_no_recording_are_usage(tmp_path: Path, command: str, text: str, words: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text)
    options = ("--out", tmp_path / "bad.png") if command == "plot" else ()
    assert words in refusal(2, command, path, *options)
    assert [entry.name for entry in tmp_path.iterdir()] == ["bad.csv"]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert "No such file" in refusal(2, "integrate", tmp_path / "absent.csv")


def test_a_picture_of_a_recording(steady: Path, tmp_path: Path) -> None:
    out = tmp_path / "steady.png"
    done = power("plot", steady, "--out", out)
    assert done.exit_code == 0 and done.stdout == f"{out}\n", done.output
    with Image.open(out) as picture:
        assert picture.format == "PNG" and picture.width > 1000


def test_a_picture_has_its_place(steady: Path, tmp_path: Path) -> None:
    taken = tmp_path / "taken.png"
    taken.write_text("mine")
    assert "exists already" in refusal(2, "plot", steady, "--out", taken)
    assert taken.read_text() == "mine"
    assert "does not exist" in refusal(2, "plot", steady, "--out", tmp_path / "no" / "a.png")
    assert "picture format" in refusal(2, "plot", steady, "--out", tmp_path / "a.gif")
    assert "is no run" in refusal(2, "plot", steady, "--out", tmp_path / "a.png", "--run", tmp_path)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["steady.csv", "taken.png"]


def test_joules_whose_bound_is_large_are_called_doubtful(tmp_path: Path) -> None:
    """A sensor of instants and a load that switches once a second: each change falls anywhere between two rows."""
    rows = [f"{half / 2},5,{0.2 if half % 4 < 2 else 1.2}" for half in range(61)]
    (tmp_path / "switching.csv").write_text("t_s,voltage_v,current_a\n" + "\n".join(rows) + "\n")
    found = integrated(tmp_path / "switching.csv", "--from", 2, "--to", 20)
    assert found["edge_error_j"] > 0.05 * found["energy_j"]
    assert any("may be wrong by more than 5 %" in note for note in found["notes"])


def too_fast(path: Path) -> Path:
    """A recording of the version before, of a KM003C at 1,000 values a second: 5 W or 2 W, as a poll happens to be."""
    facts = MeterFacts("km003c", "serial", "/dev/ttyACM0", False, 1, "vbus/ibus", 0.5, "block", 0.05)
    t_s = [0.05 * k for k in range(200)]
    current_a = [(1.0 if k % 7 < 4 else 0.4) + 1e-6 * k for k in range(200)]
    write_csv(PowerTrace(facts, 0.0, None, t_s, [5.0] * 200, current_a), path)
    return path


def test_joules_of_a_meter_that_outran_its_polls_are_marked_and_their_error_is_not_known(tmp_path: Path) -> None:
    path = too_fast(tmp_path / "trace.csv")
    done = integrated(path, "--idle-from", 1, "--idle-to", 3)
    assert done["renews_too_fast"] is True and done["idle"]["renews_too_fast"] is True
    assert done["edge_error_j"] is None and done["net_edge_error_j"] is None
    assert [note for note in done["notes"] if note.startswith("INVALID: the meter renewed its values faster")]
    assert any("plug it in again" in note and "--meter km003c-usb" in note for note in done["notes"])
    assert not any("edge error supposes" in note or "too few follow" in note for note in done["notes"])
    shown = power("integrate", path).stdout
    assert "Gross, INVALID" in shown and "not known" in shown
    assert power("plot", path, "--out", tmp_path / "a.svg").exit_code == 0


def test_other_recordings_are_not_marked(tmp_path: Path) -> None:
    path = plain(tmp_path / "trace.csv", TEN_HZ, [5.0 + tenth for tenth in TEN_HZ])
    assert integrated(path)["renews_too_fast"] is False and "INVALID" not in power("integrate", path).stdout
