"""Which class was taken for which, in words and tables."""

from typing import TYPE_CHECKING

from groupnl_deploy.cli import console
from groupnl_deploy.images.confusion import Confusion, interval_text

if TYPE_CHECKING:
    from groupnl_deploy.report.classes import ClassTable


def headline(confusion: Confusion) -> str:
    """Such as “95.2 % (343 of 360 images, 95 % interval 92.6 to 97.0 %)”."""
    counts = f"{confusion.right:,} of {confusion.images:,} images"
    return f"{100 * confusion.accuracy:.2f} % ({counts}, {interval_text(confusion.interval)})"


def show_classes(confusion: Confusion) -> None:
    """A line for each class; where they are too many, the worst."""
    from groupnl_deploy.report.classes import accuracy_table

    _show(accuracy_table(confusion))


def show_confusion(confusion: Confusion) -> None:
    """With what each class was taken for; names are shortened into the terminal's width."""
    from groupnl_deploy.report.classes import class_tables

    for table in class_tables(confusion, console.stdout_width()):
        _show(table)


def _show(table: "ClassTable") -> None:
    console.show_table(table.headings, table.rows)
