"""What `groupnl power record` and `groupnl power emulate` refuse: the exit code, the remedy, and no file."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from groupnl_deploy.cli.main import app


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def power(*arguments: object) -> Result:
    """In this process: nothing is recorded, so that no signal and no clock matters."""
    done = CliRunner().invoke(app, ["power", *map(str, arguments)])
    assert isinstance(done.exception, SystemExit) and "Traceback" not in done.stderr, done.output
    return done


@pytest.mark.parametrize(
    "arguments, code, words",
    [
        (["--meter", "km003c", "--port", "/dev/no-such-port"], 3, "no port /dev/no-such-port"),
        (["--meter", "km003x"], 2, "Did you mean “km003c”?"),
        (["--meter", "hwmon", "--port", "emulator"], 2, "emulator is for km003c"),
        (["--meter", "km003c", "--port", "emulator", "--meter-rate", "50"], 2, "km003c-usb"),
        (["--meter", "km003c", "--port", "emulator", "--sign", "0"], 2, "sign"),
        (["--meter", "km003c", "--port", "emulator", "--duration", "0"], 2, "--duration"),
        (["--meter", "km003c", "--port", "emulator", "--poll-hz", "0"], 2, "polled"),
        (["--meter", "km003c", "--port", "emulator", "--poll-hz", "1e-300"], 2, "polled"),
        (["--meter", "km003c", "--port", "."], 3, "not a serial port"),
    ],
)
def test_mistakes_are_explained_and_leave_no_file(arguments, code, words, tmp_path: Path) -> None:
    done = power("record", *arguments, "--out", "t.csv")
    assert done.exit_code == code, done.stderr
    assert words in done.stderr and "Try:" in done.stderr
    assert not (tmp_path / "t.csv").exists()


def test_an_earlier_recording_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("precious")
    done = power("record", "--meter", "km003c", "--port", "emulator", "--duration", "1", "--out", "t.csv")
    assert done.exit_code == 2 and "exists already" in done.stderr
    assert (tmp_path / "t.csv").read_text() == "precious"


def test_a_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = power("record", "--meter", "km003c", "--port", "emulator", "--duration", "1", "--out", "file/t.csv")
    assert done.exit_code == 2 and "file" in done.stderr and "Try:" in done.stderr


BAD_SCRIPT = "t_s,voltage_v,current_a\n0,5,1\n2,5,1\n1,5,1\n"


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--load", "absent.csv"), "absent.csv cannot be read: No such file"),
        (("--load", "bad.csv"), "bad.csv goes back in time in line 4"),
        (("--load", "bad.csv", "--volts", 5), "--volts and --amps are not"),
        (("--interpolate",), "--interpolate is for --load"),
        (("--duration", 0), "An emulation of 0.0 s is none."),
        (("--update-hz", 0), "An update rate of 0.0 Hz is impossible."),
        (("--block-bytes", 48), "No firmware sends an ADC block of 48 bytes."),
        (("--amps", "nan"), "does not fit the meter's packet."),
        (("--unplug-at", 1e10, "--duration", 1), "The cable cannot be pulled at 10000000000.0 s."),
        (("--load", "endless.csv", "--duration", 1), "endless.csv cannot be read in line 2"),
        (("--replug-at", 3), "The cable cannot be put back at 3.0 s."),
        (("--stale-every", -1), "Nothing happens every minus so many requests."),
    ],
)
def test_what_cannot_be_emulated_is_refused(tmp_path: Path, options: tuple[object, ...], complaint: str) -> None:
    (tmp_path / "bad.csv").write_text(BAD_SCRIPT)
    (tmp_path / "endless.csv").write_text(f"t_s,voltage_v,current_a\n0,5,{'1' * 131073}\n")
    done = power("emulate", *options)
    assert (done.exit_code, done.stdout) == (2, ""), done.stderr
    assert complaint in done.stderr and "Try:" in done.stderr
