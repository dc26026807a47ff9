"""An emulator is known by the program that the kernel runs; `tests/pi` asks it of a real one."""

from pathlib import Path

import pytest

from device_agent.emulation import is_emulated
from device_agent.probe import board_facts

AARCH64, X86_64 = b"\xb7\x00", b"\x3e\x00"


def program(path: Path, machine: bytes) -> Path:
    path.write_bytes(b"\x7fELF" + bytes(14) + machine + bytes(44))
    return path


def test_this_machine_runs_its_python_itself() -> None:
    assert is_emulated() is False
    assert board_facts().emulated is False


@pytest.mark.parametrize(("python", "running", "emulated"), [(AARCH64, X86_64, True), (AARCH64, AARCH64, False)])
def test_a_program_for_another_processor_runs_it(tmp_path: Path, python: bytes, running: bytes, emulated: bool) -> None:
    assert is_emulated(program(tmp_path / "python", python), program(tmp_path / "exe", running)) is emulated


def test_what_is_no_program_or_cannot_be_read_tells_nothing(tmp_path: Path) -> None:
    script = tmp_path / "python"
    script.write_text("#!/bin/sh\n")
    assert is_emulated(script) is None
    assert is_emulated(tmp_path / "absent") is None
