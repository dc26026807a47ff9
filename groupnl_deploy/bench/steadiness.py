"""Are the latencies of the steady window those of a machine at rest? Pure.

A fixed graph does the same work for every image, so what makes one inference slower than another comes from outside:
another program, a colder or a hotter processor. Three robust numbers find it, each with a limit of its own: the tail
(p99 over p50), the mean (over p50) and the drift of ten blocks' medians, which single slow inferences do not move.
docs/validity.md says what each of them shows, and how its limit was measured.
"""

from collections.abc import Sequence
from itertools import combinations

from groupnl_deploy.bench.check import Check, at_most, judged, not_judged
from groupnl_deploy.bench.stats import BLOCKS, LEAST_IN_BLOCK, block_medians, latency_stats
from groupnl_deploy.words import counted

TAIL_LIMIT, MEAN_LIMIT, TREND_LIMIT, JUMP_LIMIT = 10.0, 1.25, 1.25, 2.25
# Of all pairs of blocks, how many must rise (or fall) to make a trend; by chance one order in ten thousand has it.
TREND_SHARE = 0.93
# With fewer, the nearest-rank p99 is the one slowest inference.
LEAST_FOR_TAIL = 100
LEAST_FOR_MEAN = 10
# A block must be longer than a few slices of a scheduler, or one slice moves its median.
LEAST_BLOCK_S = 0.05
# Below this an inference is not told from the reading of the clock and the loop around it.
RESOLVED_NS = 10_000

QUIET = "Stop what else runs on the device (top shows it)"
_STEADY = "Give the device a fan or a fixed clock and a longer --warmup, and stop what else runs on it"


def steadiness(latencies_ns: Sequence[int], window_s: float) -> tuple[Check, ...]:
    """The three checks of a window's latencies, in the order in which they happened."""
    stats = latency_stats(latencies_ns, window_s)
    if 1e6 * stats.p50_ms < RESOLVED_NS:
        says = f"an inference of {1e3 * stats.p50_ms:.2g} µs is too short to tell noise from the reading of the clock"
        return tuple(not_judged(rule, "time", says) for rule in ("latency tail", "mean latency", "latency drift"))
    return (
        _tail(stats.iterations, stats.p99_ms / stats.p50_ms),
        _mean(stats.iterations, stats.mean_ms / stats.p50_ms),
        _drift(latencies_ns, window_s),
    )


def enough(count: int) -> Check:
    """Whether there are as many inferences as every number of the window needs."""
    says = f"the window has only {counted(count, 'inference')}, and needs {LEAST_FOR_TAIL}"
    remedy = f"Use --iterations {LEAST_FOR_TAIL} or more"
    return judged("inferences", "time", count >= LEAST_FOR_TAIL, count, LEAST_FOR_TAIL, says, remedy)


def _tail(iterations: int, ratio: float) -> Check:
    if iterations < LEAST_FOR_TAIL:
        return not_judged("latency tail", "time", _few(iterations, LEAST_FOR_TAIL, "tail"), TAIL_LIMIT)
    says = f"one inference in a hundred took {ratio:.3g} times the median or more (p99/p50; at most {TAIL_LIMIT:g})"
    return at_most("latency tail", "time", ratio, TAIL_LIMIT, says, QUIET)


def _mean(iterations: int, ratio: float) -> Check:
    if iterations < LEAST_FOR_MEAN:
        return not_judged("mean latency", "time", _few(iterations, LEAST_FOR_MEAN, "mean"), MEAN_LIMIT)
    says = f"the mean latency is {ratio:.3g} times the median (at most {MEAN_LIMIT:g})"
    return at_most("mean latency", "time", ratio, MEAN_LIMIT, says, QUIET)


def _drift(latencies_ns: Sequence[int], window_s: float) -> Check:
    count, least = len(latencies_ns), BLOCKS * LEAST_IN_BLOCK
    if count < least:
        return not_judged("latency drift", "time", _few(count, least, "drift"), TREND_LIMIT)
    if window_s < BLOCKS * LEAST_BLOCK_S:
        says = f"a window of {window_s:.2g} s is too short to judge its drift (at least {BLOCKS * LEAST_BLOCK_S:g} s)"
        return not_judged("latency drift", "time", says, TREND_LIMIT)
    medians = list(block_medians(latencies_ns))
    low, high = min(medians), max(medians)
    trend = _is_trend(medians)
    limit = TREND_LIMIT if trend else JUMP_LIMIT
    says = (
        f"the typical latency {'went one way' if trend else 'jumped'} between {low / 1e6:.3g} and {high / 1e6:.3g} ms "
        f"within the window, {high / low:.3g} times (medians of {BLOCKS} blocks; at most {limit:g})"
    )
    return at_most("latency drift", "time", high / low, limit, says, _STEADY)


def _is_trend(medians: Sequence[float]) -> bool:
    """Whether nearly all pairs of blocks rise, or nearly all fall."""
    pairs = list(combinations(medians, 2))
    rising, falling = (
        sum(later > earlier for earlier, later in pairs),
        sum(later < earlier for earlier, later in pairs),
    )
    return max(rising, falling) >= TREND_SHARE * len(pairs)


def _few(count: int, least: int, what: str) -> str:
    return f"{count} inferences are too few to judge the latencies' {what} (at least {least})"
