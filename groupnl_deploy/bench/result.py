"""The parts of a benchmark, as they arrive, put together. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import get_args

from device_agent.messages.bench import (
    BenchBegun,
    BenchDone,
    BenchNews,
    BenchRequest,
    Checked,
    Latencies,
    Loaded,
    NativeRan,
    Phase,
    PhaseMark,
    PhaseSpan,
)
from device_agent.messages.board import BoardFacts
from device_agent.settings import Settings
from groupnl_deploy.errors import DeviceFault

BenchMessage = BenchNews | BenchDone


@dataclass(frozen=True)
class Memory:
    """Resident memory of the agent's process: before the runtime's import, after loading, highest ever."""

    rss_start_bytes: int
    rss_after_load_bytes: int
    rss_peak_bytes: int


@dataclass(frozen=True)
class BenchResult:
    """Everything measured, raw: each latency of the steady window, each phase, the board before and after.

    `predictions` has the arg-max for every image sent, from the `check` phase. `settings` are those that were applied:
    the threads are as many as there were. `native` is what ran of an artifact with native operators, null of any other.
    """

    manifest_sha256: str
    agent_sha256: str
    backend: str
    settings: Settings
    versions: dict[str, str]
    phases: tuple[PhaseSpan, ...]
    first_inference_ns: int
    latencies_ns: tuple[int, ...]
    predictions: tuple[int, ...]
    memory: Memory
    board_before: BoardFacts
    board_after: BoardFacts
    native: NativeRan | None = None

    def span(self, phase: Phase) -> PhaseSpan:
        """The phase's span; every result has every phase."""
        return next(span for span in self.phases if span.phase == phase)


@dataclass(frozen=True)
class Arrived:
    """What of a benchmark has arrived; null or empty is what has not. `last_phase` is the one that began last."""

    begun: BenchBegun | None
    last_phase: Phase | None
    phases: tuple[PhaseSpan, ...]
    loaded: Loaded | None
    checked: Checked | None
    latencies_ns: tuple[int, ...]
    done: BenchDone | None


def gather(messages: Iterable[BenchMessage]) -> Arrived:
    """The messages of one benchmark, in their order, as one record."""
    begun, last_phase, loaded, checked, done = None, None, None, None, None
    phases: list[PhaseSpan] = []
    latencies_ns: list[int] = []
    for message in messages:
        match message:
            case BenchBegun():
                begun = message
            case PhaseMark():
                last_phase = message.phase
            case PhaseSpan():
                phases.append(message)
            case Loaded():
                loaded = message
            case Checked():
                checked = message
            case Latencies():
                latencies_ns += message.latencies_ns
            case BenchDone():
                done = message
    return Arrived(begun, last_phase, tuple(phases), loaded, checked, tuple(latencies_ns), done)


def assemble(request: BenchRequest, arrived: Arrived) -> BenchResult:
    """The result of a benchmark that came to its end. Raises `DeviceFault` where a part is missing."""
    begun, loaded, checked, done = arrived.begun, arrived.loaded, arrived.checked, arrived.done
    whole = [span.phase for span in arrived.phases] == list(get_args(Phase))
    if begun is None or loaded is None or checked is None or done is None or not whole:
        raise DeviceFault("The agent left out a part of the result.", "Push again, then bench again.")
    if len(arrived.latencies_ns) != done.iterations:
        raise DeviceFault(
            f"The agent measured {done.iterations} latencies, and {len(arrived.latencies_ns)} arrived.", "Bench again."
        )
    return BenchResult(
        manifest_sha256=request.manifest_sha256,
        agent_sha256=begun.agent_sha256,
        backend=request.backend,
        settings=begun.settings,
        versions=loaded.versions,
        phases=arrived.phases,
        first_inference_ns=checked.first_inference_ns,
        latencies_ns=arrived.latencies_ns,
        predictions=checked.predictions,
        memory=Memory(begun.rss_bytes, loaded.rss_bytes, done.rss_peak_bytes),
        board_before=begun.board,
        board_after=done.board,
        native=loaded.native,
    )
