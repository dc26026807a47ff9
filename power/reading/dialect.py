"""How a table is written: what stands between its cells, for the decimal point, and between thousands. Pure.

A comma may be a decimal point or a mark of thousands, and `5,070` may be either; so may a point. The other numbers
tell: `0,600` and `12,5` are no thousands, `1,000.5` is no decimal. Where nothing tells, nothing is guessed.
"""

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass

from power.reading.text import Piece

BLANKS = " "  # any run of blanks between cells
SEPARATORS = ("\t", ";", "|", ",", BLANKS)
_NAMES = {"\t": "tabs", ";": "semicolons", "|": "bars", ",": "commas", BLANKS: "blanks"}
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_BLANKS_IN_NUMBERS = "\u00a0\u202f\u2009 '\u2019"  # marks of thousands that can be nothing else
_MARKED = re.compile(r"[+-]?\d*[.,][\d.,]*([eE][+-]?\d+)?", re.ASCII)  # a number with a point or a comma
_WITHOUT_BLANKS = str.maketrans("", "", _BLANKS_IN_NUMBERS)


class Ambiguous(ValueError):
    """A comma or a point that may mean either."""


@dataclass(frozen=True)
class Dialect:
    """`separator` between cells, `decimal` within numbers, and `thousands`, "" where there is no such mark."""

    separator: str = ","
    decimal: str = "."
    thousands: str = ""

    def __str__(self) -> str:
        decimal = "decimal commas" if self.decimal == "," else "decimal points"
        marked = f", {self.thousands!r} between thousands" if self.thousands else ""
        german = ", as a German spreadsheet writes" if (self.separator, self.decimal) == (";", ",") else ""
        return f"{_NAMES[self.separator]} between cells, {decimal}{marked}{german}"

    def cells(self, line: str) -> list[str]:
        """The cells of a line, without the blanks and the `="…"` around them. Raises `csv.Error` for open quotes."""
        if self.separator == BLANKS:
            return [cell.strip('"') for cell in line.split()]
        if '"' not in line:
            return [cell.strip() for cell in line.split(self.separator)]
        plain = line.replace('="', '"')
        found = next(csv.reader([plain], delimiter=self.separator, skipinitialspace=True, strict=True), [])
        return [cell.strip() for cell in found]

    def cells_if_whole(self, line: str) -> list[str]:
        """The same, and none of a line whose quotes are open."""
        try:
            return self.cells(line)
        except csv.Error:
            return []

    def number(self, text: str) -> float:
        """A number as it is written here. Raises `ValueError`, saying why, for what is none or may be two."""
        return float(self.plain_number(text))

    def plain_number(self, text: str) -> str:
        """The same as Python writes it."""
        cell = text.strip()
        for mark in _BLANKS_IN_NUMBERS:
            if mark in cell:
                cell = _without(cell, mark, self.decimal)
        other = "." if self.decimal == "," else ","
        if other in cell:
            if self.thousands != other and not _is_surely_grouped(cell, other, self.decimal):
                raise ValueError("a comma" if other == "," else "a point")
            cell = _without(cell, other, self.decimal)
        plain = cell.replace(self.decimal, ".")
        if not _NUMBER.fullmatch(plain):
            raise ValueError("no number")
        return plain

    def plain_piece(self, piece: Piece) -> Piece | None:
        """The piece as commas between cells and decimal points write it; None where only a careful look can tell."""
        if self.separator == "," and self.decimal == "." and piece.plain and not self.thousands:
            return piece
        if self.thousands or self.separator == BLANKS:
            return None
        text = "\n".join(piece.lines)
        if '"' in text:
            text = _without_quotes(text, self.separator)
            if '"' in text:
                return None
        if self.decimal == ",":
            if "." in text or self.separator == ",":
                return None
            text = text.replace(",", ".")
        if self.separator != ",":
            if "," in text:
                return None
            text = text.replace(self.separator, ",")
        is_plain = text.isascii() and text.replace("\n", "").isprintable()
        return Piece(piece.number, text.split("\n"), is_plain, piece.whole)


