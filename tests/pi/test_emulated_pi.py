"""The emulated Pi itself: it looks like a Pi, has a plug and a cable to pull, and can be known for what it is."""

import subprocess
from pathlib import Path

import pytest

from tests.pi.machine import USER, EmulatedPi

pytestmark = pytest.mark.pi


def ssh(pi: EmulatedPi, command: str, timeout_s: float = 60.0) -> str:
    known = pi.folder / "known_hosts"
    known.write_text(f"{pi.address} {pi.host_key}\n")
    options = ["-F", "none", "-o", f"UserKnownHostsFile={known}", "-o", "BatchMode=yes", "-i", str(pi.identity)]
    done = subprocess.run(
        ["ssh", *options, f"{USER}@{pi.address}", command],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=True,
    )
    return done.stdout


def test_it_looks_like_a_raspberry_pi_4(pi: EmulatedPi) -> None:
    said = ssh(
        pi, "uname -nm; python3 --version; grep -c 0xd08 /proc/cpuinfo; vcgencmd get_throttled; vcgencmd measure_temp"
    )
    assert said.splitlines() == ["raspberrypi aarch64", "Python 3.11.2", "4", "throttled=0x0", "temp=48.3'C"]
    pi.board.heat(82.5)
    pi.board.throttle(0x80008)
    assert ssh(pi, "vcgencmd get_throttled; vcgencmd measure_temp").split() == ["throttled=0x80008", "temp=82.5'C"]
    pi.board.heat(48.3)
    pi.board.throttle(0)


def test_it_can_be_known_for_what_it_is(pi: EmulatedPi) -> None:
    source = Path("device_agent/emulation.py").resolve().read_text()
    program = f"{source}\nprint(is_emulated())"
    assert pi.run(f"python3 - <<'END'\n{program}\nEND").strip() == "True"


def test_a_pulled_plug_leaves_what_was_written(pi: EmulatedPi) -> None:
    ssh(pi, "echo kept > file; sync")
    pi.unplug()
    with pytest.raises(subprocess.CalledProcessError):
        ssh(pi, "true")
    pi.boot()
    assert ssh(pi, "cat file") == "kept\n"


def test_a_cut_cable_is_silent(pi: EmulatedPi) -> None:
    pi.cut()
    with pytest.raises(subprocess.TimeoutExpired):
        ssh(pi, "true", timeout_s=2.0)
    pi.join()
    assert ssh(pi, "hostname") == "raspberrypi\n"
