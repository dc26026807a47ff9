"""The parts of a benchmark, as they arrive, put together. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from device_agent.messages.bench import (
    BenchBegun,
    BenchDone,
    BenchNews,
    BenchRequest,
    BoardStates,
    Checked,
    Latencies,
    Loaded,
    MemoryUse,
    NativeRan,
    Outputs,
    Phase,
    PhaseMark,
    PhaseSpan,
)
from device_agent.messages.board import BoardFacts, BoardState
from device_agent.messages.profile import Profiled
from device_agent.settings import Settings
from groupnl_deploy.errors import DeviceFault

BenchMessage = BenchNews | BenchDone
M = TypeVar("M")


@dataclass(frozen=True)
class BenchResult:
    """Everything measured, raw: each latency of the steady window, each phase, the board before, after and each second.

    Of the `check` phase: `predictions` has the arg-max for every image sent, `outputs` all that was answered to the
    images, or to the first of them, and `preprocess_ns` and `postprocess_ns` what each took beside its inference.
    `settings` are those that were applied: the threads are as many as there were. `native` is what ran of an artifact
    with native operators, null of any other. `memory_start` is that of the agent's process before the runtime's import;
    each phase has its own at the end. `providers` are the runtime's execution providers. `profile` is null where none
    was asked for.
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
    memory_start: MemoryUse
    board_before: BoardFacts
    board_after: BoardFacts
    native: NativeRan | None = None
    providers: tuple[str, ...] = ()
    preprocess_ns: tuple[int, ...] = ()
    postprocess_ns: tuple[int, ...] = ()
    outputs: tuple[Outputs, ...] = ()
    states: tuple[BoardState, ...] = ()
    profile: Profiled | None = None

    def span(self, phase: Phase) -> PhaseSpan:
        """The span of one of `PHASES`, which every result has."""
        return next(span for span in self.phases if span.phase == phase)

    def states_in(self, phase: Phase) -> tuple[BoardState, ...]:
        """The board's states within one of `PHASES`."""
        span = self.span(phase)
        return tuple(state for state in self.states if span.start_ns <= state.at_ns <= span.end_ns)


@dataclass(frozen=True)
class Arrived:
    """What of a benchmark has arrived; null or empty is what has not. `last_phase` is the one that began last."""

    begun: BenchBegun | None
    last_phase: Phase | None
    phases: tuple[PhaseSpan, ...]
    loaded: Loaded | None
    outputs: tuple[Outputs, ...]
    checked: Checked | None
    latencies_ns: tuple[int, ...]
    states: tuple[BoardState, ...]
    profile: Profiled | None
    done: BenchDone | None


def gather(messages: Iterable[BenchMessage]) -> Arrived:
    """The messages of one benchmark, in their order, as one record."""
    heard = tuple(messages)
    marks, blocks = _all_of(PhaseMark, heard), _all_of(Latencies, heard)
    return Arrived(
        begun=_last_of(BenchBegun, heard),
        last_phase=marks[-1].phase if marks else None,
        phases=_all_of(PhaseSpan, heard),
        loaded=_last_of(Loaded, heard),
        outputs=_all_of(Outputs, heard),
        checked=_last_of(Checked, heard),
        latencies_ns=tuple(latency for block in blocks for latency in block.latencies_ns),
        states=tuple(state for block in _all_of(BoardStates, heard) for state in block.states),
        profile=_last_of(Profiled, heard),
        done=_last_of(BenchDone, heard),
    )


def _all_of(kind: type[M], heard: Sequence[BenchMessage]) -> tuple[M, ...]:
    return tuple(message for message in heard if isinstance(message, kind))


def _last_of(kind: type[M], heard: Sequence[BenchMessage]) -> M | None:
    return next(iter(_all_of(kind, heard)[-1:]), None)


def assemble(request: BenchRequest, arrived: Arrived) -> BenchResult:
    """The result of a benchmark that came to its end. Raises `DeviceFault` where a part is missing."""
    begun, loaded, checked, done = arrived.begun, arrived.loaded, arrived.checked, arrived.done
    whole = has_every_phase(request, arrived.phases)
    if (
        begun is None
        or loaded is None
        or checked is None
        or done is None
        or not whole
        or (arrived.profile is not None) != request.profile
    ):
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
        memory_start=begun.memory,
        board_before=begun.board,
        board_after=done.board,
        native=loaded.native,
        providers=loaded.providers,
        preprocess_ns=checked.preprocess_ns,
        postprocess_ns=checked.postprocess_ns,
        outputs=arrived.outputs,
        states=arrived.states,
        profile=arrived.profile,
    )


def has_every_phase(request: BenchRequest, spans: Sequence[PhaseSpan]) -> bool:
    """Whether these are the benchmark's phases, each once and in their order."""
    return tuple(span.phase for span in spans) == request.phases
