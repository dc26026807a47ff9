"""Which class was taken for which, in words and tables."""

from groupnl_deploy.cli import console
from groupnl_deploy.images.confusion import ClassAccuracy, Confusion, interval_text

MOST_CLASSES = 20  # more rows are searched, not read
_WORST, _MOST_PAIRS = 5, 10
_LONGEST_NAME = 24


def headline(confusion: Confusion) -> str:
    """Such as “95.2 % (343 of 360 images, 95 % interval 92.6 to 97.0 %)”."""
    counts = f"{confusion.right:,} of {confusion.images:,} images"
    return f"{100 * confusion.accuracy:.2f} % ({counts}, {interval_text(confusion.interval)})"


def show_classes(confusion: Confusion) -> None:
    """A line for each class; where they are too many, the worst."""
    rows = [one for one in confusion.per_class if one.images]
    if len(rows) > MOST_CLASSES:
        rows = sorted(rows, key=lambda one: (one.accuracy or 0.0, -one.images))[:_WORST]
        console.show_text(f"The worst {len(rows)} of {len(confusion.class_names)} classes:")
    headings = [("Class", False), ("Images", True), ("Right", True), ("Accuracy (%)", True), ("95 % interval", True)]
    console.show_table(headings, [_row(one) for one in rows])


def show_confused(confusion: Confusion) -> None:
    """The whole matrix of few classes, else the pairs that are confused most often."""
    names = confusion.class_names
    if len(names) <= MOST_CLASSES:
        shown = [label for label in range(len(names)) if any(confusion.matrix[label])]
        headings = [("True \\ answer", False), *((_short(name), True) for name in names)]
        rows = [(_short(names[label]), *(_count(n) for n in confusion.matrix[label])) for label in shown]
        console.show_table(headings, rows)
        return
    pairs = confusion.confused[:_MOST_PAIRS]
    if pairs:
        headings = [("Confused most often", False), ("taken for", False), ("Images", True)]
        console.show_table(headings, [(pair.true, pair.answered, str(pair.images)) for pair in pairs])


def _row(one: ClassAccuracy) -> tuple[str, ...]:
    low, high = one.interval or (0.0, 1.0)
    accuracy = f"{100 * (one.accuracy or 0.0):.1f}"
    return _short(one.name), str(one.images), str(one.right), accuracy, f"{100 * low:.1f}–{100 * high:.1f}"


def _count(images: int) -> str:
    return str(images) if images else "·"


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"
