"""Accuracy against latency and energy: what no other row beats in both is joined by a line. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from groupnl_deploy.bench.check import Doubts
from groupnl_deploy.bench.validity import doubted
from groupnl_deploy.report.html.markup import Markup, element
from groupnl_deploy.report.html.stamps import stamps
from groupnl_deploy.report.html.svg import Frame, Scale, axes, dot, picture, wide
from groupnl_deploy.report.html.tags import Tag
from groupnl_deploy.report.marks import marks
from groupnl_deploy.report.repeats import Group
from groupnl_deploy.report.row import ReportRow

_FRAME = Frame()
_DOT, _LETTER, _TALL = 6.0, 8.0, 12.0  # pixels: a dot's radius, a letter of a mark and its height
_WHISKERS = "Whiskers: of an accuracy its interval of 95 %, of repeats their range or interval."


Ends = tuple[float, float]


@dataclass(frozen=True)
class Point:
    """A row's place in a chart, and what each of the two lies between: of repeats, or as a share of images."""

    tag: Tag
    row: ReportRow
    x: float
    y: float
    x_ends: Ends
    y_ends: Ends


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
        if self.doubts == "energy" and not all(point.row.emulated for point in sound):
            sound = [point for point in sound if not point.row.emulated]  # what is made up beats nothing measured
        found: list[Point] = []
        for point in sorted(sound, key=lambda one: (one.x, sign * one.y)):
            if not found or sign * point.y < sign * found[-1].y:
                found.append(point)
        return found


@dataclass(frozen=True)
class _Measure:
    """One side of a chart: its words, the number in a report, how much one of its own units is in the unit shown."""

    words: str
    name: str
    scale: float

    def of(self, group: Group) -> tuple[float, Ends] | None:
        """The number of a row and what it lies between; None where the row has none."""
        row = group.row
        value = getattr(row.latency, self.name, None) if self.name == "p50_ms" else getattr(row, self.name)
        if value is None:
            return None
        found = group.spreads.get(self.name)
        ends = (value, value) if found is None else (found.low, found.high)
        if self.name == "accuracy" and row.accuracy_low is not None and row.accuracy_high is not None:
            ends = (row.accuracy_low, row.accuracy_high)
        return self.scale * value, (self.scale * ends[0], self.scale * ends[1])


_LATENCY = _Measure("p50 latency (ms)", "p50_ms", 1.0)
_ENERGY = _Measure("Energy per inference (mJ, gross)", "energy_j", 1e3)
_ACCURACY = _Measure("Accuracy (%)", "accuracy", 1e2)


def planes(groups: Sequence[Group], tags: Sequence[Tag]) -> tuple[Plane, ...]:
    """Accuracy over latency and over energy, and energy over latency; those that two rows or more have."""
    wanted = (
        _plane("Accuracy and latency", _LATENCY, _ACCURACY, "time", groups, tags),
        _plane("Accuracy and energy", _ENERGY, _ACCURACY, "energy", groups, tags),
        _plane("Energy and latency", _LATENCY, _ENERGY, "energy", groups, tags),
    )
    return tuple(plane for plane in wanted if len(plane.points) > 1)


def _plane(
    title: str, across: _Measure, upward: _Measure, doubts: Doubts, groups: Sequence[Group], tags: Sequence[Tag]
) -> Plane:
    found = ((tag, group.row, across.of(group), upward.of(group)) for tag, group in zip(tags, groups, strict=True))
    points = tuple(
        Point(tag, row, x[0], y[0], x[1], y[1]) for tag, row, x, y in found if x is not None and y is not None
    )
    return Plane(title, across.words, upward.words, upward is _ACCURACY, doubts, points)


def tradeoff_charts(groups: Sequence[Group], tags: Sequence[Tag]) -> Markup:
    """All charts side by side; empty where there is nothing to weigh."""
    figures = [_figure(plane) for plane in planes(groups, tags)]
    return element("div", figures, class_="figures") if figures else Markup("")


