"""`groupnl power list`: what a person and a script see, with meters and without."""

import importlib.util
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from groupnl_deploy.cli.main import app
from power.meters import access, found
from power.meters.km003c.emulator import Km003cEmulator
from tests.rigs.emulated_sysfs import EmulatedSysfs

BY_ID = "usb-ChargerLAB_POWER-Z_KM003C_007965-if01"
ROW = {"access", "accessible", "meter", "name", "note", "port", "transport"}
needs_usb = pytest.mark.skipif(importlib.util.find_spec("usb") is None, reason="the extra usb is not installed")


@pytest.fixture
def sysfs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EmulatedSysfs:
    """The machine that the command looks at."""
    emulated = EmulatedSysfs(tmp_path / "root")
    look = found.found_meters
    monkeypatch.setattr(found, "found_meters", lambda root=None: look(emulated.root))
    monkeypatch.setattr(found, "find_library", lambda name: f"lib{name}.so")
    monkeypatch.setenv("COLUMNS", "80")
    return emulated


@pytest.fixture
def all_kinds(sysfs: EmulatedSysfs) -> Iterator[EmulatedSysfs]:
    """One KM003C on every way it can be read, and another sensor."""
    sysfs.add_usb_device("1-1.2")
    sysfs.add_powerz(3, 5100, 1200)
    sysfs.add_node(4, "ina226", {"in0_input": 1, "in1_input": 5000, "curr1_input": 10}, "i2c/1-0040")
    folder = sysfs.root / "dev/serial/by-id"
    folder.mkdir(parents=True)
    with Km003cEmulator() as emulator:
        (folder / BY_ID).symlink_to(emulator.port)
        yield sysfs


@pytest.fixture
def listed(sysfs: EmulatedSysfs) -> Callable[..., str]:
    """Run the command; its standard output."""

    def run(*arguments: str) -> str:
        result = CliRunner().invoke(app, ["power", "list", *arguments])
        assert result.exit_code == 0, result.output
        assert result.stderr == ""
        return result.stdout

    return run


@needs_usb
def test_every_way_to_read_a_meter_has_its_word_its_port_and_its_access(
    all_kinds: EmulatedSysfs, listed: Callable[..., str]
) -> None:
    document = json.loads(listed("--json"))
    assert document["schema_version"] == 1
    assert [row["meter"] for row in document["meters"]] == ["km003c", "km003c-hwmon", "km003c-usb", "hwmon"]
    assert all(set(row) == ROW for row in document["meters"])
    assert all(row["accessible"] and row["access"] == "ok" for row in document["meters"])
    assert document["meters"][0]["port"].endswith(f"/dev/serial/by-id/{BY_ID}")


@needs_usb
def test_a_person_gets_whole_paths_short_lines_and_a_command_to_try(
    all_kinds: EmulatedSysfs, listed: Callable[..., str]
) -> None:
    text = listed()
    port = f"{all_kinds.root}/dev/serial/by-id/{BY_ID}"
    assert f"port    {port}\n" in text
    assert "km003c-usb  (POWER-Z KM003C 007965, usb)" in text
    assert "tried on no\n          real meter" in text
    assert "groupnl power record --meter km003c --duration 10 --out trace.csv" in text
    assert all(len(line) <= 80 for line in text.splitlines() if str(all_kinds.root) not in line)


def test_a_meter_without_drivers_says_what_to_do_first(sysfs: EmulatedSysfs, listed: Callable[..., str]) -> None:
    sysfs.add_usb_device("1-1.2")
    text = listed()
    assert "sudo modprobe cdc_acm" in text
    assert "sudo modprobe powerz" in text
    assert "port    –" in text


@needs_usb
def test_the_udev_rule_stands_on_a_line_of_its_own(
    sysfs: EmulatedSysfs, listed: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sysfs.add_usb_device("1-1.2")
    monkeypatch.setattr("os.access", lambda path, mode: False)
    text = listed()
    assert access.UDEV_RULE in [line.strip() for line in text.splitlines()]
    assert "None of them can be opened yet" in text


def test_with_nothing_attached_it_says_so_and_what_to_check(sysfs: EmulatedSysfs, listed: Callable[..., str]) -> None:
    assert json.loads(listed("--json")) == {"schema_version": 1, "meters": []}
    text = listed()
    assert text.startswith("No meter found.")
    assert "groupnl power emulate" in text
    assert all(len(line) <= 80 for line in text.splitlines())


def test_on_this_machine_it_ends_well_whatever_is_attached() -> None:
    done = CliRunner().invoke(app, ["power", "list", "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["schema_version"] == 1
