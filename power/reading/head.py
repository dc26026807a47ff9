"""The beginning of a file: its lines, the line with the columns' names among them, and the rows to judge by. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from power.errors import TraceFormatError
from power.reading.dialect import BLANKS, SEPARATORS, Dialect
from power.reading.names import UNITS, Named, quantities, unit_of
from power.reading.text import Piece

LINES_TO_LOOK_AT = 1200
LINES_FOR_NAMES = 200  # a preamble is no longer
ROWS_TO_JUDGE_BY = 1000
_PADS = ",; \t"
_COMMENT_MARKS = ("#", "%", "//")
_SEP_LINE = re.compile(r'"?sep=(.)"?[,;\t ]*', re.IGNORECASE)
_NO_CELL = re.compile(r'[\s,;|"]*')


@dataclass(frozen=True)
class Head:
    """The first lines of a file called `name`, whole ones; the first has the number `first`, counted from 1."""

    name: str
    lines: tuple[str, ...]
    first: int = 1

    def line(self, number: int) -> str:
        """The line of that number."""
        return self.lines[number - self.first]

    def rows(self, number: int, leave: "Leaving") -> Iterator[str]:
        """The lines from that number on that are rows."""
        return (line for line in self.lines[number - self.first :] if not leave(line))


@dataclass(frozen=True)
class Header:
    """The line, counted from 1, that has the columns' names; what stands between them; which make joules."""

    number: int
    names: tuple[str, ...]
    separator: str
    columns: tuple[Named, ...]

    def place(self, name: str) -> int | None:
        """Where a column is that is called so."""
        return place_of(self.names, name)

    def in_units(self, units: Mapping[str, str]) -> list[Named]:
        """The columns of these names, as far as they are there, in the units that a format has them in."""
        found = ((self.place(name), name, UNITS[unit]) for name, unit in units.items())
        return [Named(place, name, unit.quantity, unit) for place, name, unit in found if place is not None]

    def has(self, *names: str) -> bool:
        """Whether there are columns of all these names."""
        return all(self.place(name) is not None for name in names)


@dataclass(frozen=True)
class Leaving:
    """Whether a line is no row: blank, padding, a comment, or the names once more, as a logger that appends writes."""

    header: str
    separator: str

    def __call__(self, line: str) -> bool:
        return is_blank(line) or is_comment(line, self.separator) or (bool(self.header) and bare(line) == self.header)


def place_of(names: Sequence[str], wanted: str) -> int | None:
    """Where a name is among the names of columns, whatever its letters' case; None where it is not."""
    return next((place for place, name in enumerate(names) if name.lower() == wanted.lower()), None)


def notes_of(head: Head) -> tuple[list[str], list[int], int]:
    """The `#` lines in front of all others, without a spreadsheet's padding; their numbers; that of the first other."""
    notes, numbers = [], []
    for number, line in enumerate(head.lines, head.first):
        if is_comment(line):
            notes.append(line.strip().strip('"'))
            numbers.append(number)
        elif not is_blank(line):
            return _without_pads(notes), numbers, number
    return _without_pads(notes), numbers, head.first + len(head.lines)


def _without_pads(notes: list[str]) -> list[str]:
    """Without what a spreadsheet adds to each line; no first line of ours ends so by itself."""
    return [note.rstrip(_PADS).strip('"') for note in notes] if notes and notes[0].endswith((",", ";")) else notes


def is_blank(line: str) -> bool:
    """Whether nothing but separators and blanks is in a line."""
    return _NO_CELL.fullmatch(line) is not None


def is_comment(line: str, separator: str = ",") -> bool:
    """Whether a line is one; where semicolons stand between cells, a line may begin with one."""
    start = line.lstrip(' "\t')
    return start.startswith(_COMMENT_MARKS) or (separator != ";" and start.startswith(";"))


def bare(line: str) -> str:
    """A line without what programs pad it with, and without a mark of comments in front."""
    return line.strip().strip(",;\t").lstrip("#%").strip().lower()


