"""What a benchmark needed of the device's memory, phase by phase. Pure."""

from dataclasses import dataclass

from groupnl_deploy.bench.result import BenchResult


@dataclass(frozen=True)
class MemoryNeed:
    """Resident memory of the agent's process, in bytes; null where the kernel did not tell.

    Args:
        start: before the runtime's import.
        after_import: of the runtime.
        after_load: of the model.
        peak: the highest in any phase.
        model: what loading the model added: its weights, in the runtime's own layout, and what the runtime keeps with
            them.
        working_set: what inference added to it at the most: the maps between the layers, and the runtime's arena.
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
    peaks = [span.memory.peak_rss_bytes for span in result.phases if span.memory and span.memory.peak_rss_bytes]
    peak = max(peaks, default=None)
    return MemoryNeed(
        start=result.memory_start.rss_bytes,
        after_import=after_import,
        after_load=after_load,
        peak=peak,
        model=_more(after_load, after_import),
        working_set=_more(peak, after_load),
        pss_after_load=None if loaded is None else loaded.pss_bytes,
        pss_steady=None if steady is None else steady.pss_bytes,
    )


def _more(now: int | None, before: int | None) -> int | None:
    return None if now is None or before is None else max(now - before, 0)