def _without_quotes(text: str, separator: str) -> str:
    """Lines without the quotes, and the `="…"`, around whole cells that hold no separator."""
    mark = re.escape(separator)
    return re.sub(rf'(^|{mark})[ ]*=?"([^"{mark}\n]*)"(?=[ ]*(?:{mark}|$))', r"\1\2", text, flags=re.MULTILINE)


def _without(cell: str, mark: str, decimal: str) -> str:
    """A number without its marks of thousands. Raises `ValueError` where they stand elsewhere than thousands do."""
    if not _is_grouped(cell, mark, decimal):
        raise ValueError("no number")
    return cell.replace(mark, "")


def _is_grouped(cell: str, mark: str, decimal: str) -> bool:
    whole = re.escape(mark).join((r"[+-]?[1-9]\d{0,2}", r"\d{3}"))
    more = rf"({re.escape(mark)}\d{{3}})*"
    return re.fullmatch(rf"{whole}{more}({re.escape(decimal)}\d*)?", cell) is not None


def _is_surely_grouped(cell: str, mark: str, decimal: str) -> bool:
    return _is_grouped(cell, mark, decimal) and (decimal in cell or cell.count(mark) > 1)


def _is_decimal(cell: str, decimal: str, mark: str) -> bool:
    """Whether a number has a decimal mark, and no mark of thousands that could be one."""
    whole = rf"(\d*|[1-9]\d{{0,2}}({re.escape(mark)}\d{{3}})+)"
    return re.fullmatch(rf"[+-]?{whole}{re.escape(decimal)}\d*([eE][+-]?\d+)?", cell) is not None


def number_marks(cells: Iterable[str], others: Iterable[str] = (), *, doubts_points: bool = False) -> tuple[str, str]:
    """Decimal and thousands marks of a table's number cells. Raises `Ambiguous` where they tell nothing, or two things.

    `others` are further cells of the table, which may tell and need not be told. A point is the decimal mark unless
    there are commas, or numbers for which it would be as odd as likely (`doubts_points`).

    >>> number_marks(["0,600", "5,070"]), number_marks(["1,000.5", "5"]), number_marks(["1.5"])
    ((',', ''), ('.', ','), ('.', ''))
    """
    numbers = _marked(cells)
    all_numbers = numbers + _marked(others)
    proofs = {",": _proof(all_numbers, ",", "."), ".": _proof(all_numbers, ".", ",")}
    if all(proofs.values()):
        raise Ambiguous(f"in {proofs[',']} the comma is a decimal point, and in {proofs['.']} it is none")
    decimal = next((mark for mark, proof in proofs.items() if proof), ".")
    other = "." if decimal == "," else ","
    surely = any(_is_surely_grouped(cell, other, decimal) for cell in all_numbers)
    in_doubt = [cell for cell in numbers if other in cell] if not surely else []
    if not any(proofs.values()) and doubts_points:
        in_doubt += numbers
    if in_doubt:
        what = "comma" if "," in in_doubt[0] else "point"
        raise Ambiguous(f"the {what} of {in_doubt[0]} may be a decimal point or stand between thousands")
    return decimal, other if surely else ""


def _marked(cells: Iterable[str]) -> list[str]:
    """The numbers with a point or a comma, without blanks between thousands."""
    plain = (text.strip().translate(_WITHOUT_BLANKS) for text in cells)
    return [cell for cell in plain if _MARKED.fullmatch(cell)]


def _proof(cells: Iterable[str], decimal: str, other: str) -> str:
    """A cell in which that is the decimal mark, "" where none is."""
    for cell in cells:
        if _is_surely_grouped(cell, other, decimal) or (
            _is_decimal(cell, decimal, other) and not _is_grouped(cell, decimal, other)
        ):
            return cell
    return ""
