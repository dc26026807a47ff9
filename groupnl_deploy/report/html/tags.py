"""What rows and runs are called on a page, so that a point, a curve and a card can be found from one another. Pure.

Where nothing was repeated, run 1 is row 1. Else a row is a letter, and its runs are that letter with a number.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_uppercase

from groupnl_deploy.report.html.markup import Markup, element
from groupnl_deploy.report.html.stamps import colour
from groupnl_deploy.report.repeats import Group


@dataclass(frozen=True)
class Tag:
    """The name of a row or of a run, the class of its colour, and which run's card belongs to it, from 0."""

    text: str
    colour: str
    number: int
    place: int

    def swatch(self) -> Markup:
        """A patch of its colour."""
        return element("span", class_=f"swatch {self.colour}")


def group_tags(groups: Sequence[Group]) -> tuple[Tag, ...]:
    """Of each row."""
    repeated = any(len(group.runs) > 1 for group in groups)
    return tuple(
        Tag(_letters(index) if repeated else str(index + 1), colour(index), index, group.places[0])
        for index, group in enumerate(groups)
    )


def run_tags(groups: Sequence[Group]) -> tuple[Tag, ...]:
    """Of each run, in the report's order."""
    found: dict[int, Tag] = {}
    for tag, group in zip(group_tags(groups), groups, strict=True):
        for number, place in enumerate(group.places, 1):
            text = f"{tag.text}{number}" if not tag.text.isdigit() else tag.text
            found[place] = Tag(text, tag.colour, tag.number, place)
    return tuple(found[place] for place in sorted(found))


def _letters(index: int) -> str:
    """A to Z, then AA and on."""
    letters = ""
    while index >= 0:
        index, rest = divmod(index, 26)
        letters, index = ascii_uppercase[rest] + letters, index - 1
    return letters
