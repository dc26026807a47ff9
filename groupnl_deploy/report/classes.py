"""How right a model was class by class, and what it took for what, as tables. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from groupnl_deploy.images.confusion import ClassAccuracy, Confusion

if TYPE_CHECKING:
    from groupnl_deploy.report.build import Report
    from groupnl_deploy.report.row import ReportRow

LARGEST_MATRIX = 20  # classes; of more, the worst ones and the most confused pairs are told
_MOST_LINES = 20
_GAP = 3  # between two columns
_LONGEST_NAME, _LEAST_OF_A_NAME = 24, 6

READ_IT = "A row is a true class; the columns behind the interval say how often each class was answered."


@dataclass(frozen=True)
class ClassTable:
    """Headings, each with whether its column is numeric, and the cells of every row."""

    headings: tuple[tuple[str, bool], ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class ClassSection:
    """What one model answered, and the runs in which it did."""

    model: str
    runs: tuple[str, ...]
    confusion: Confusion

    @property
    def title(self) -> str:
        """Model, accuracy and runs in a line."""
        return f"{self.model}: {self.confusion} ({', '.join(self.runs)})"


def class_sections(report: "Report") -> tuple[ClassSection, ...]:
    """One for each model whose answers can be counted, in the rows' order; equal answers of several runs stand once."""
    found: dict[tuple[str, Confusion], list[ReportRow]] = {}
    for row in report.rows:
        if row.confusion is not None:
            found.setdefault((row.source_sha256, row.confusion), []).append(row)
    return tuple(
        ClassSection(rows[0].model, tuple(row.run for row in rows), confusion) for (_, confusion), rows in found.items()
    )


def class_tables(confusion: Confusion, width: int | None = None) -> tuple[ClassTable, ...]:
    """One table with a row a class, its accuracy, its interval and its answers; of many classes the worst, and pairs.

    Args:
        confusion: the counts.
        width: characters of a line, into which names are shortened where they are too long.
    """
    if len(confusion.class_names) > LARGEST_MATRIX:
        return accuracy_table(confusion), _pairs(confusion)
    return (_matrix(confusion, width),)


def _matrix(confusion: Confusion, width: int | None) -> ClassTable:
    own = _accuracies(confusion.per_class)
    names = shortened(confusion.class_names, _room(own, len(confusion.matrix), width))
    if names[0] == "0" != confusion.class_names[0]:
        own = _accuracies([replace(one, name=f"{label} {one.name}") for label, one in enumerate(confusion.per_class)])
    headings = (*own.headings, *((name, True) for name in names))
    cells = ([str(count) if count else "·" for count in row] for row in confusion.matrix)
    return ClassTable(headings, tuple((*row, *more) for row, more in zip(own.rows, cells, strict=True)))


def _room(own: ClassTable, classes: int, width: int | None) -> int:
    """Characters that each answer's column may have, beside those of the classes themselves."""
    if width is None:
        return _LONGEST_NAME
    taken = sum(max(map(len, column)) + _GAP for column in zip(*own.rows, strict=True))
    return max(1, min(_LONGEST_NAME, (width - taken) // classes - _GAP))


def accuracy_table(confusion: Confusion) -> ClassTable:
    """A row for each class; of many the worst."""
    if len(confusion.class_names) <= LARGEST_MATRIX:
        return _accuracies(confusion.per_class)
    seen = [one for one in confusion.per_class if one.images]
    return _accuracies(sorted(seen, key=lambda one: one.accuracy or 0.0)[:_MOST_LINES])


def _accuracies(classes: Sequence[ClassAccuracy]) -> ClassTable:
    headings = (("Class", False), ("Images", True), ("Right", True), ("Acc. (%)", True), ("95 % interval", True))
    return ClassTable(headings, tuple(tuple(_cells(one)) for one in classes))


def _cells(one: ClassAccuracy) -> Iterator[str]:
    yield _cut(one.name, _LONGEST_NAME)
    yield from (str(one.images), str(one.right))
    if one.accuracy is None or one.interval is None:
        yield from ("–", "–")
    else:
        low, high = one.interval
        yield from (f"{100 * one.accuracy:.1f}", f"{100 * low:.1f}–{100 * high:.1f}")


def _pairs(confusion: Confusion) -> ClassTable:
    headings = (("True class", False), ("Taken for", False), ("Images", True))
    pairs = confusion.confused[:_MOST_LINES]
    return ClassTable(headings, tuple((pair.true, pair.answered, str(pair.images)) for pair in pairs))


def shortened(names: Sequence[str], most: int) -> tuple[str, ...]:
    """The names in so many characters; numbers from 0 where too little of them would be left to tell them apart."""
    cut = tuple(_cut(name, most) for name in names)
    readable = len(set(cut)) == len(names) and (most >= _LEAST_OF_A_NAME or cut == tuple(names))
    return cut if readable else tuple(map(str, range(len(names))))


def _cut(name: str, most: int) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"
