"""A benchmark whose link was lost goes on without its host, which comes back when it should be over.

Not before: a login on the board in the middle of the window would be measured with it.
"""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from device_agent import oom
from device_agent.messages.bench import BenchRequest, Phase, PhaseMark
from device_agent.messages.spool import AskBench, ForgetBench, StopBench
from groupnl_deploy.errors import DeviceFault, DeviceUnreachable, GroupNLError, NotBegun
from groupnl_deploy.progress import Say
from groupnl_deploy.remote.client import AgentClient, ClockProbe, FetchedBench, fault_error
from groupnl_deploy.remote.retry import Budget, retrying

CLOCK_PROBES = 20
_BEHIND_S = 1.0  # of what should be the end: phases are seldom shorter than expected
_LEAST_WAIT_S, _MOST_WAIT_S = 0.5, 30.0  # between two questions
_MOST_LOSSES = 20  # each after the device had answered again

Reach = Callable[[], AbstractContextManager[AgentClient]]
"""Connects to the device anew and starts an agent there, for as long as the block lasts."""

Pause = Callable[[float], object]
"""Lets so many seconds pass. Raises what makes waiting useless, such as a meter that is gone."""


@dataclass(frozen=True)
class Taken:
    """A whole benchmark, the clocks as they are now, and the agent that waits for the receipt."""

    agent: AgentClient
    fetched: FetchedBench
    clock_probes: tuple[ClockProbe, ...]


@dataclass(frozen=True)
class Absence:
    """What the host knows of a benchmark whose link was lost.

    Args:
        request: what was asked.
        mark: of the last phase that was heard of, None where none was.
        heard_s: when that was, on this host's monotonic clock.
        oom_kills: how many the kernel there had killed for want of memory when the agent began, where it tells.
    """

    request: BenchRequest
    mark: PhaseMark | None
    heard_s: float
    oom_kills: int | None = None

    @property
    def ends_s(self) -> float:
        """About when the benchmark ends, on the same clock; where nothing was heard, that is now."""
        return time.monotonic() if self.mark is None else self.heard_s + self.request.left_s(self.mark)


def wait_for_end(absence: Absence, enter: Callable[[Phase], None], pause: Pause) -> None:
    """Wait until the benchmark should be over. `enter` is told each phase when it should begin."""
    if absence.mark is None:
        return
    order = absence.request.phases
    for phase in order[order.index(absence.mark.phase) + 1 :]:
        pause(max(0.0, absence.ends_s - absence.request.expected_s(phase) - time.monotonic()))
        enter(phase)
    pause(max(0.0, absence.ends_s + _BEHIND_S - time.monotonic()))


class WayBack:
    """How the host finds a benchmark again. A context manager: the agent that it found stays until the block ends.

    `retry_for_s` is for each time that the device does not answer; with 0 nobody looks for it. `times_lost` counts the
    links that broke, `left_behind` is whether the device may have something of the benchmark that this host has not.
    """

    def __init__(self, device: str, reach: Reach, retry_for_s: float, say: Say) -> None:
        self.device, self._reach, self._retry_for_s, self._say = device, reach, retry_for_s, say
        self._held = ExitStack()
        self.times_lost, self.left_behind = 0, False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.close()

    def take(self, absence: Absence, lost: DeviceUnreachable, enter: Callable[[Phase], None], pause: Pause) -> Taken:
        """The whole benchmark, once it has ended there. `enter` is told each phase when it should begin.

        Raises `lost` where nobody looks, `NotBegun` where the device never heard of it, the last refusal when the
        budget has ended, the error for what the benchmark failed by, and `DeviceFault` where the device knows nothing
        more of it.
        """
        self.times_lost, self.left_behind = self.times_lost + 1, True
        if not self._retry_for_s:
            raise lost
        if absence.mark is None:
            self._say(f"{lost.message} {self.device} is asked whether the benchmark has begun there.")
        else:
            left_s = max(0.0, absence.ends_s - time.monotonic())
            self._say(f"{lost.message} The benchmark goes on there; its result is fetched in about {left_s:.0f} s.")
        wait_for_end(absence, enter, pause)
        while True:
            agent = retrying(self._connect, Budget(self._retry_for_s), self._say)
            try:
                return self._take(agent, absence, lost, pause)
            except DeviceUnreachable as error:
                if isinstance(error, NotBegun) or not error.transient or self.times_lost == _MOST_LOSSES:
                    raise
                self.times_lost += 1
                self._say(f"The link to {self.device} was lost again.")

    def not_begun(self, lost: DeviceUnreachable) -> NotBegun:
        """The error for a benchmark whose link was lost too early; nobody has to come back for that one."""
        self._held.close()
        self.times_lost, self.left_behind = 0, False
        return NotBegun(
            f"{lost.message} The benchmark had not begun on {self.device}, and nothing of it is kept there.",
            "Check the device and its link, then bench again.",
        )

    def confirm(self, agent: AgentClient, bench_id: str) -> None:
        """Tell the device that the result is here, on this host's disk: it drops its own."""
        try:
            agent.ask(ForgetBench(bench_id))
        except DeviceUnreachable as error:
            self._say(f"{error.message} {self.device} keeps its copy of the result for seven days.")

    def _connect(self) -> AgentClient:
        self._held.close()
        return self._held.enter_context(self._reach())

    def _take(self, agent: AgentClient, absence: Absence, lost: DeviceUnreachable, pause: Pause) -> Taken:
        bench_id = absence.request.bench_id
        try:
            there = self._ended(agent, bench_id, pause)
        except KeyboardInterrupt:
            with suppress(GroupNLError):
                agent.ask(StopBench(bench_id))
                self.left_behind = False
            raise
        if not there:
            if absence.mark is None:
                raise self.not_begun(lost)
            self.left_behind = False
            raise self._vanished(bench_id, oom.more(absence.oom_kills, agent.oom_kills))
        fetched, probes = agent.fetch_bench(bench_id), agent.probe_clock(CLOCK_PROBES)
        self.left_behind = False
        if fetched.rest.fault is not None:
            agent.ask(ForgetBench(bench_id))
            raise fault_error(fetched.rest.fault, self.device)
        return Taken(agent, fetched, probes)

    def _ended(self, agent: AgentClient, bench_id: str, pause: Pause) -> bool:
        """Wait until it runs no more; whether the device knows of it. First its agent hears that this host is back."""
        state = agent.ask(AskBench(bench_id, reclaim=True))
        if state.state == "running" and state.left_s:
            self._say(f"{self.device} is still in the phase {state.phase}, for about {state.left_s:.0f} s more.")
        while state.state == "running":
            pause(min(max((state.left_s or 0.0) + _BEHIND_S, _LEAST_WAIT_S), _MOST_WAIT_S))
            state = agent.ask(AskBench(bench_id))
        return state.state != "unknown"

    def _vanished(self, bench_id: str, ran_out: bool | None) -> DeviceFault:
        what = f"{self.device} knows nothing more of the benchmark {bench_id}"
        if ran_out:
            return DeviceFault(
                f"{what}: memory ran out there, and the kernel has killed a process.",
                "Use a smaller model, or free memory on the device; then bench again.",
            )
        return DeviceFault(f"{what}: the device was restarted, or its agent was ended.", "Bench again.")
