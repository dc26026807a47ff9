"""Processor counters with known loads, and what the rules say of them."""

import dataclasses

import pytest

from device_agent.messages.bench import CpuUse, PhaseSpan
from groupnl_deploy.bench.foreign_load import foreign, load_checks


def use(seconds: float = 10.0, cores: int = 4, own: float = 4.0, others: float = 0.1, **more: float | None) -> CpuUse:
    """`own` and `others` in cores."""
    values = {
        "elapsed_s": seconds,
        "own_s": own * seconds,
        "tick_s": 0.01,
        "cores": cores,
        "busy_s": (own + others) * seconds,
        "iowait_s": 0.0,
        "stolen_s": 0.0,
        "held_back_s": 0.0,
        "clock_before_hz": 1.5e9,
        "clock_after_hz": 1.5e9,
    }
    return CpuUse(**(values | more))


def steady(cpu: CpuUse | None) -> PhaseSpan:
    return PhaseSpan("steady", 0, round(1e9 * (cpu.elapsed_s if cpu else 10.0)), cpu)


def reasons(cpu: CpuUse) -> set[str]:
    return {check.rule for check in load_checks(steady(cpu)) if check.verdict == "invalid"}


@pytest.mark.parametrize(
    ("cpu", "expected"),
    [
        (use(), set()),
        (use(others=0.0), set()),
        (use(others=-0.05), set()),  # ticks are wrong in both directions
        (use(others=0.19), set()),
        (use(others=0.25), {"foreign load, steady"}),
        (use(own=1.0, others=0.19), set()),  # the host's recorder beside one thread
        (use(own=1.0, others=3.0), {"foreign load, steady"}),  # on cores that we leave over, too
        # The recorder, the emulated meter and the progress bar, on the smallest machine they run on.
        (use(cores=1, own=0.96, others=0.04), set()),
        (use(cores=2, own=1.2, others=0.8), {"foreign load, steady"}),
        # Four loops on a machine of a hundred cores, on whose other cores they are 4 %.
        (use(cores=100, own=1.0, others=4.0), {"foreign load, steady"}),
        (use(cores=100, own=100.0, others=0.4), set()),
        (use(stolen_s=1.9), set()),
        (use(stolen_s=2.2), {"stolen time"}),
        (use(seconds=0.1, own=1.0, others=0.0, stolen_s=0.03), set()),  # two or three ticks
        (use(stolen_s=-0.01), set()),
        (use(held_back_s=0.09), set()),
        (use(held_back_s=0.11), {"CPU quota"}),
        (use(iowait_s=9.0), set()),  # the kernel itself calls it unreliable (proc_stat(5)); it is kept, not judged
        (use(clock_after_hz=1.25e9), set()),
        (use(clock_after_hz=1.0e9), {"clock"}),
        (use(clock_before_hz=0.6e9), {"clock"}),
        (use(clock_after_hz=None), set()),
        (use(stolen_s=None, held_back_s=None), set()),
    ],
)
def test_what_the_rules_see(cpu: CpuUse, expected: set[str]) -> None:
    assert reasons(cpu) == expected


@pytest.mark.parametrize(
    ("seconds", "others", "verdict"),
    [
        (10.0, 0.1, "sound"),
        (1.0, 0.1, "sound"),
        (1.0, 0.3, "sound"),  # 7.5 %, of which ticks may be 3
        (1.0, 0.4, "invalid"),
        (0.5, 0.1, "not judged"),
        (0.5, 3.0, "invalid"),  # no doubt about that
        (0.01, 0.1, "not judged"),
    ],
)
def test_a_short_window_is_judged_where_ticks_leave_no_doubt(seconds: float, others: float, verdict: str) -> None:
    check = foreign(steady(use(seconds, others=others)), "time")
    assert check.verdict == verdict
    assert verdict != "not judged" or "too short for ticks" in check.says


@pytest.mark.parametrize(
    "cpu", [None, dataclasses.replace(use(), busy_s=None, cores=None), dataclasses.replace(use(), elapsed_s=0.0)]
)
def test_what_the_kernel_does_not_tell_is_not_known_and_said(cpu: CpuUse | None) -> None:
    first, *_ = load_checks(steady(cpu))
    assert first.verdict == "not judged" and "is not known" in first.says and "/proc/stat" in first.says


def test_the_reason_has_its_numbers() -> None:
    check = foreign(steady(use(cores=2, own=1.2, others=0.8)), "time")
    assert check.value == pytest.approx(0.4) and check.limit == 0.05
    assert (
        "took 8 s of processor time in the 10 s of the steady window: 40 % of the device's 2 cores (at most 5 %)"
        in check.says
    )


def test_idle_is_judged_by_the_same_measure() -> None:
    idle = PhaseSpan("idle_before", 0, 10**10, use(own=0.0, others=1.0))
    check = foreign(idle, "energy")
    assert (check.rule, check.doubts, check.verdict) == ("foreign load, idle before", "energy", "invalid")
