"""Accuracy against latency and energy: what no other row beats in both is joined by a line. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from groupnl_deploy.bench.check import Doubts
from groupnl_deploy.bench.validity import doubted
from groupnl_deploy.report.html.markup import Markup, element, joined
from groupnl_deploy.report.html.stamps import colour, marks_of, stamps
from groupnl_deploy.report.html.svg import Frame, axes, dot, picture, room
from groupnl_deploy.report.row import ReportRow

_FRAME = Frame()


@dataclass(frozen=True)
class Point:
    """A row's place in a chart."""

    index: int
    row: ReportRow
    x: float
    y: float


@dataclass(frozen=True)
class Plane:
    """What two things are set against each other; `doubts` is what must be believed of a row to count.

    Where higher is better, `better_up`, it is accuracy.
    """

    title: str
    x_words: str
    y_words: str
    better_up: bool
    doubts: Doubts
    points: tuple[Point, ...]

    def best(self) -> list[Point]:
        """Those that no other believable point beats in both, from left to right."""
        sign = -1 if self.better_up else 1
        sound = [point for point in self.points if not doubted(point.row.checks, self.doubts)]
        found: list[Point] = []
        for point in sorted(sound, key=lambda one: (one.x, sign * one.y)):
            if not found or sign * point.y < sign * found[-1].y:
                found.append(point)
        return found


def planes(rows: Sequence[ReportRow]) -> tuple[Plane, ...]:
    """Accuracy over latency and over energy, and energy over latency; those that two rows or more have."""
    latency = [None if row.latency is None else row.latency.p50_ms for row in rows]
    energy = [None if row.energy_j is None else 1e3 * row.energy_j for row in rows]
    accuracy = [None if row.accuracy is None else 100 * row.accuracy for row in rows]
    ms, mj, per_cent = "p50 latency (ms)", "Energy per inference (mJ, gross)", "Accuracy (%)"
    wanted = (
        Plane("Accuracy and latency", ms, per_cent, True, "time", _points(rows, latency, accuracy)),
        Plane("Accuracy and energy", mj, per_cent, True, "energy", _points(rows, energy, accuracy)),
        Plane("Energy and latency", ms, mj, False, "energy", _points(rows, latency, energy)),
    )
    return tuple(plane for plane in wanted if len(plane.points) > 1)


def _points(
    rows: Sequence[ReportRow], across: Sequence[float | None], upward: Sequence[float | None]
) -> tuple[Point, ...]:
    found = zip(range(len(rows)), rows, across, upward, strict=True)
    return tuple(Point(index, row, x, y) for index, row, x, y in found if x is not None and y is not None)


def tradeoff_charts(rows: Sequence[ReportRow]) -> Markup:
    """All charts side by side; empty where there is nothing to weigh."""
    return joined(_figure(plane) for plane in planes(rows))


def _figure(plane: Plane) -> Markup:
    stamped = [point.row for point in plane.points]
    better = "up and to the left" if plane.better_up else "down and to the left"
    words = f"Better is {better}. The line joins what nothing beats in both; the numbers are the table's."
    words += " The whiskers are the intervals of 95 % of the accuracies." if plane.better_up else ""
    return element(
        "figure",
        element("figcaption", element("strong", plane.title), " ", stamps(stamped, plane.doubts)),
        picture(_FRAME, _spoken(plane), *_drawn(plane)),
        element("p", words, class_="small"),
    )


def _interval(plane: Plane, point: Point) -> tuple[float, float]:
    """The interval of 95 % of an accuracy; of what has none the value alone."""
    low, high = point.row.accuracy_low, point.row.accuracy_high
    return (100 * low, 100 * high) if plane.better_up and low is not None and high is not None else (point.y, point.y)


def _spoken(plane: Plane) -> str:
    said = "; ".join(f"{point.index + 1} {point.row.run}: {point.x:.4g}, {point.y:.4g}" for point in plane.points)
    return f"{plane.title}. {plane.x_words}, {plane.y_words}: {said}"


def _drawn(plane: Plane) -> Iterator[Markup]:
    across = _FRAME.across(*room([point.x for point in plane.points], share=0.12))
    intervals = [_interval(plane, point) for point in plane.points]
    upward = _FRAME.upward(*room([end for interval in intervals for end in interval], share=0.12))
    yield axes(_FRAME, across, upward, (plane.x_words, plane.y_words))
    best = plane.best()
    if len(best) > 1:
        corners = " L".join(f"{dot(across.at(one.x))} {dot(upward.at(one.y))}" for one in best)
        yield element("path", class_="best", d=f"M{corners}")
    for point, (low, high) in zip(plane.points, intervals, strict=True):
        x, y = across.at(point.x), upward.at(point.y)
        spoilt = doubted(point.row.checks, plane.doubts)
        mark = marks_of(point.row, plane.doubts)
        whisker = {"x1": dot(x), "x2": dot(x), "y1": dot(upward.at(low)), "y2": dot(upward.at(high))}
        yield element(
            "g",
            element("line", class_=f"whisker {colour(point.index)}", **whisker) if low < high else None,
            element("title", f"{point.row.run}: {plane.x_words} {point.x:.4g}, {plane.y_words} {point.y:.4g}{mark}"),
            element(
                "circle", class_=f"dot {colour(point.index)}{' spoilt' if spoilt else ''}", cx=dot(x), cy=dot(y), r=6
            ),
            element("text", f"{point.index + 1}{mark}", class_="mark", x=dot(x + 9), y=dot(y - 7)),
        )
