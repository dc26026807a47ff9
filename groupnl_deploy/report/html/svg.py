"""Small charts as SVG: axes with round numbers, points, bars. Drawn here, so that they need no script. Pure."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from groupnl_deploy.report.html.markup import Markup, element, joined

_ROUND = (1.0, 2.0, 2.5, 5.0, 10.0)
_FAR = 15.0  # times the least; on a plain scale all but the largest would lie in a corner


@dataclass(frozen=True)
class Scale:
    """From values to dots along one side of a chart; `least` and `most` lie at `begin` and `end`.

    `powers`: equal ratios are equally far apart; all values are above zero then. `whole`: only whole numbers are ticks.
    """

    least: float
    most: float
    begin: float
    end: float
    powers: bool = False
    whole: bool = False

    def at(self, value: float) -> float:
        """Where a value lies, in dots."""
        place = math.log10 if self.powers else float
        share = (place(value) - place(self.least)) / (place(self.most) - place(self.least))
        return self.begin + share * (self.end - self.begin)


@dataclass(frozen=True)
class Frame:
    """A chart's size and the room around its plot, in dots."""

    width: float = 420
    height: float = 300
    left: float = 58
    right: float = 14
    top: float = 16
    bottom: float = 46

    def across(self, least: float, most: float, powers: bool = False, whole: bool = False) -> Scale:
        """The scale from left to right."""
        return Scale(least, most, self.left, self.width - self.right, powers, whole)

    def upward(self, least: float, most: float, powers: bool = False) -> Scale:
        """The scale from the bottom to the top."""
        return Scale(least, most, self.height - self.bottom, self.top, powers)


def ticks(least: float, most: float, about: int = 5) -> tuple[float, ...]:
    """Round numbers from `least` or below to `most` or above, about so many steps; `most` is above `least`."""
    raw = (most - least) / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in _ROUND if factor * power >= raw * (1 - 1e-9))
    first, last = math.floor(least / step + 1e-9), math.ceil(most / step - 1e-9)
    return tuple(round(number * step, 12) for number in range(first, last + 1))


def powers_of_ten(least: float, most: float) -> tuple[float, ...]:
    """1, 2 and 5 times powers of ten between the two; the powers alone where these are many."""
    first, last = math.floor(math.log10(least)), math.ceil(math.log10(most))
    factors = (1, 2, 5) if last - first <= 3 else (1,)
    found = (round(factor * 10.0**power, 12) for power in range(first, last + 1) for factor in factors)
    return tuple(value for value in found if least <= value <= most)


def wide(values: Sequence[float]) -> tuple[float, float, bool]:
    """A range with some room for values, and whether it is one of powers: where the largest is far above the least."""
    if min(values) > 0 and max(values) / min(values) >= _FAR:
        return min(values) / 1.25, max(values) * 1.25, True
    return (*room(values, share=0.12), False)


def room(values: Sequence[float], from_zero: bool = False, share: float = 0.08) -> tuple[float, float]:
    """A range that holds all values, with some room beyond them; never empty."""
    low, high = min(values), max(values)
    pad = share * (high - low) or share * abs(high) or 1.0
    return (0.0 if from_zero else low - pad), high + pad


def number(value: float) -> str:
    """A tick's text: no more digits than it has."""
    return f"{value:,.10g}" if abs(value) < 1e6 else f"{value:.3g}"


def dot(value: float) -> str:
    """A place in a drawing; a tenth of a dot is enough."""
    return f"{value:.1f}"


def axes(frame: Frame, across: Scale, upward: Scale | None, words: tuple[str, str]) -> Markup:
    """Grid, ticks and the two names of a chart, the horizontal one first; `upward` is None where bars have no scale."""
    bottom, left = frame.height - frame.bottom, frame.left
    parts = []
    for value in _within(across):
        x = dot(across.at(value))
        parts += [
            element("line", class_="grid", x1=x, x2=x, y1=dot(frame.top), y2=dot(bottom)),
            element("text", number(value), class_="tick", x=x, y=dot(bottom + 17), text_anchor="middle"),
        ]
    if upward is not None:
        parts += _levels(frame, upward)
    middle = (frame.top + bottom) / 2
    return joined(
        parts,
        element("text", words[0], class_="axis", x=dot((left + frame.width - frame.right) / 2), y=frame.height - 8),
        element("text", words[1], class_="axis", transform=f"translate(13 {dot(middle)}) rotate(-90)"),
    )


def _levels(frame: Frame, upward: Scale) -> Iterator[Markup]:
    for value in _within(upward):
        y = dot(upward.at(value))
        yield element("line", class_="grid", x1=dot(frame.left), x2=dot(frame.width - frame.right), y1=y, y2=y)
        yield element("text", number(value), class_="tick", x=dot(frame.left - 7), y=y, dy="0.35em", text_anchor="end")


def _within(scale: Scale) -> list[float]:
    found = powers_of_ten(scale.least, scale.most) if scale.powers else ticks(scale.least, scale.most)
    inside = [value for value in found if scale.least <= value <= scale.most]
    return [value for value in inside if value.is_integer()] if scale.whole else inside


def picture(frame: Frame, title: str, *children: object) -> Markup:
    """A drawing with a name for those who do not see it."""
    return element(
        "svg",
        element("title", title),
        *children,
        class_="chart",
        viewBox=f"0 0 {frame.width:g} {frame.height:g}",
        role="img",
        aria_label=title,
    )
