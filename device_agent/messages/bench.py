"""A benchmark: the request, what is told while it runs, and its parts, each sent as soon as it is there.

The parts come in this order: `BenchBegun`, then a `PhaseSpan` as each phase ends, with `Loaded` behind the load,
`Outputs` and `Checked` behind the check, `Latencies`, in blocks, behind the run-out, `BoardStates` there and behind the
second idle phase, and `Profiled` behind a profile; `BenchDone` is the answer. So a board that dies has lost only what
it was measuring just then.

A benchmark survives its link (detached.py). Whoever wants it to end sends `Abort`; where stdin ends without one, the
link is lost, and the benchmark goes on.
"""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from device_agent.messages.board import BoardFacts, BoardState
from device_agent.messages.profile import Profiled
from device_agent.settings import Settings
from device_agent.wire import Message, Request

Phase = Literal[
    "cooldown", "idle_before", "import", "load", "check", "warmup", "steady", "runout", "idle_after", "profile"
]
PHASES: tuple[Phase, ...] = ("idle_before", "import", "load", "check", "warmup", "steady", "runout", "idle_after")
"""Those of every benchmark. A cool-down stands before them, and a profile behind them, where they were asked for."""
_AT_REST: tuple[Phase, ...] = ("cooldown", "idle_before", "idle_after")
MARGIN_S = 15.0
"""How much later than it may be anything comes: a process that starts or is paged in, a link that is busy."""

_SLOWER = 4.0  # than it should be: a board that throttles
_START_S = 1.0  # about what each of import, load and check takes; nobody knows before
_PROFILE_S = 10.0

if TYPE_CHECKING:
    from device_agent.session import Session


def is_bench_id(text: str) -> bool:
    """Whether it is twelve hexadecimal digits."""
    return re.fullmatch("[0-9a-f]{12}", text) is not None


def require_bench_id(text: str) -> None:
    """Raise `ValueError` for what is no benchmark's id."""
    if not is_bench_id(text):
        raise ValueError(f"{text!r} is no benchmark's id")


@dataclass(frozen=True)
class ImagePayload(Message):
    """One 8-bit image, (C, H, W), row-major bytes in base64. One a line, so that no long line stays in memory."""

    shape: tuple[int, int, int]
    data: str


@dataclass(frozen=True)
class BenchFrame(Message):
    """What the host itself knows of the benchmark, in its own words: whoever fetches a result later gets it back."""

    text: str


@dataclass(frozen=True)
class PhaseMark(Message):
    """A phase begins now. `expected_s` is how long it should take, so that the host knows when to worry."""

    phase: Phase
    start_ns: int
    expected_s: float

    @property
    def patience_s(self) -> float:
        """How long nothing may be said behind it, by either end of the wire: rest takes no longer than it should."""
        slower = 1.0 if self.phase in _AT_REST else _SLOWER
        return slower * self.expected_s + MARGIN_S


@dataclass(frozen=True)
class Progress(Message):
    """Images done in the `check` phase. Never sent inside the steady window."""

    done: int
    total: int


@dataclass(frozen=True)
class CpuUse:
    """Processor seconds between two readings of the kernel's counters; null where the kernel does not tell.

    `own_s` is the agent's process. `busy_s`, `iowait_s` and `stolen_s` (what a hypervisor gave to others) are sums
    over all `cores` of the machine and move in steps of `tick_s`. `held_back_s` is how long a quota of its control
    groups kept the agent waiting. The clocks are the fastest core's at both readings.
    """

    elapsed_s: float
    own_s: float
    tick_s: float
    cores: int | None
    busy_s: float | None
    iowait_s: float | None
    stolen_s: float | None
    held_back_s: float | None
    clock_before_hz: float | None
    clock_after_hz: float | None


@dataclass(frozen=True)
class MemoryUse:
    """Memory of the agent's process at the end of a phase; null where the kernel does not tell.

    `rss_bytes` is resident; of `pss_bytes` pages that processes share count in part. `peak_rss_bytes` is the most that
    was resident since the phase began. `swap_bytes` of the process lie in swap. `swapped_bytes` went to and from swap
    during the phase, the whole machine's.
    """

    rss_bytes: int
    pss_bytes: int | None
    peak_rss_bytes: int | None
    swap_bytes: int | None
    swapped_bytes: int | None = None


@dataclass(frozen=True)
class PhaseSpan(Message):
    """When a phase ran, on the device's clock; who used the processor meanwhile, and the memory, read outside it."""

    phase: Phase
    start_ns: int
    end_ns: int
    cpu: CpuUse | None = None
    memory: MemoryUse | None = None


@dataclass(frozen=True)
class BenchBegun(Message):
    """All was checked and the lock is held. `settings` are those that apply: the threads are as many as there are.

    `memory` is that of the agent's process, before the runtime's import.
    """

    agent_sha256: str
    settings: Settings
    board: BoardFacts
    memory: MemoryUse


