import os
from pathlib import Path

import pytest

from device_agent.memory import memory_use
from device_agent.probe import board_facts, usable_cores


def test_a_recorded_raspberry_pi_is_read(tmp_path: Path) -> None:
    for name, text in {
        "sys/firmware/devicetree/base/model": "Raspberry Pi 4 Model B Rev 1.5\0",
        "sys/class/thermal/thermal_zone0/temp": "48312\n",
        "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "1500000\n",
        "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "ondemand\n",
        "sys/devices/platform/soc/soc:firmware/get_throttled": "80008\n",
        "proc/meminfo": "MemTotal:        3884376 kB\nMemAvailable:    3200000 kB\n",
        "etc/os-release": 'NAME="Debian"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n',
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    facts = board_facts(tmp_path)
    assert facts.model == "Raspberry Pi 4 Model B Rev 1.5"
    assert facts.temperature_c == pytest.approx(48.312)
    assert facts.clock_hz == 1.5e9
    assert facts.governor == "ondemand"
    assert facts.throttled == 0x80008
    assert facts.memory_total_bytes == 3884376 * 1024
    assert facts.system == "Debian GNU/Linux 12 (bookworm)"


def test_where_the_kernel_does_not_publish_throttling_the_firmware_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if board_facts().throttled is not None:
        pytest.skip("this machine's own kernel tells")
    program = tmp_path / "vcgencmd"
    program.write_text('#!/bin/sh\n[ "$1" = get_throttled ] && echo throttled=0x50005\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert board_facts().throttled == 0x50005
    program.write_text("#!/bin/sh\necho VCHI initialization failed\nexit 255\n")
    assert board_facts().throttled is None


def test_what_a_board_does_not_tell_is_null(tmp_path: Path) -> None:
    facts = board_facts(tmp_path)
    assert (facts.model, facts.temperature_c, facts.clock_hz, facts.governor, facts.throttled) == (None,) * 5
    assert facts.memory_total_bytes is None


def test_garbage_in_a_kernel_file_is_null_too(tmp_path: Path) -> None:
    path = tmp_path / "sys/class/thermal/thermal_zone0/temp"
    path.parent.mkdir(parents=True)
    path.write_text("hot\n")
    assert board_facts(tmp_path).temperature_c is None


def test_a_raspberry_pi_5_has_its_bus_at_an_address(tmp_path: Path) -> None:
    path = tmp_path / "sys/devices/platform/soc@107c000000/soc@107c000000:firmware/get_throttled"
    path.parent.mkdir(parents=True)
    path.write_text("50000\n")
    assert board_facts(tmp_path).throttled == 0x50000


def test_memory_and_cores_of_this_process() -> None:
    memory = memory_use()
    assert 1_000_000 < memory.pss_bytes <= memory.rss_bytes <= memory.peak_rss_bytes
    assert usable_cores() >= 1
