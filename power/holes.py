"""When measurements are missing: the one rule for a whole recording and for one that still grows. Pure."""

from power.trace import MeterFacts

MISSING_PERIODS = 1.5  # after a wait of so many update periods at least one measurement is missing
HOLE_PERIODS = 3  # a longer wait is a hole, and no joule is made across it


def row_period_s(facts: MeterFacts, usual_s: float) -> float:
    """Seconds from row to row when none is missing, where the rows are usually `usual_s` apart.

    The meter's nominal period; the usual spacing where that is unknown, and where a sensor of instants is faster
    than it is asked, for then nothing is missing between two answers.
    """
    nominal_s = facts.update_period_s or usual_s
    return max(nominal_s, usual_s) if facts.averaging == "instant" else nominal_s


def longest_wait_s(facts: MeterFacts, usual_s: float) -> float:
    """Seconds between two rows above which there is a hole between them."""
    return HOLE_PERIODS * row_period_s(facts, usual_s)
