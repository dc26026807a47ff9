"""A text file as pieces of whole lines: a regular file only, and little of it in memory, however large it is."""

import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from power.errors import TraceFormatError
from power.trace_facts import bad_line

LONGEST_LINE = 1 << 16  # characters: a thousand times a row of ours
_READ_CHARS = 1 << 20
_PLAIN = bytes(range(0x20, 0x7F)).replace(b'"', b"") + b"\n"


@dataclass(frozen=True)
class Piece:
    """Lines of a file without their ends; the first has the `number`, counted from 1.

    `plain` says that nothing but printable ASCII without quotes is in them. `whole` is False for what stands behind
    the last newline of a file: one line, perhaps cut short.
    """

    number: int
    lines: list[str]
    plain: bool
    whole: bool = True

    def after(self, count: int) -> "Piece":
        """The piece without its first lines."""
        return Piece(self.number + count, self.lines[count:], self.plain, self.whole)


def pieces_of(path: Path) -> Iterator[Piece]:
    """All lines of a file, some ten thousand at a time. A line ends at a line feed, with or without a return before it.

    Raises `TraceFormatError` for anything but a regular file of text, and for a line that no row can be as long as.
    """
    number, rest = 1, ""
    with _opened(path) as file:
        while block := file.read(_READ_CHARS):
            text, newline, rest = (rest + block).rpartition("\n")
            if newline:
                piece = _piece(number, text)
                yield from _bounded(path, piece)
                number += len(piece.lines)
            if len(rest) > LONGEST_LINE:
                raise _too_long(path, number)
    if rest:
        yield Piece(number, [rest], plain=False, whole=False)


def _opened(path: Path) -> TextIO:
    # Asked before it is opened: opening a named pipe waits for a writer.
    if not stat.S_ISREG(path.stat().st_mode):
        raise TraceFormatError(
            f"The recording {path} is not a regular file.",
            "Name a CSV file; what comes from a pipe or a device must be saved to a file first.",
        )
    return path.open(encoding="utf-8-sig", newline="\n")


def _piece(number: int, text: str) -> Piece:
    if "\r" in text:  # to look for one character is ten times as fast as to look for two
        text = text.replace("\r\n", "\n").removesuffix("\r")
    return Piece(number, text.split("\n"), plain=text.isascii() and not text.encode().translate(None, _PLAIN))


def _bounded(path: Path, piece: Piece) -> Iterator[Piece]:
    """The piece, or only what stands before a line that is too long."""
    if max(map(len, piece.lines)) <= LONGEST_LINE:
        yield piece
        return
    place = next(place for place, line in enumerate(piece.lines) if len(line) > LONGEST_LINE)
    yield Piece(piece.number, piece.lines[:place], piece.plain)
    raise _too_long(path, piece.number + place)


def _too_long(path: Path, number: int) -> TraceFormatError:
    return bad_line(
        path,
        number,
        f"it is longer than {LONGEST_LINE} characters",
        "Name the CSV that groupnl power record wrote, or one with a row on each line.",
    )
