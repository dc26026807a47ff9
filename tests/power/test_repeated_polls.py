"""Which replies of a meter are a measurement of their own, and which only say the last one again."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from power.meters.base import Measurement
from power.recorder import is_repeat


def kept_of(replies: list[Measurement]) -> list[Measurement]:
    kept: list[Measurement] = []
    for reply in replies:
        if not is_repeat(reply, kept[-1] if kept else None, 0.5):
            kept.append(reply)
    return kept


@given(st.lists(st.floats(-200.0, 200.0), min_size=2, max_size=20), st.data())
def test_repeated_polls_change_nothing(power_w, data) -> None:
    """A meter that renews every 0.5 s, polled once per renewal and polled more often."""
    replies = [Measurement(0.5 * k, 1.0, power, (k,)) for k, power in enumerate(power_w)]
    delays = st.lists(st.floats(0.0, 0.499), max_size=3).map(sorted)
    polled = [
        Measurement(reply.t_s + delay, reply.voltage_v, reply.current_a, reply.identity)
        for reply in replies
        for delay in [0.0, *data.draw(delays)]
    ]
    assert kept_of(polled) == replies


def test_a_steady_load_is_no_hole() -> None:
    kept = kept_of([Measurement(0.05 * k, 5.0, 1.0, (1, 2, 3, 4)) for k in range(101)])
    spacing = np.diff([reply.t_s for reply in kept])
    assert 9 <= len(kept) <= 11
    assert np.all((spacing >= 0.5) & (spacing <= 0.551))
