"""Latencies with known disturbances, and what the three rules say of them."""

import numpy as np
import pytest

from groupnl_deploy.bench.steadiness import steadiness

RULES = ("latency tail", "mean latency", "latency drift")


def quiet(count: int = 1000, typical_ms: float = 10.0, spread: float = 0.03, seed: int = 0) -> np.ndarray:
    """Milliseconds; 3 % of noise, as a board at rest has it."""
    return typical_ms * (1 + spread * np.random.default_rng(seed).standard_normal(count))


def hit(every: int, by_ms: float, **quietly) -> np.ndarray:
    """Every so many-th inference loses a slice to another program."""
    latencies = quiet(**quietly)
    latencies[::every] += by_ms
    return latencies


def step(share: float, factor: float, **quietly) -> np.ndarray:
    """From this share of the window on everything takes so much longer."""
    latencies = quiet(**quietly)
    latencies[int(share * len(latencies)) :] *= factor
    return latencies


def verdicts(latencies_ms: np.ndarray) -> dict[str, str]:
    found = steadiness(np.rint(latencies_ms * 1e6).astype(int).tolist(), float(latencies_ms.sum()) / 1e3)
    assert tuple(check.rule for check in found) == RULES
    assert all((check.says is None) == (check.verdict == "sound") for check in found)
    return {check.rule: check.verdict for check in found}


def stamped(latencies_ms: np.ndarray) -> set[str]:
    return {rule for rule, verdict in verdicts(latencies_ms).items() if verdict == "invalid"}


@pytest.mark.parametrize(
    ("latencies_ms", "reasons"),
    [
        (quiet(), set()),
        (quiet(100, 10_000.0), set()),
        (quiet(20_000, 0.3, spread=0.1), set()),
        # A net of 0.3 ms on a board: one inference in fifty meets a timer's tick, a wake-up, an interrupt.
        (hit(50, 0.24, count=20_000, typical_ms=0.3), set()),
        # The finding: p99/p50 = 45, mean six times p50, as two threads beside four busy loops have it.
        (hit(9, 13.5, count=5_000, typical_ms=0.3), {"latency tail", "mean latency"}),
        # A hundredth of the inferences lose four milliseconds: the mean hardly shows it.
        (hit(80, 4.0, count=20_000, typical_ms=0.3), {"latency tail"}),
        # One inference in 500 loses a second: not in p99, but in the mean.
        (hit(500, 2_000.0), {"mean latency"}),
        (step(0.5, 1.2), set()),
        (step(0.5, 1.5), set()),  # throttled from 1,500 to 1,000 MHz: the clock's own readings tell
        (step(0.8, 2.07), set()),  # the other thread of a shared host's core, as measured at rest
        (step(0.9, 2.5), {"latency drift"}),
        (step(0.1, 0.4), {"latency drift"}),  # a governor that climbs from 600 to 1,500 MHz
        (quiet() * np.linspace(1.0, 1.4, 1000), {"latency drift"}),
        (quiet() * np.linspace(1.4, 1.0, 1000), {"latency drift"}),
        (quiet() * np.linspace(1.0, 1.1, 1000), set()),
        (
            quiet() * np.repeat([1.0, 1.5, 1.2, 1.0, 1.4, 1.9, 1.0, 1.1, 1.6, 1.2], 100),
            set(),
        ),  # neighbours that come and go
        (quiet(100, 10_000.0) * np.linspace(1.0, 1.4, 100), {"latency drift"}),
    ],
)
def test_what_the_rules_see(latencies_ms: np.ndarray, reasons: set[str]) -> None:
    assert stamped(latencies_ms) == reasons


@pytest.mark.parametrize(
    ("latencies_ms", "rules"),
    [
        (quiet(3), RULES),
        (quiet(9), RULES),
        (quiet(10), ("latency tail", "latency drift")),
        (quiet(49), ("latency tail", "latency drift")),
        (quiet(50), ("latency tail",)),
        (quiet(99), ("latency tail",)),
        (quiet(100), ()),
        (quiet(100, 0.3), ("latency drift",)),  # 30 ms: one slice of another program is a whole block
        (quiet(100_000, 0.0003), RULES),  # the backend null
        (np.array([0.0, 0.03]), RULES),  # a clock too coarse for them
    ],
)
def test_too_little_to_judge_is_said_and_is_no_reason(latencies_ms: np.ndarray, rules: tuple[str, ...]) -> None:
    found = verdicts(latencies_ms)
    assert tuple(rule for rule in RULES if found[rule] == "not judged") == rules
    assert "invalid" not in found.values()


def test_noise_of_a_quiet_board_is_never_stamped() -> None:
    """Two hundred seeds, from a hundred slow inferences to many short ones."""
    for seed in range(200):
        count, typical_ms = ((100, 100.0), (1000, 10.0), (10_000, 0.3))[seed % 3]
        assert stamped(quiet(count, typical_ms, 0.05, seed)) == set()


def test_the_reason_has_its_numbers_and_its_limit() -> None:
    (tail, mean, _) = steadiness([round(ms * 1e6) for ms in hit(9, 13.5, count=5_000, typical_ms=0.3)], 9.0)
    assert tail.limit == 10.0 and tail.value == pytest.approx(46, abs=2) and "p99/p50; at most 10" in tail.says
    assert mean.limit == 1.25 and mean.value == pytest.approx(6, abs=0.3) and "times the median" in mean.says
    assert "top" in tail.remedy
