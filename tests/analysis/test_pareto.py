"""The front of points that cost several things."""

from hypothesis import given
from hypothesis import strategies as st

from groupnl_deploy.analysis.pareto import front


def test_what_another_beats_in_both_is_not_on_the_front() -> None:
    assert front([(1.0, 5.0), (2.0, 2.0), (5.0, 1.0), (2.0, 3.0), (6.0, 1.0)]) == (True, True, True, False, False)
    assert front([(1.0, 1.0), (1.0, 1.0), None, (1.0, 2.0)]) == (True, True, False, False)
    assert front([]) == () and front([None]) == (False,)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=12))
def test_every_point_off_the_front_is_beaten_by_one_on_it(points: list[tuple[int, int]]) -> None:
    on = front(points)
    assert any(on)
    for point, kept in zip(points, on, strict=True):
        beaten = any(
            o and p != point and p[0] <= point[0] and p[1] <= point[1] for p, o in zip(points, on, strict=True)
        )
        assert beaten == (not kept)
