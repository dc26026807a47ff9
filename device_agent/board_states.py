"""What the watcher beside a benchmark wrote down (`board_watch.py`), and what it means."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from device_agent.messages.board import BoardState
from device_agent.processor import busy_ticks, tick_s

_CODE = """
import sys
sys.path.insert(0, sys.argv[1])
from device_agent.board_watch import watch
watch(int(sys.argv[2]))
"""
_START_S = 5.0  # a slow card, or an emulator; without its first line it is not waited for any longer


class BoardWatch:
    """The watcher's lines, in memory that both processes have; `take` gives what came since it was last asked."""

    def __init__(self, lines: int) -> None:
        self._lines, self._taken = lines, 0
        self._before: Mapping[str, Any] | None = None

    def take(self) -> tuple[BoardState, ...]:
        """The states since the last call, in their order. A line that is just being written is for the next one."""
        data = os.pread(self._lines, os.fstat(self._lines).st_size - self._taken, self._taken)
        whole = data[: data.rfind(b"\n") + 1]
        self._taken += len(whole)
        read = [json.loads(line) for line in whole.splitlines()]
        states = states_of(read if self._before is None else [self._before, *read])
        new = states if self._before is None else states[1:]
        self._before = read[-1] if read else self._before
        return new

    @property
    def has_begun(self) -> bool:
        """Whether a first line is there."""
        return os.fstat(self._lines).st_size > 0


@contextmanager
def watching_board() -> Iterator[BoardWatch]:
    """Let the watcher run during the block, which begins when the watcher has started. Without one there are no states.

    It runs the agent's own code by the agent's own Python, without anybody's site packages.
    """
    lines = os.memfd_create("groupnl-board")
    watch, child = BoardWatch(lines), _started(lines)
    try:
        _wait_for_start(child, watch)
        yield watch
    finally:
        _end(child)
        os.close(lines)


def _started(lines: int) -> "subprocess.Popen[bytes] | None":
    bundle = Path(__file__).parent.parent
    command = [sys.executable, "-I", "-S", "-c", _CODE, str(bundle), str(os.getpid())]
    try:
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=lines, stderr=subprocess.DEVNULL)
    except OSError:
        return None


def _wait_for_start(child: "subprocess.Popen[bytes] | None", watch: BoardWatch) -> None:
    """So that no part of its start lies in a phase."""
    deadline = time.monotonic() + _START_S
    while child and not watch.has_begun and child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)


def _end(child: "subprocess.Popen[bytes] | None") -> None:
    """End it, also where something has stopped it, so that it would never see its stdin end."""
    if child is not None:
        with child:
            child.kill()  # all that it wrote is in our memory


def states_of(lines: Sequence[Mapping[str, Any]]) -> tuple[BoardState, ...]:
    """The states of lines that follow one another; the first has no shares. Pure."""
    if not lines:
        return ()
    shares = [(None, None), *(_shares(before, after) for before, after in pairwise(lines))]
    return tuple(_state(line, *share) for line, share in zip(lines, shares, strict=True))


def _state(line: Mapping[str, Any], busy: float | None, foreign: float | None) -> BoardState:
    milli_c, milli_v, alarm = (_number(line, name) for name in ("temperature", "voltage", "alarm"))
    clocks = [_float(text) for text in line["clocks"]]
    return BoardState(
        at_ns=line["at_ns"],
        clocks_hz=tuple(khz * 1e3 for khz in clocks if khz is not None),
        governor=_first(line, "governor"),
        temperature_c=None if milli_c is None else milli_c / 1e3,
        throttled=_word(_first(line, "throttled")),
        low_voltage=None if alarm is None else alarm > 0,
        voltage_v=None if milli_v is None else milli_v / 1e3,
        busy_share=busy,
        foreign_share=foreign,
    )


def _shares(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[float | None, float | None]:
    was, now = (busy_ticks(_first(line, "processor") or "") for line in (before, after))
    cores, elapsed_s = os.cpu_count(), (after["at_ns"] - before["at_ns"]) / 1e9
    if was is None or now is None or not cores or elapsed_s <= 0:
        return None, None
    busy_s = (now - was) * tick_s()
    agent = [_agent_ticks(line["agent"]) for line in (before, after)]
    ours_s = after["own_s"] - before["own_s"]
    known = agent[0] is not None and agent[1] is not None
    foreign_s = busy_s - ours_s - (agent[1] - agent[0]) * tick_s() if known else None  # type: ignore[operator]
    whole_s = cores * elapsed_s
    return busy_s / whole_s, None if foreign_s is None else max(foreign_s, 0.0) / whole_s


def _agent_ticks(stat: str) -> int | None:
    """User and system time out of /proc/PID/stat (proc_pid_stat(5)); the name before them may hold anything."""
    fields = stat.rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12]) if len(fields) > 12 else None


def _first(line: Mapping[str, Any], name: str) -> str | None:
    return (line[name][0] or None) if line[name] else None


def _number(line: Mapping[str, Any], name: str) -> float | None:
    text = _first(line, name)
    return None if text is None else _float(text)


def _float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _word(text: str | None) -> int | None:
    try:
        return None if text is None else int(text, 16)
    except ValueError:
        return None
