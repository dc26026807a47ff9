"""`groupnl power` on files from elsewhere, as it is typed: refusals with their remedies, and the remedies tried."""

from pathlib import Path

import pytest

from power.meters.km003c.load_script import read_load_script
from tests.e2e.power_command import integrated, power

HEAD = "t_s,voltage_v,current_a\n"
LOAD = HEAD + "0,5.1,0.5\n5,5.1,1.2\n15,5.1,0.5\n"
DOCS = Path(__file__).parents[2] / "docs" / "measuring-energy.md"


def refusal(*arguments: object) -> str:
    done = power(*arguments)
    assert done.exit_code == 2 and done.stdout == "" and "Try:" in done.stderr, done.output
    return done.stderr


@pytest.fixture
def load(tmp_path: Path) -> Path:
    path = tmp_path / "load.csv"
    path.write_text(LOAD)
    return path


@pytest.fixture
def milliamperes(tmp_path: Path) -> Path:
    path = tmp_path / "milli.csv"
    path.write_text(HEAD + "".join(f"{k / 10:.1f},5.0,{600 + k % 7}\n" for k in range(40)))
    return path


def test_the_docs_load_is_what_emulate_plays(load: Path) -> None:
    assert LOAD.replace("\n", "\\n") in DOCS.read_text(encoding="utf-8")
    found = integrated(load, "--method", "hold")
    assert found["energy_j"] == pytest.approx(read_load_script(load).energy_j(0.0, 15.0)) == pytest.approx(73.95)
    assert (found["start_s"], found["end_s"], found["left_out_s"], found["edge_error_j"]) == (0.0, 15.0, 0.0, None)
    assert found["method"] == "each value holds until the next row"
    assert any("nothing is counted after the last" in note for note in found["notes"])
    asked = refusal("integrate", load)
    assert "--method hold" in asked and "73.95 J" in asked and "--method trapezoid" in asked and "65.02 J" in asked
    assert integrated(load, "--method", "trapezoid")["energy_j"] == pytest.approx(65.025)
    assert integrated(load, "--method", "hold", "--from", 4, "--to", 6)["energy_j"] == pytest.approx(2.55 + 6.12)


def test_a_load_that_cannot_be_one_is_refused_and_our_own_recordings_are_loads(load: Path) -> None:
    load.write_text(HEAD + "0,5,0.3\n0,5,1.5\n0,5,0.3\n1,5,1\n")
    assert "3 rows that differ have the one time 0 s" in refusal("emulate", "--load", load, "--duration", 0.1)
    watts = "t_s,voltage_v,current_a,power_w\n0.0,1.0,25.0,25.0\n1.0,1.0,30.0,30.0\n"
    load.write_text("# schema_version: 2\n# meter: hwmon\n" + watts)
    assert read_load_script(load).energy_j(0.0, 2.0) == pytest.approx(55.0)
    assert integrated(load)["energy_j"] == pytest.approx(27.5)
    load.write_text(watts)
    assert "no board has over 20 A" in refusal("integrate", load)


def test_a_picture_asks_too_and_draws_what_holds(load: Path, tmp_path: Path) -> None:
    out = tmp_path / "load.svg"
    assert "--method hold" in refusal("plot", load, "--out", out) and not out.exists()
    assert "method" in refusal("plot", load, "--out", out, "--method", "holt")
    assert power("plot", load, "--out", out, "--method", "hold").exit_code == 0
    assert "73.95 J" in out.read_text(encoding="utf-8")


def test_changes_are_not_played_as_samples(load: Path, tmp_path: Path) -> None:
    out = tmp_path / "played.csv"
    asked = refusal("record", "--meter", "replay", "--port", load, "--out", out)
    assert "--method hold" in asked and "--allow-implausible" in asked and not out.exists()
    done = power("record", "--meter", "replay", "--port", load, "--allow-implausible", "--duration", 0.2, "--out", out)
    assert done.exit_code == 6 and "too short to integrate" in done.output and out.is_file()


@pytest.mark.parametrize("command", ["integrate", "plot", "record", "emulate"])
def test_every_command_that_reads_it_refuses_milliamperes_and_can_be_told_to_go_on(
    command: str, milliamperes: Path, tmp_path: Path
) -> None:
    out = tmp_path / ("out.png" if command == "plot" else "out.csv")
    arguments: dict[str, tuple[object, ...]] = {
        "integrate": (milliamperes,),
        "plot": (milliamperes, "--out", out),
        "record": ("--meter", "replay", "--port", milliamperes, "--duration", 0.2, "--out", out),
        "emulate": ("--load", milliamperes, "--duration", 0.1),
    }
    said = refusal(command, *arguments[command])
    assert "606, and no board has over 20 A: these look like milliamperes" in said and not out.exists()
    assert "Divide current_a by 1,000" in said and "--allow-implausible" in said
    done = power(command, *arguments[command], "--allow-implausible")
    assert done.exit_code == 0, done.output


def test_the_remedy_gives_the_joules(milliamperes: Path) -> None:
    lines = milliamperes.read_text().splitlines()
    rows = [line.split(",") for line in lines[1:]]
    milliamperes.write_text(HEAD + "".join(f"{t},{v},{float(i) / 1000}\n" for t, v, i in rows))
    found = integrated(milliamperes, "--to", 3.9)
    assert found["energy_j"] == pytest.approx(5 * 0.603 * 3.9, rel=0.01)
    assert any("a row every 0.1 s for 3.9 s, 5 V, 0.6 to 0.606 A" in note for note in found["notes"])


def test_a_meter_that_reads_no_file_is_allowed_nothing(tmp_path: Path) -> None:
    said = refusal("record", "--meter", "km003c", "--allow-implausible", "--out", tmp_path / "a.csv")
    assert "--meter replay" in said


def test_what_was_left_out_and_what_may_be_otherwise_is_said(tmp_path: Path) -> None:
    path = tmp_path / "cut.csv"
    path.write_text(HEAD + "".join(f"{k / 10:.1f},5.0,0.6{k % 7}0\n" for k in range(40)) + "4.0,5.0,0.6")
    assert any("left out" in note for note in integrated(path)["notes"])
    done = power("plot", path, "--out", tmp_path / "cut.png")
    assert "left out" in done.stderr and done.exit_code == 0
    times, watts = (0, 1, 2.6, 3.5, 5.2, 6, 7.6, 8.4, 9.9, 11), (3, 8, 4, 7.2, 5.3, 5, 8.5, 4.1, 7.9, 6)
    path.write_text(HEAD + "".join(f"{t},5.0,{w / 5}\n" for t, w in zip(times, watts, strict=True)))
    notes = integrated(path, "--to", 9.9)["notes"]
    assert any("(--method hold)" in note for note in notes), notes
