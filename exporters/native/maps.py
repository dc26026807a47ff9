"""Maps as functions of the seed maps that they are made of, a channel each, in double precision.

    y = post_scale · f(pre_scale · s + pre_shift; exponent) + post_shift

A graph is followed node by node from the seed maps on. Splits, copies and concatenations choose channels; what is
linear goes into the scales and shifts; a function of a linear term is one f, and some products of such are another.
Whatever form a layer is written in, what it computes is one table in the end.
"""

from dataclasses import dataclass, replace

import numpy as np

from exporters.native.operators import FUNCTIONS
from exporters.rules.affine import MOST_CANCELLED
from exporters.rules.graph import Array

PRE_SCALE, PRE_SHIFT, EXPONENT, POST_SCALE, POST_SHIFT = range(5)

LINE = "line"  # u itself, u = s
# On the way to a function: |u|, sign(u), |u|^e and u².
ABS, SIGN, POWER, SQUARE = "abs", "sign", "power", "square"
SINE, MONOMIAL, GAUSSIAN, LAPLACE, EXPONENTIAL = FUNCTIONS  # by their names in the operator set


@dataclass(frozen=True)
class Maps:
    """Channels of maps that were made of seed maps.

    Args:
        source: (C,) which seed map each is made of.
        function: (C,) the name of f; of "line" the pre scale is 1 and the pre shift 0.
        rows: (5, C) pre scale, pre shift, exponent, post scale and post shift.
        least: the seed maps are divided by max(their norm over channels, this); None where they are not.
    """

    source: Array
    function: Array
    rows: Array
    least: float | None = None

    def __len__(self) -> int:
        return len(self.source)

    def take(self, channels: Array) -> "Maps":
        """Some of the channels, or each several times."""
        return Maps(self.source[channels], self.function[channels], self.rows[:, channels], self.least)

    def then(self, scale: Array, shift: Array) -> "Maps":
        """scale · y + shift, one of each a channel."""
        rows = self.rows.copy()
        rows[POST_SCALE] *= scale
        rows[POST_SHIFT] = scale * rows[POST_SHIFT] + shift
        return replace(self, rows=rows)

    def rounds_on_purpose(self, scale: Array, shift: Array) -> bool:
        """Whether such a step takes away again what was added before: what that rounded off would come back."""
        carried, then = np.abs(scale * self.rows[POST_SHIFT]), self.then(scale, shift).rows
        return bool((carried > MOST_CANCELLED * (np.abs(then[POST_SHIFT]) + np.abs(then[POST_SCALE]))).any())

    def all_are(self, *functions: str) -> bool:
        """Whether every channel is one of these functions."""
        return bool(np.isin(self.function, functions).all())


def seed_maps(count: int) -> Maps:
    """The seed maps themselves."""
    return _of(np.arange(count), LINE, np.ones(count), np.zeros(count))


def joined(parts: list[Maps]) -> Maps | None:
    """The channels of several, in their order; None where only some are divided by the norm."""
    if len({part.least for part in parts}) > 1:
        return None
    source, function = (np.concatenate([getattr(part, name) for part in parts]) for name in ("source", "function"))
    return Maps(source, function, np.concatenate([part.rows for part in parts], axis=1), parts[0].least)


def divided_by_norm(maps: Maps, seeds: int, least: float) -> Maps | None:
    """y / max(‖y‖, least), of all the seed maps as they are, once or n times each: their norm is √n of the seeds'."""
    times = np.bincount(maps.source, minlength=seeds)
    plain = maps.all_are(LINE) and (maps.rows[POST_SCALE] == 1).all() and not maps.rows[POST_SHIFT].any()
    if maps.least is not None or not plain or not (times == times[0]).all():
        return None
    factor = 1 / np.sqrt(times[0])
    return replace(maps.then(np.full(len(maps), factor), np.zeros(len(maps))), least=float(least * factor))


def sine(maps: Maps) -> Maps | None:
    """sin(y), whose argument is then in half turns."""
    return _inside(maps, SINE, 1 / np.pi)


def absolute(maps: Maps) -> Maps | None:
    """|y|."""
    return _inside(maps, ABS)


def sign(maps: Maps) -> Maps | None:
    """sign(y)."""
    return _inside(maps, SIGN)


def square(maps: Maps) -> Maps | None:
    """y²."""
    return _inside(maps, SQUARE)


def power(maps: Maps, exponent: Array) -> Maps | None:
    """y^e of a multiple of |u|, or of y² where all e are 2."""
    if (exponent == 2).all() and maps.all_are(LINE):
        return square(maps)
    scale, shift = maps.rows[POST_SCALE], maps.rows[POST_SHIFT]
    if not maps.all_are(ABS) or not (scale > 0).all() or shift.any():
        return None
    return _renamed(maps, POWER, scale, EXPONENT, exponent)


def exponential(maps: Maps) -> Maps | None:
    """e^y: of −a·|u|, of −a·u² and of what is linear."""
    if maps.all_are(LINE):
        return _inside(maps, EXPONENTIAL, -1.0)
    scale = maps.rows[POST_SCALE]
    with np.errstate(over="ignore"):
        factor = np.exp(maps.rows[POST_SHIFT])
    if not maps.all_are(ABS, SQUARE) or (scale > 0).any() or not np.isfinite(factor).all():
        return None
    if maps.all_are(ABS):
        return _renamed(maps, LAPLACE, -scale, POST_SCALE, factor)
    return _renamed(maps, GAUSSIAN, np.sqrt(-scale), POST_SCALE, factor) if maps.all_are(SQUARE) else None


def product(one: Maps, other: Maps) -> Maps | None:
    """y · z: of a map with itself, and of |u|^e with sign(u)."""
    if one is other:
        return square(one)
    powers, signs = (one, other) if one.all_are(POWER) else (other, one)
    if not powers.all_are(POWER) or not signs.all_are(SIGN) or powers.least != signs.least:
        return None
    same = (powers.source == signs.source).all() and (powers.rows[:EXPONENT] == signs.rows[:EXPONENT]).all()
    if not same or powers.rows[POST_SHIFT].any() or signs.rows[POST_SHIFT].any():
        return None
    scale = powers.rows[POST_SCALE] * signs.rows[POST_SCALE]
    return _renamed(powers, MONOMIAL, np.ones(len(powers)), POST_SCALE, scale)


def _of(source: Array, function: str, scale: Array, shift: Array, least: float | None = None) -> Maps:
    """f of a linear term: of a line the scale and shift stand behind, of any other function before."""
    one, zero = np.ones(len(source)), np.zeros(len(source))
    rows = [one, zero, one, scale, shift] if function == LINE else [scale, shift, one, one, zero]
    return Maps(source, np.full(len(source), function, dtype=object), np.array(rows, dtype=np.float64), least)


def _inside(maps: Maps, function: str, factor: float = 1.0) -> Maps | None:
    """f(factor · y), of a y that is linear."""
    if not maps.all_are(LINE):
        return None
    scale, shift = factor * maps.rows[POST_SCALE], factor * maps.rows[POST_SHIFT]
    return _of(maps.source, function, scale, shift, maps.least)


def _renamed(maps: Maps, function: str, inside: Array, row: int, values: Array) -> Maps:
    """Another function of the argument times `inside`, one row set to `values` and the rest of what is behind gone."""
    rows = maps.rows.copy()
    rows[PRE_SCALE : PRE_SHIFT + 1] *= inside
    rows[POST_SCALE], rows[POST_SHIFT] = 1.0, 0.0
    rows[row] = values
    return Maps(maps.source, np.full(len(maps), function, dtype=object), rows, maps.least)
