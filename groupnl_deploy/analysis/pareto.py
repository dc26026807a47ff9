"""Which of several points are on the front: no other one is as good in everything and better in something. Pure."""

from collections.abc import Sequence

Point = Sequence[float]
"""What something costs, in units of one's own; less is better in each."""


def front(points: Sequence[Point | None]) -> tuple[bool, ...]:
    """For each point whether it is on the front. None, of which nothing is known, neither is on it nor beats others.

    Equal points are on it together.
    """
    known = [point for point in points if point is not None]
    return tuple(point is not None and not any(_beats(other, point) for other in known) for point in points)


def _beats(one: Point, other: Point) -> bool:
    pairs = list(zip(one, other, strict=True))
    return all(mine <= theirs for mine, theirs in pairs) and any(mine < theirs for mine, theirs in pairs)
