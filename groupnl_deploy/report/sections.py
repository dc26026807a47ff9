"""Tables that a report has on request, in one form for all its writers. Pure."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Section:
    """A table with a title and what has to be said below it.

    Args:
        name: its key in JSON.
        title: above it.
        headings: each with whether its column is of numbers.
        rows: the cells, marks and all.
        notes: sentences.
        data: the same for programs.
        empty: whether nothing of ours is in it.
        chapter: what it stands under on a page; a chapter of its own where it is None.
    """

    name: str
    title: str
    headings: tuple[tuple[str, bool], ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]
    data: Any
    empty: bool = False
    chapter: str | None = None
