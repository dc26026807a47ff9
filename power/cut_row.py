"""The last line of a file without its newline: whole, or cut inside a number. Pure.

`1.2066` cut to `1.2` is a number all the same. A program that writes no newline at the end has written a whole row;
one that was killed, or a disk that was full, has not. The digits tell: a number that was cut has fewer behind its point
than others of its column, and a whole number has fewer in all. Where a column's digits vary by nature, a short one may
be either, and is not believed.
"""

from collections.abc import Sequence

LEAST_CELLS = 10  # before their equal digits are a format


def is_cut(cell: str, others: Sequence[str]) -> bool:
    """Whether the last cell of a file may be cut short, by the cells above it in its column.

    >>> is_cut("1.2", ["1.2066", "1.1987"]), is_cut("1.2", ["0.6", "1.4"]), is_cut("1.2e", ["1.2e-3"])
    (True, False, True)
    """
    longest = max(map(_digits_at_risk, others), default=(0, 0))
    return _digits_at_risk(cell) < longest if longest[0] else len(cell.strip(" +-")) < longest[1]


def is_short_of_all(cell: str, others: Sequence[str]) -> bool:
    """Whether a whole line's last cell lacks digits that all of the others have: cut, and the line ended later.

    Of ten numbers one ends with a zero, and many programs write none. Where others keep theirs, each has all digits.

    >>> is_short_of_all("1.2", ["1.2060", "1.1987"] * 5), is_short_of_all("1.2", ["1.2066", "1.1987"] * 5)
    (True, False)
    >>> is_short_of_all("1.2", ["1.2060", "1.198"] * 5), is_short_of_all("1.", ["1.2066", "1.198"] * 5)
    (False, True)
    """
    if len(others) < LEAST_CELLS:
        return False
    if _ends_with(cell, "."):
        return not any(_ends_with(other, ".") for other in others)
    digits = {_digits_at_risk(other)[0] for other in others}
    keep_zeros = len(digits) == 1 and any(_ends_with(other, "0") for other in others)
    return keep_zeros and _digits_at_risk(cell)[0] < min(digits)


def _ends_with(cell: str, mark: str) -> bool:
    """Whether a number does, its exponent apart."""
    return cell.strip(' "\r\n').lower().partition("e")[0].endswith(mark)


def _digits_at_risk(cell: str) -> tuple[int, int]:
    """How many characters of a number follow its point, or its exponent's mark, and how many there are in all."""
    cell = cell.strip(' +-"')
    for mark in (".", "e", "E"):
        _, found, behind = cell.partition(mark)
        if found:
            return len(behind), 0
    return 0, len(cell)
