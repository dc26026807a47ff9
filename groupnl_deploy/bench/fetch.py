"""Benchmarks that ended without their host, fetched from the device's spool."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from device_agent.backend_table import BACKENDS
from device_agent.messages.spool import AskBench, BenchState, ForgetBench, ListBenches
from groupnl_deploy.bench.fetched import incomplete_of, keep_fetched
from groupnl_deploy.bench.frame import read_frame
from groupnl_deploy.deploy.acceptance import accept_pending
from groupnl_deploy.deploy.inventory import get_device
from groupnl_deploy.errors import DeviceFault, DeviceUnreachable, GroupNLError, UsageError
from groupnl_deploy.progress import Reporter
from groupnl_deploy.remote.agent import reached
from groupnl_deploy.remote.client import AgentClient, fault_error
from groupnl_deploy.remote.retry import DEFAULT_RETRY_S, Budget, retrying
from groupnl_deploy.remote.waiting import DEFAULT_WAIT_S

_LEAST_WAIT_S, _MOST_WAIT_S = 0.5, 30.0  # between two questions


def fetch_benches(
    device_name: str,
    wanted: Sequence[str],
    *,
    out: Path | None,
    reporter: Reporter,
    wait_s: float = DEFAULT_WAIT_S,
    retry_for_s: float = DEFAULT_RETRY_S,
) -> list[Path]:
    """Fetch these benchmarks of a device, by their ids or how those begin, else all that lie there; the runs' folders.

    One that still runs without its host is waited for, up to `wait_s` seconds. Each is dropped there as soon as it is
    here, whole; one that cannot be fetched is told, and its error raised behind the others. A link that breaks is
    tried again for `retry_for_s` seconds, and goes on behind what was fetched.
    """
    device = get_device(device_name)
    fetching = _Fetching(device.name, wanted, out, reporter, wait_s)

    def fetch() -> None:
        with reached(device) as agent:
            fetching.all(agent)

    retrying(fetch, Budget(retry_for_s), reporter.note, lambda: len(fetching.folders))
    if fetching.errors:
        raise fetching.errors[0]
    return list(fetching.folders.values())


def _reclaimed(agent: AgentClient, state: BenchState, out: Path | None) -> BenchState:
    """The state as it is; of a benchmark that lies here incomplete, with its agent told that this host is gone."""
    if state.attached and incomplete_of(state.bench_id, out) is not None:
        return replace(agent.ask(AskBench(state.bench_id, reclaim=True)), attached=False)
    return state


def _chosen(there: Sequence[BenchState], wanted: Sequence[str], device: str, reporter: Reporter) -> list[BenchState]:
    """Those that are wanted. Raises `UsageError` for an id that none or several have."""
    known = ", ".join(state.bench_id for state in there)
    there_are = (
        f"Name one of those that are there: {known}." if known else "None waits there to be fetched: bench again."
    )
    for begin in wanted:
        found = sum(state.bench_id.startswith(begin) for state in there)
        if found != 1:
            many = f"{found} benchmarks on {device} begin with “{begin}”."
            none = f"There is no benchmark “{begin}” on {device}: it may have been fetched already."
            raise UsageError(many if found else none, there_are)
    if wanted:
        return [state for state in there if state.bench_id.startswith(tuple(wanted))]
    for state in there:
        if state.attached:
            reporter.note(f"{_what(state)} runs on {device}, and its host listens: it is left alone.")
    return [state for state in there if not state.attached]


def _what(state: BenchState) -> str:
    """A benchmark, for a sentence."""
    return f"{state.bench_id} ({state.label}, {state.backend})" if state.label else state.bench_id


@dataclass
class _Fetching:
    """What is to be fetched, and what has been: a folder by each benchmark's id. `ran` are the ids of artifacts."""

    device: str
    wanted: Sequence[str]
    out: Path | None
    reporter: Reporter
    wait_s: float
    folders: dict[str, Path] = field(default_factory=dict)
    errors: list[GroupNLError] = field(default_factory=list)
    ran: list[str] = field(default_factory=list)

    def all(self, agent: AgentClient) -> None:
        """Fetch what has not been yet, and have the device use what ran there and was not tried before.

        Raises `DeviceUnreachable` where the link breaks, and `UsageError`.
        """
        left = [begin for begin in self.wanted if not any(one.startswith(begin) for one in self.folders)]
        if left or not self.wanted:
            self._fetch(agent, left)
        while self.ran:
            accept_pending(agent, self.device, self.ran[0], self.wait_s, self.reporter.note)
            self.ran.pop(0)

    def _fetch(self, agent: AgentClient, left: Sequence[str]) -> None:
        there = [_reclaimed(agent, state, self.out) for state in agent.ask(ListBenches()).benches]
        chosen = _chosen(there, left, self.device, self.reporter)
        if self.out is not None and len(chosen) > 1:
            raise UsageError(
                f"{len(chosen)} benchmarks cannot lie in one folder, {self.out}.",
                "Leave --out out, or name one of them.",
            )
        self.errors.clear()
        for state in chosen:
            try:
                self.folders[state.bench_id] = self._run_of(agent, state)
            except DeviceUnreachable:
                raise
            except GroupNLError as error:
                self.reporter.note(f"{_what(state)} was not fetched: {error.message}")
                self.errors.append(error)

    def _run_of(self, agent: AgentClient, state: BenchState) -> Path:
        """The run of one benchmark, with the device's copy dropped."""
        there = self._ended(agent, state)
        then = datetime.now() - timedelta(seconds=there.ended_s or 0.0)
        self.reporter.note(f"{_what(there)} ended on {self.device} at {then:%Y-%m-%d %H:%M}.")
        drop = ForgetBench(state.bench_id)
        if there.state == "not_kept":
            agent.ask(drop)
            raise DeviceFault(f"Its result could not be kept on {self.device}: {there.why}.", "Bench again.")
        fetched = agent.fetch_bench(state.bench_id)
        if fetched.rest.fault is not None:
            agent.ask(drop)
            raise fault_error(fetched.rest.fault, self.device)
        folder = keep_fetched(fetched, read_frame(fetched.rest.frame, self.device), self.out)
        request = fetched.rest.request
        if request.backend in BACKENDS and BACKENDS[request.backend].computes:
            self.ran.append(request.manifest_sha256)
        agent.ask(drop)
        return folder

    def _ended(self, agent: AgentClient, state: BenchState) -> BenchState:
        """Wait while it runs."""
        deadline = time.monotonic() + self.wait_s
        if state.state == "running":
            left_s = state.left_s or 0.0
            self.reporter.note(f"{_what(state)} still runs on {self.device}, for about {left_s:.0f} s more …")
        while state.state == "running":
            if time.monotonic() >= deadline:
                raise DeviceFault(
                    f"{_what(state)} still runs on {self.device}; {self.wait_s:g} s were waited.",
                    "Fetch it later, or wait longer with --wait SECONDS.",
                )
            time.sleep(min(max(state.left_s or 0.0, _LEAST_WAIT_S), _MOST_WAIT_S, deadline - time.monotonic()))
            state = agent.ask(AskBench(state.bench_id))
        return state