@dataclass(frozen=True)
class NativeRan:
    """What ran of an artifact with native operators.

    Args:
        file: the model's.
        block: of its layout; 0 for the plain one.
        library_sha256: of the library that computed the operators.
        instructions: the kernels that the library chose: "avx512", "avx2", "neon" or "portable".
    """

    file: str
    block: int
    library_sha256: str
    instructions: str


@dataclass(frozen=True)
class Loaded(Message):
    """The runtime has the model: its libraries' versions, what ran of a native artifact, and what computes.

    `providers` are the runtime's execution providers for this model, the preferred one first; none where it has no such
    thing.
    """

    versions: dict[str, str]
    native: NativeRan | None = None
    providers: tuple[str, ...] = ()


@dataclass(frozen=True)
class OutputValues:
    """One output: `data` is base64 of its row-major bytes, little-endian."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    data: str


@dataclass(frozen=True)
class Outputs(Message):
    """All that the model answered to one input, the inputs in their order. The last ones have none where all of them
    would be large.
    """

    values: tuple[OutputValues, ...]


@dataclass(frozen=True)
class Checked(Message):
    """How long the first inference took, and the arg-max for every image; none where the first output is no scores.

    Each image's time before and behind its inference: from pixels to the runtime's input, and from the runtime's
    output to arrays and the arg-max. Reading the image from a file is no part of it.
    """

    first_inference_ns: int
    predictions: tuple[int, ...]
    preprocess_ns: tuple[int, ...] = ()
    postprocess_ns: tuple[int, ...] = ()


@dataclass(frozen=True)
class Latencies(Message):
    """Some of the steady window's latencies, in their order; the next block goes on where this one ends."""

    latencies_ns: tuple[int, ...]


@dataclass(frozen=True)
class BoardStates(Message):
    """Some of the board's states, in their order; the next block goes on where this one ends."""

    states: tuple[BoardState, ...]


@dataclass(frozen=True)
class BenchDone(Message):
    """The end: how many latencies there are in all, and the board."""

    iterations: int
    board: BoardFacts


BenchPart = BenchBegun | PhaseSpan | Loaded | Outputs | Checked | Latencies | BoardStates | Profiled
BenchNews = BenchPart | PhaseMark | Progress


@dataclass(frozen=True)
class BenchRequest(Request[BenchDone]):
    """What is to be measured, and how. A `BenchFrame` follows it, and `images_sent` lines of `ImagePayload`, none for a
    model that is shown the samples of its artifact. The host draws the `bench_id`, by which it asks for the result over
    another link.

    `runout_s` keeps the load on after the steady window: a meter that reports means over its update period
    would otherwise mix the window's last moments with the idle that follows. With `profile` the time of each operator
    is taken behind all else.
    """

    directory: str
    manifest_sha256: str
    backend: str
    settings: Settings
    images_sent: int
    runout_s: float
    bench_id: str = ""  # none in runs of older versions
    profile: bool = False

    patience_s: ClassVar[float] = 300.0
    """Until it begins, while the agent says that it lives: a large artifact is read from a slow card to be checked."""

    def __post_init__(self) -> None:
        if self.images_sent < 0 or not self.runout_s >= 0:
            raise ValueError("a benchmark needs no fewer than zero images, and a run-out of zero seconds or more")

    def answer(self, session: "Session") -> BenchDone:
        """Carry it out."""
        return session.bench(self)

    @property
    def phases(self) -> tuple[Phase, ...]:
        """All phases of this benchmark, in their order."""
        first: tuple[Phase, ...] = () if self.settings.workload.cool_to_c is None else ("cooldown",)
        last: tuple[Phase, ...] = ("profile",) if self.profile else ()
        return (*first, *PHASES, *last)

    def left_s(self, mark: PhaseMark) -> float:
        """About how long it takes from the beginning of a phase to its end; only the window's length is known then."""
        longer_s = mark.expected_s - self.settings.workload.min_seconds if mark.phase == "steady" else 0.0
        return self.expected_s(mark.phase) + longer_s

    def expected_s(self, phase: Phase) -> float:
        """About how long this phase and all behind it take, as is known before any has begun."""
        work = self.settings.workload
        ends: dict[Phase, float] = {"idle_before": work.idle_s, "import": _START_S, "load": _START_S, "check": _START_S}
        ends |= {"warmup": work.warmup_s, "steady": work.min_seconds, "runout": self.runout_s}
        ends |= {"idle_after": work.idle_s, "cooldown": work.cool_within_s, "profile": _PROFILE_S}
        order = self.phases
        return sum(ends[one] for one in order[order.index(phase) :])