def looked_at(name: str, pieces: Iterator[Piece]) -> tuple[Head, Iterator[Piece]]:
    """The beginning of a text, and all of its pieces once more."""
    taken: list[Piece] = []
    rest = pieces
    try:
        while sum(len(piece.lines) for piece in taken) < LINES_TO_LOOK_AT:
            taken.append(next(pieces))
    except StopIteration:
        pass
    except TraceFormatError as error:
        if not any(piece.lines for piece in taken):
            raise
        rest = _raising(error)  # for what is wrong with the lines in front counts first
    lines = [line for piece in taken for line in piece.lines][:LINES_TO_LOOK_AT]
    return Head(name, tuple(lines), taken[0].number if taken else 1), chain(taken, rest)


def _raising(error: TraceFormatError) -> Iterator[Piece]:
    raise error
    yield  # an iterator that is asked for its first piece


def separator_line(head: Head) -> tuple[int, str | None]:
    """The number of the first line behind `sep=;`, with which a spreadsheet begins a file, and what it names."""
    found = _SEP_LINE.fullmatch(head.lines[0]) if head.lines else None
    return (head.first, None) if found is None else (head.first + 1, found[1])


def header_of(head: Head) -> Header | None:
    """The line that names most quantities that make joules, two of them at least, the first of several alike.

    One behind a mark of comments counts where no other does, as gnuplot's and numpy's tables have it.
    """
    first, separator = separator_line(head)
    found: list[tuple[int, int, Header]] = []
    for number, line in enumerate(head.lines[first - head.first : LINES_FOR_NAMES], first):
        if is_blank(line):
            continue
        for mark in separators(line) if separator is None else (separator,):
            header = _header(number, line, mark)
            kinds = {column.quantity for column in header.columns}
            if len(kinds) > 1:
                found.append((int(not is_comment(line, mark)), len(kinds), header))
    best = max(found, key=lambda candidate: candidate[:2], default=None)
    return None if best is None else _with_units(head, best[2])


def separators(line: str) -> tuple[str, ...]:
    """What may stand between the cells of a line: blanks where nothing else does."""
    return SEPARATORS if not any(mark in line for mark in SEPARATORS if mark != BLANKS) else SEPARATORS[:-1]


def _with_units(head: Head, header: Header) -> Header:
    """With the units that stand in a line of their own below the names, as some instruments write them."""
    below = next(iter(head.lines[header.number - head.first + 1 :]), "")
    lacking = [column for column in header.columns if column.unit is None]
    if not lacking or is_comment(below, header.separator):
        return header
    cells = [cell.strip("()[] ") for cell in Dialect(header.separator).cells_if_whole(below)]
    said = {column.place: unit_of(cell) for column in lacking for cell in cells[column.place : column.place + 1]}
    if any((unit := said.get(column.place)) is None or unit.quantity != column.quantity for column in lacking):
        return header
    columns = tuple(replace(column, unit=column.unit or said[column.place]) for column in header.columns)
    return replace(header, number=header.number + 1, columns=columns)


def _header(number: int, line: str, separator: str) -> Header:
    text = line.lstrip("#% ") if is_comment(line, separator) else line
    names = _without_padding(Dialect(separator).cells_if_whole(text))
    return Header(number, tuple(names), separator, tuple(quantities(names)))


def _without_padding(cells: Sequence[str]) -> list[str]:
    names = [cell.strip().strip('"') for cell in cells]
    while names and not names[-1]:
        names.pop()
    return names


def separator_of_rows(lines: Sequence[str]) -> str:
    """What stands between the cells of rows without names: that which all of them have as often, and most."""
    counts = {mark: {line.count(mark) for line in lines} for mark in SEPARATORS if mark != BLANKS}
    return next((mark for mark, found in counts.items() if len(found) == 1 and found != {0}), BLANKS)
