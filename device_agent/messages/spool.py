"""Benchmarks whose link was lost: which of them run or lie on this device, and how their results get to a host."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from device_agent.messages.bench import BenchRequest, Phase, require_bench_id
from device_agent.messages.greeting import AgentFault
from device_agent.wire import DISK_S, Message, Request

if TYPE_CHECKING:
    from device_agent.session import Session

State = Literal["running", "finished", "damaged", "not_kept", "unknown"]


@dataclass(frozen=True)
class BenchState(Message):
    """What the device knows of one benchmark. A result that the disk refused is `not_kept`.

    Args:
        attached: whether its host still listens, as far as its agent knows; a running one's.
        left_s: about how long a running one takes from now.
        ended_s: how long ago it ended, by the device's clock.
        why: what is damaged, what the disk said, or what a benchmark failed by that is finished all the same.
    """

    bench_id: str
    state: State
    label: str = ""
    backend: str = ""
    artifact_sha256: str = ""
    attached: bool = False
    phase: Phase | None = None
    left_s: float | None = None
    ended_s: float | None = None
    why: str = ""


@dataclass(frozen=True)
class BenchStates(Message):
    """Every benchmark that runs below this root or lies in its spool, the oldest first."""

    benches: tuple[BenchState, ...]


@dataclass(frozen=True)
class ListBenches(Request[BenchStates]):
    """What runs, and what waits to be fetched?"""

    patience_s: ClassVar[float] = DISK_S

    def answer(self, session: "Session") -> BenchStates:
        """As it is now."""
        return session.benches.all()


@dataclass(frozen=True)
class _OfBench:
    bench_id: str

    def __post_init__(self) -> None:
        require_bench_id(self.bench_id)  # it becomes part of a path


@dataclass(frozen=True)
class AskBench(Request[BenchState], _OfBench):
    """How is this benchmark? With `reclaim`, whoever asks is the host that began it, on a new link: the agent that
    carries it out is told that the old one is lost.
    """

    reclaim: bool = False

    patience_s: ClassVar[float] = DISK_S

    def answer(self, session: "Session") -> BenchState:
        """As it is now."""
        return session.benches.ask(self)


@dataclass(frozen=True)
class BenchStopped(Message):
    """Nothing of the benchmark is left: neither its process nor its result."""


@dataclass(frozen=True)
class StopBench(Request[BenchStopped], _OfBench):
    """End a benchmark that goes on without its host, and forget it."""

    def answer(self, session: "Session") -> BenchStopped:
        """At once."""
        session.benches.stop(self.bench_id)
        return BenchStopped()


@dataclass(frozen=True)
class BenchFetched(Message):
    """Behind the messages of a spooled benchmark: what had been asked, the host's own words on it (`frame`), and what
    the benchmark ended with in place of `BenchDone`, if it failed. `ended_s` is how long ago.
    """

    request: BenchRequest
    frame: str
    fault: AgentFault | None
    ended_s: float


@dataclass(frozen=True)
class FetchBench(Request[BenchFetched], _OfBench):
    """Send all messages of a spooled benchmark, from its beginning, and then `BenchFetched`. It stays in the spool."""

    patience_s: ClassVar[float] = DISK_S

    def answer(self, session: "Session") -> BenchFetched:
        """Verified before the first of them is sent."""
        return session.benches.fetch(self.bench_id, session.send)


@dataclass(frozen=True)
class BenchForgotten(Message):
    """The device has dropped the benchmark's result, or had none."""


@dataclass(frozen=True)
class ForgetBench(Request[BenchForgotten], _OfBench):
    """The host has the benchmark's result on its own disk, whole: the receipt that a benchmark's agent waits for."""

    patience_s: ClassVar[float] = DISK_S

    def answer(self, session: "Session") -> BenchForgotten:
        """Drop it."""
        session.receipt(self.bench_id)
        return BenchForgotten()
