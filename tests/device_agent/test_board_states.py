"""The board's state each second: what the watcher writes down, and what the agent makes of it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from device_agent import board_states
from device_agent.board_states import states_of, watching_board
from device_agent.board_watch import paths_of
from device_agent.messages.board import BoardState

TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")
CORES = os.cpu_count()


def line(at_s: float, busy_s: float = 0.0, agent_s: float = 0.0, own_s: float = 0.0, **read: str) -> dict[str, object]:
    """As the watcher writes it, of a board whose cores were so long busy since it was started."""
    cores = {name: [read.get(name, "")] for name in ("governor", "temperature", "throttled", "alarm", "voltage")}
    agent = f"77 (a name) with) R {'0 ' * 10}{round(agent_s / TICK_S)} 0 0"
    processor = f"cpu  {round(busy_s / TICK_S)} 0 0 99999 0 0 0 0 0 0"
    clocks = read.get("clocks", "").split()
    at = {"at_ns": round(at_s * 1e9), "own_s": own_s, "agent": agent}
    return {**at, "clocks": clocks, "processor": [processor], **cores}


def test_every_reading_of_a_raspberry_pi() -> None:
    read = {"clocks": "1500000 600000", "governor": "ondemand", "temperature": "48312", "throttled": "50005"}
    (state,) = states_of([line(5.0, **read, alarm="1", voltage="5063")])
    clocks, throttled = (1.5e9, 0.6e9), 0x50005
    assert state == BoardState(5_000_000_000, clocks, "ondemand", 48.312, throttled, True, 5.063, None, None)


def test_what_neither_the_agent_nor_the_watcher_did_is_foreign() -> None:
    _, state = states_of([line(0.0), line(2.0, busy_s=1.5, agent_s=1.0, own_s=0.1)])
    assert state.busy_share == pytest.approx(1.5 / (2.0 * CORES))
    assert state.foreign_share == pytest.approx(0.4 / (2.0 * CORES))


def test_what_the_board_does_not_tell_is_null() -> None:
    nothing = {"at_ns": 1, "own_s": 0.0, "agent": "", "clocks": [], "processor": [""]}
    nothing |= {name: [] for name in ("governor", "temperature", "throttled", "alarm", "voltage")}
    garbage = line(1.0, clocks="fast 1500000", temperature="hot", throttled="no", alarm="?", voltage="")
    empty, odd = states_of([nothing, garbage])
    assert empty == BoardState(1, (), None, None, None, None, None, None, None)
    assert odd == BoardState(10**9, (1.5e9,), None, None, None, None, None, None, None)
    assert states_of([]) == ()


def test_the_alarm_and_the_voltage_are_those_of_a_supply(tmp_path: Path) -> None:
    sensors = {"k10temp": ("in0_input",), "nct6775": ("in0_input", "in1_input", "in0_lcrit_alarm")}
    sensors |= {"rpi_volt": ("in0_lcrit_alarm",), "ina219": ("in0_input", "in1_input")}
    for number, (name, files) in enumerate(sensors.items()):
        folder = tmp_path / "sys/class/hwmon" / f"hwmon{number}"
        folder.mkdir(parents=True)
        for file in ("name", *files):
            (folder / file).write_text(f"{name}\n")
    alarms, voltages = (paths_of(name, str(tmp_path)) for name in ("alarm", "voltage"))
    assert alarms == [str(tmp_path / "sys/class/hwmon/hwmon2/in0_lcrit_alarm")]
    assert voltages == [str(tmp_path / "sys/class/hwmon/hwmon3/in1_input")]


def test_the_watcher_runs_beside_the_block_and_ends_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board_states, "_START_S", 60.0)
    began_ns = time.perf_counter_ns()
    with watching_board() as watch:
        assert watch.has_begun
        first, *later = watch.take()  # one, but where this machine held us up
        deadline = time.monotonic() + 60
        while not later and time.monotonic() < deadline:
            time.sleep(0.05)
            later += watch.take()
    assert first.at_ns < later[0].at_ns
    # A line may be late on a busy machine, and is never early: the n-th comes no sooner than n seconds after the start.
    for number, state in enumerate(later, 1):
        assert state.at_ns - began_ns > number * 1e9
    assert later[0].busy_share is not None and 0 <= later[0].foreign_share <= later[0].busy_share


def test_an_error_of_the_system_in_the_block_stays_what_it_is() -> None:
    with pytest.raises(OSError, match="disk full"), watching_board():
        raise OSError("disk full")


def test_a_watcher_that_was_stopped_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    children: list[subprocess.Popen[bytes]] = []

    def started(lines: int) -> "subprocess.Popen[bytes] | None":
        child = start(lines)
        assert child is not None
        children.append(child)
        return child

    start = board_states._started
    monkeypatch.setattr(board_states, "_started", started)
    with watching_board():
        children[0].send_signal(signal.SIGSTOP)
    assert children[0].returncode == -signal.SIGKILL


def test_without_a_watcher_there_are_no_states(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/no/python")
    with watching_board() as watch:
        assert watch.take() == ()
