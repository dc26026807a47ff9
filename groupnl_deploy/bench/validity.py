"""May the numbers of a run be believed? Every rule's verdict, from what the run and its recording hold. Pure.

A run is invalid where one rule says so. A rule that lacks evidence says "not judged", which is shown and makes
nothing invalid. That a meter is emulated is a mark of its own and no rule.
"""

from collections.abc import Callable, Iterable, Iterator

from groupnl_deploy.bench.answer_rules import answer_checks
from groupnl_deploy.bench.board_rules import board_checks
from groupnl_deploy.bench.check import Check, Doubts, at_most, judged
from groupnl_deploy.bench.energy import RunEnergy
from groupnl_deploy.bench.foreign_load import foreign, load_checks
from groupnl_deploy.bench.run import BenchRun
from groupnl_deploy.bench.steadiness import enough, steadiness

# So the clocks' error moves a window's edges by at most two per cent of its length.
CLOCK_RATIO = 50
MIN_SAMPLES = 10
# Of the steady window: a meter that loses more does not measure the run, however near each lost reply's neighbours are.
LARGEST_GAPS = 0.01
# Quartz and what NTP slews of it stay below 6e-4; more is a clock that stopped, as in a host that slept.
LARGEST_DRIFT = 1e-3

_EMULATED = "the board is emulated, and has no time of its own"

ValidityRule = Callable[[BenchRun, RunEnergy | None], Iterable[Check]]


def checks(run: BenchRun, energy: RunEnergy | None) -> tuple[Check, ...]:
    """The verdict of every rule that has a say on this run, in the order of `RULES`.

    Where an emulator computed, there is no board whose time could be sound or spoilt: what is about that is not judged.
    """
    found = tuple((rule, check) for rule in RULES for check in rule(run, energy))
    if not run.result.board_before.emulated:
        return tuple(check for _, check in found)
    return tuple(_unjudged(check) if rule in _OF_THE_BOARD else check for rule, check in found)


def _unjudged(check: Check) -> Check:
    return Check(check.rule, check.doubts, "not judged", None, check.limit, _EMULATED)


def problems(found: Iterable[Check]) -> tuple[str, ...]:
    """Why the run is invalid; empty for a sound one."""
    return tuple(check.says or check.rule for check in found if check.verdict == "invalid")


def not_judged(found: Iterable[Check]) -> tuple[str, ...]:
    """What nobody could tell of the run; what several rules lack is said once."""
    return tuple(dict.fromkeys(check.says or check.rule for check in found if check.verdict == "not judged"))


def unusable_recording(says: str, remedy: str) -> Check:
    """For a run whose recording gives no joules at all."""
    return Check("recording", "energy", "invalid", None, None, says.rstrip("."), remedy.rstrip("."))


def doubted(found: Iterable[Check], what: Doubts) -> bool:
    """Whether these numbers must not be believed. Doubtful times make every joule per inference doubtful."""
    invalid = {check.doubts for check in found if check.verdict == "invalid"}
    return bool(invalid) if what == "energy" else what in invalid


def _latencies(run: BenchRun, _: RunEnergy | None) -> Iterable[Check]:
    span, latencies_ns = run.result.span("steady"), run.result.latencies_ns
    return (enough(len(latencies_ns)), *steadiness(latencies_ns, (span.end_ns - span.start_ns) / 1e9))


def _processor(run: BenchRun, _: RunEnergy | None) -> Iterable[Check]:
    yield from load_checks(run.result.span("steady"))
    if run.power is not None:  # what ran then is in the idle power, and so in the net
        yield foreign(run.result.span("idle_before"), "energy")
        yield foreign(run.result.span("idle_after"), "energy")


def _board(run: BenchRun, _: RunEnergy | None) -> Iterable[Check]:
    return board_checks(run.result)


def _answers(run: BenchRun, _: RunEnergy | None) -> Iterable[Check]:
    return answer_checks(run)


def _clocks(run: BenchRun, _: RunEnergy | None) -> Iterator[Check]:
    if run.power is None or run.clock is None:  # nothing is timed by them
        return
    drift, span = abs(run.clock.drift), run.result.span("steady")
    slept = f"the clocks of host and device ran apart by {drift:.2g} of the time: one of them slept"
    awake = "Keep both machines awake"
    yield at_most("clocks' drift", "energy", drift, LARGEST_DRIFT, slept, awake)
    window_s, uncertainty_s = (span.end_ns - span.start_ns) / 1e9, run.clock.uncertainty_s
    short = (
        f"the steady window of {window_s:.3g} s is shorter than {CLOCK_RATIO} times the clocks' uncertainty "
        f"of {uncertainty_s:.3g} s"
    )
    longer = "Use a longer --seconds, or a network cable"
    yield at_most("clocks' uncertainty", "energy", uncertainty_s, window_s / CLOCK_RATIO, short, longer)


def _energy(_: BenchRun, energy: RunEnergy | None) -> Iterator[Check]:
    if energy is None:
        return
    steady, again = energy.steady, "Use a longer --seconds, and see to the meter's cable"
    few = f"the meter gave only {steady.samples} measurements in the steady window"
    enough = steady.samples >= MIN_SAMPLES
    yield judged("measurements", "energy", enough, steady.samples, MIN_SAMPLES, few, again)
    missing = (
        f"measurements are missing in {steady.gaps_s:.3g} s of the steady window's "
        f"{steady.duration_s:.3g} s, more than {LARGEST_GAPS:.0%} of it"
    )
    yield at_most("measurements missing", "energy", steady.gaps_s / steady.duration_s, LARGEST_GAPS, missing, again)
    turned = "the meter saw no power flow to the board: if it is plugged the other way round, use --sign -1"
    flows = steady.energy_j > 0
    yield judged(
        "direction of the current",
        "energy",
        flows,
        steady.energy_j,
        0.0,
        turned,
        "Turn the meter round, or use --sign -1",
    )


_OF_THE_BOARD: tuple[ValidityRule, ...] = (_latencies, _processor, _board)
RULES: tuple[ValidityRule, ...] = (*_OF_THE_BOARD, _answers, _clocks, _energy)