def _figure(plane: Plane) -> Markup:
    stamped = [point.row for point in plane.points]
    better = "up and to the left" if plane.better_up else "down and to the left"
    words = f"Better is {better}. The line joins what nothing beats in both; the numbers are the table's."
    if any(one.x_ends[0] < one.x_ends[1] or one.y_ends[0] < one.y_ends[1] for one in plane.points):
        words += f" {_WHISKERS}"
    return element(
        "figure",
        element("figcaption", element("strong", plane.title), " ", stamps(stamped, plane.doubts)),
        picture(_FRAME, _spoken(plane), *_drawn(plane)),
        element("p", words, class_="small"),
    )


def _spoken(plane: Plane) -> str:
    said = "; ".join(f"{point.tag.text} {point.row.run}: {point.x:.4g}, {point.y:.4g}" for point in plane.points)
    return f"{plane.title}. {plane.x_words}, {plane.y_words}: {said}"


def _drawn(plane: Plane) -> Iterator[Markup]:
    across = _FRAME.across(*wide([end for point in plane.points for end in (point.x, *point.x_ends)]))
    upward = _FRAME.upward(*wide([end for point in plane.points for end in (point.y, *point.y_ends)]))
    yield axes(_FRAME, across, upward, (plane.x_words, plane.y_words))
    best = plane.best()
    if len(best) > 1:
        corners = " L".join(f"{dot(across.at(one.x))} {dot(upward.at(one.y))}" for one in best)
        yield element("path", class_="best", d=f"M{corners}")
    places = [(across.at(point.x), upward.at(point.y)) for point in plane.points]
    corners_of = label_places(places, [_label(plane, point) for point in plane.points])
    for point, corner in zip(plane.points, corners_of, strict=True):
        yield _mark(plane, point, (across, upward), corner)


def label_places(dots: Sequence[Ends], labels: Sequence[str]) -> list[Ends]:
    """Where each text begins, beside its dot and off the other texts and dots where there is room; all in pixels."""
    taken = [(x - _DOT, y - _DOT, x + _DOT, y + _DOT) for x, y in dots]
    found: list[Ends] = []
    for (x, y), text in zip(dots, labels, strict=True):
        width = _LETTER * len(text)
        beside = [(x + 9, y - 7), (x + 9, y + 17), (x - 9 - width, y - 7), (x - 9 - width, y + 17)]
        beside += [(x - width / 2, y - 12), (x - width / 2, y + 22), (x + 9, y - 20), (x + 9, y + 30)]
        boxes = [(left, low - _TALL, left + width, low) for left, low in beside]
        free = [place for place, box in enumerate(boxes) if not any(_overlap(box, other) for other in taken)]
        chosen = free[0] if free else 0
        taken.append(boxes[chosen])
        found.append(beside[chosen])
    return found


def _overlap(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    """Of two boxes: left, top, right, bottom."""
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _label(plane: Plane, point: Point) -> str:
    return f"{point.tag.text}{marks(point.row, plane.doubts)}"


def _mark(plane: Plane, point: Point, scales: tuple[Scale, Scale], label_at: Ends) -> Markup:
    across, upward = scales
    x, y = across.at(point.x), upward.at(point.y)
    left, right, low, high = *map(across.at, point.x_ends), *map(upward.at, point.y_ends)
    mark = marks(point.row, plane.doubts)
    spoilt = " spoilt" if doubted(point.row.checks, plane.doubts) else ""
    whisker = f"whisker {point.tag.colour}"
    return element(
        "g",
        element("line", class_=whisker, x1=dot(x), x2=dot(x), y1=dot(low), y2=dot(high)) if low != high else None,
        element("line", class_=whisker, x1=dot(left), x2=dot(right), y1=dot(y), y2=dot(y)) if left != right else None,
        element("title", f"{point.row.run}: {plane.x_words} {point.x:.4g}, {plane.y_words} {point.y:.4g}{mark}"),
        element("circle", class_=f"dot {point.tag.colour}{spoilt}", cx=dot(x), cy=dot(y), r=6),
        element("text", _label(plane, point), class_="mark", x=dot(label_at[0]), y=dot(label_at[1])),
    )
