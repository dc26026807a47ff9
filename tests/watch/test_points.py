"""The newest measurements: bounded, no peak lost, and what whoever comes late is given."""

import threading

from hypothesis import given
from hypothesis import strategies as st

from groupnl_deploy.watch.points import COLUMN_S, LivePoints
from power.running import Totals


def totals(t_s: float, power_w: float = 1.0, holes: int = 0, hole_s: float = 0.0) -> Totals:
    return Totals(t_s, 1.0, power_w, 1, t_s, None, holes, hole_s)


@given(st.lists(st.floats(0.0, 9.0), min_size=2, max_size=300), st.sampled_from([1000.0, 50.0, 2.0]))
def test_no_peak_and_no_dip_is_lost_and_time_goes_on(watts: list[float], rate_hz: float) -> None:
    points = LivePoints()
    for number, power_w in enumerate(watts):
        points.hear(totals(number / rate_hz, power_w))
    points.hear(totals(len(watts) / rate_hz + 1.0))  # so that the last column is whole
    first, kept = points.since(0)
    assert first == 0 and [point.t_s for point in kept] == sorted({point.t_s for point in kept})
    shown = [point.power_w for point in kept[:-1]]
    assert max(shown) == max(watts) and min(shown) == min(watts)
    assert len(kept) <= 4 * (len(watts) / rate_hz / COLUMN_S + 2)


def test_a_slow_meter_is_shown_at_once_and_whole() -> None:
    points = LivePoints()
    for number in range(10):
        points.hear(totals(number / 2))
        assert len(points.since(0)[1]) == number + 1


def test_what_is_old_is_let_go_of_and_whoever_comes_late_learns_that() -> None:
    points = LivePoints(most=5)
    for number in range(12):
        points.hear(totals(float(number)))
    first, kept = points.since(3)
    assert (first, [point.t_s for point in kept]) == (7, [7.0, 8.0, 9.0, 10.0, 11.0])
    assert points.since(11) == (11, kept[-1:]) and points.since(12) == (12, [])
    assert points.since(99) == (12, [])


def test_the_recent_ones_are_those_of_some_seconds_and_the_one_before() -> None:
    points = LivePoints()
    assert points.recent(60.0) == []
    for number in range(12):
        points.hear(totals(float(number)))
    assert [point.t_s for point in points.recent(3.0)] == [7.0, 8.0, 9.0, 10.0, 11.0]
    assert len(points.recent(60.0)) == 12


def test_a_hole_is_told_with_the_measurement_that_ends_it() -> None:
    points = LivePoints()
    for one in (totals(0.0), totals(0.5), totals(4.5, holes=1, hole_s=4.0), totals(5.0, holes=1, hole_s=4.0)):
        points.hear(one)
    assert [point.hole_s for point in points.since(0)[1]] == [0.0, 0.0, 4.0, 0.0]


def test_many_may_look_while_it_grows() -> None:
    points, over = LivePoints(most=1000), threading.Event()
    seen: list[int] = []

    def look() -> None:
        following = 0
        while not over.is_set():
            first, kept = points.since(following)
            following = first + len(kept)
            seen.append(following)

    lookers = [threading.Thread(target=look) for _ in range(4)]
    for one in lookers:
        one.start()
    for number in range(5000):
        points.hear(totals(number * COLUMN_S * 1.01))
    over.set()
    for one in lookers:
        one.join()
    assert points.since(0)[0] == 4000 and max(seen) <= 5000
