"""What a benchmark needed of the device's memory, phase by phase. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from device_agent.messages.bench import PHASES, Phase
from groupnl_deploy.bench.result import BenchResult

_BEHIND_LOAD = PHASES[PHASES.index("check") :]


@dataclass(frozen=True)
class MemoryNeed:
    """Resident memory of the agent's process, in bytes; null where the kernel did not tell.

    Args:
        start: before the runtime's import.
        after_import: of the runtime.
        after_load: of the model.
        peak: the highest in any phase but the profile, which loads the model once more.
        model: what loading the model added: its weights, in the runtime's own layout, and what the runtime keeps with
            them.
        working_set: what inference added to it at the most: the maps between the layers, and the runtime's arena. What
            loading took for a while is no part of it.
        pss_after_load: like `after_load`, with pages that processes share counted in part.
        pss_steady: the same behind the steady window.
    """

    start: int
    after_import: int | None
    after_load: int | None
    peak: int | None
    model: int | None
    working_set: int | None
    pss_after_load: int | None
    pss_steady: int | None


def memory_need(result: BenchResult) -> MemoryNeed:
    """Out of what each phase ended with."""
    imported, loaded, steady = (result.span(phase).memory for phase in ("import", "load", "steady"))
    after_import, after_load = (None if one is None else one.rss_bytes for one in (imported, loaded))
    return MemoryNeed(
        start=result.memory_start.rss_bytes,
        after_import=after_import,
        after_load=after_load,
        peak=_peak(result, PHASES),
        model=_more(after_load, after_import),
        working_set=_more(_peak(result, _BEHIND_LOAD), after_load),
        pss_after_load=None if loaded is None else loaded.pss_bytes,
        pss_steady=None if steady is None else steady.pss_bytes,
    )


def _peak(result: BenchResult, phases: Sequence[Phase]) -> int | None:
    memory = (result.span(phase).memory for phase in phases)
    return max((one.peak_rss_bytes for one in memory if one and one.peak_rss_bytes), default=None)


def _more(now: int | None, before: int | None) -> int | None:
    return None if now is None or before is None else max(now - before, 0)
