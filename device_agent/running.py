"""Which benchmarks run on this device now, as the kernel tells: no file can be wrong about it, and no disk is written.

Who carries one out holds a file in memory that is named after it and says its phase. The kernel removes it with the
process, and shows it, by its name, to every other process of the same user below `/proc`.
"""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from device_agent.messages.bench import BenchRequest, Phase, PhaseMark
from device_agent.messages.spool import BenchState
from device_agent.strict import StrictError, from_json, to_json

_NAME = "groupnl-bench-"
_SIZE_BYTES = 4096  # padded, so that no write is shorter than the one before it
_STOPPED_S = 5.0
_TRIES = 10


@dataclass(frozen=True)
class RunningBench:
    """A benchmark that runs. `ends_ns`: about when it ends, by `time.perf_counter_ns()`, which is all processes'.

    `latest_ns`: when who carries it out is frozen, if it is still there and has not shown a later time.
    """

    bench_id: str
    root: str
    label: str
    backend: str
    artifact_sha256: str
    phase: Phase | None
    ends_ns: int
    latest_ns: int
    attached: bool = True

    def state(self) -> BenchState:
        """For the wire."""
        left_s = max(0.0, (self.ends_ns - time.perf_counter_ns()) / 1e9)
        return BenchState(
            self.bench_id,
            "running",
            label=self.label,
            backend=self.backend,
            artifact_sha256=self.artifact_sha256,
            attached=self.attached,
            phase=self.phase,
            left_s=left_s,
        )


class Beacon:
    """Shows this process's benchmark to the others, as long as it is referred to."""

    def __init__(self, root: Path, request: BenchRequest, label: str) -> None:
        self._request = request
        self._file = os.fdopen(os.memfd_create(f"{_NAME}{request.bench_id}"), "wb", buffering=0)
        ends_ns = time.perf_counter_ns() + int(1e9 * request.expected_s(request.phases[0]))
        self._shown = RunningBench(
            request.bench_id, str(root), label, request.backend, request.manifest_sha256, None, ends_ns, ends_ns
        )

    def enter(self, mark: PhaseMark) -> None:
        """A phase begins."""
        ends_ns = mark.start_ns + int(1e9 * self._request.left_s(mark))
        self._shown = replace(self._shown, phase=mark.phase, ends_ns=ends_ns)
        self._show()

    def expect_end(self, within_s: float) -> None:
        """Who is still the same then hangs."""
        self._shown = replace(self._shown, latest_ns=time.perf_counter_ns() + int(1e9 * within_s))
        self._show()

    def detach(self) -> None:
        """Its host is lost."""
        self._shown = replace(self._shown, attached=False)
        self._show()

    def _show(self) -> None:
        os.pwrite(self._file.fileno(), to_json(self._shown).encode().ljust(_SIZE_BYTES), 0)


def running(root: Path) -> list[BenchState]:
    """Every benchmark that runs below this root."""
    found = (_read(path) for _, path in _beacons())
    return [bench.state() for bench in found if bench is not None and bench.root == str(root)]


def pids_of(bench_id: str) -> list[int]:
    """The processes, one or none, that carry this benchmark out."""
    return [pid for pid, path in _beacons(bench_id)]


def hang_up(bench_id: str) -> None:
    """Tell who carries it out that its link is lost (`detached.py`)."""
    for pid in pids_of(bench_id):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGHUP)


def end_frozen(bench_id: str) -> None:
    """End who carries it out where nothing else will: stopped or frozen, it hears not even the kernel's alarm."""
    for pid, path in _beacons(bench_id):
        bench = _read(path)
        if bench is not None and time.perf_counter_ns() > bench.latest_ns:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def end(bench_id: str) -> None:
    """End who carries it out, and wait until the kernel has taken it away."""
    deadline = time.monotonic() + _STOPPED_S
    while (pids := pids_of(bench_id)) and time.monotonic() < deadline:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


def _beacons(bench_id: str = "") -> Iterator[tuple[int, Path]]:
    """Each process that holds such a file, and the file."""
    wanted = f"/memfd:{_NAME}{bench_id}"
    for process in Path("/proc").iterdir():
        if process.name.isdecimal():
            for path in _open_files(process):
                with suppress(OSError):  # closed meanwhile
                    if str(path.readlink()).startswith(wanted):
                        yield int(process.name), path


def _open_files(process: Path) -> list[Path]:
    with suppress(OSError):  # of another user, or ended meanwhile
        return list((process / "fd").iterdir())
    return []


def _read(path: Path) -> RunningBench | None:
    for _ in range(_TRIES):
        with suppress(StrictError):  # just being written
            try:
                return from_json(RunningBench, path.read_bytes())
            except OSError:  # it ended meanwhile
                return None
    return None
