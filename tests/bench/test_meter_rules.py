"""Each rule about a recording and about the clocks: the nearest case that is sound, and the nearest that is not."""

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_agent.file_digest import FileDigest
from device_agent.messages.board import THROTTLE_BITS
from groupnl_deploy.bench.board_rules import board_checks
from groupnl_deploy.bench.clock import ClockSync
from groupnl_deploy.bench.energy import RunEnergy, run_energy
from groupnl_deploy.bench.run import BenchRun, PowerRecord
from groupnl_deploy.bench.validity import checks
from tests.bench.made_runs import DIGEST, OFFSET_S
from tests.bench.test_board_rules import made
from tests.bench.test_run_energy import block_means, make_run

RULES = ("clocks' drift", "clocks' uncertainty", "measurements", "measurements missing", "direction of the current")


def metered(clock: ClockSync | None = None) -> BenchRun:
    """A run of a ten-second window with a recording."""
    record = PowerRecord(FileDigest("power.csv", DIGEST, 1), block_means().facts)
    run = dataclasses.replace(make_run(), power=record)
    return run if clock is None else dataclasses.replace(run, clock=clock)


def steady(**changes: Any) -> RunEnergy:
    """Its joules, with a steady window that is otherwise."""
    energy = run_energy(make_run(), block_means())
    return dataclasses.replace(energy, steady=dataclasses.replace(energy.steady, **changes))


def invalid(run: BenchRun, energy: RunEnergy) -> list[str]:
    return [check.rule for check in checks(run, energy) if check.verdict == "invalid" and check.rule in RULES]


@pytest.mark.parametrize(
    ("clock", "rules"),
    [
        (ClockSync(OFFSET_S, 0.0, 1e-3, 0.001), []),
        (ClockSync(OFFSET_S, 0.0, 1.001e-3, 0.001), ["clocks' drift"]),
        (ClockSync(OFFSET_S, 0.0, -1.001e-3, 0.001), ["clocks' drift"]),
        (ClockSync(OFFSET_S, 0.0, 0.0, 0.2), []),  # a fiftieth of the window
        (ClockSync(OFFSET_S, 0.0, 0.0, 0.2001), ["clocks' uncertainty"]),
    ],
)
def test_clocks_that_do_not_tell_when_the_window_was(clock: ClockSync, rules: list[str]) -> None:
    assert invalid(metered(clock), steady()) == rules


@pytest.mark.parametrize(
    ("changes", "rules"),
    [
        ({}, []),
        ({"samples": 10}, []),
        ({"samples": 9}, ["measurements"]),
        ({"gaps_s": 0.1}, []),  # a hundredth of the window
        ({"gaps_s": 0.101}, ["measurements missing"]),
        ({"energy_j": 1e-6}, []),
        ({"energy_j": 0.0}, ["direction of the current"]),
        ({"energy_j": -60.0}, ["direction of the current"]),
    ],
)
def test_a_recording_that_does_not_tell_the_joules(changes: dict[str, Any], rules: list[str]) -> None:
    assert invalid(metered(), steady(**changes)) == rules


def test_without_a_recording_nothing_is_timed_by_the_clocks_or_measured() -> None:
    run = dataclasses.replace(make_run(), clock=ClockSync(OFFSET_S, 0.0, 1.0, 5.0))
    assert not {check.rule for check in checks(run, None)} & set(RULES)


WORDS = st.integers(0, 15).flatmap(lambda now: st.integers(0, 15).map(lambda ever: now | ever << 16))


@given(WORDS, st.lists(WORDS, max_size=5), WORDS)
def test_a_throttle_bit_counts_where_it_is_set_and_since_boot_where_it_is_new(
    first: int, during: list[int], last: int
) -> None:
    run = made({200 + at: {"throttled": word} for at, word in enumerate(during)})
    board = run.result.board_before
    before, after = (dataclasses.replace(board, throttled=word) for word in (first, last))
    found = {
        check.rule: check
        for check in board_checks(dataclasses.replace(run.result, board_before=before, board_after=after))
    }
    for bit, what in THROTTLE_BITS.items():
        now = any(word >> bit & 1 for word in (first, *during, last))
        new = not first >> bit + 16 & 1 and any(word >> bit + 16 & 1 for word in (*during, last))
        assert (found[what].verdict == "invalid") == (now or new)
