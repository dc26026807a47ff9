"""Text as pieces of whole lines: little of it in memory, however long it is. Pure."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from power.errors import TraceFormatError
from power.trace_facts import bad_line

LONGEST_LINE = 1 << 16  # characters: a thousand times a row of ours
_RETURNS = re.compile("\r+\n")
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


def pieces_of(name: str, texts: Iterable[str]) -> Iterator[Piece]:
    """All lines of a text that comes in parts. A line ends at a line feed, with or without returns before it, or at a
    return in a text that has no line feed.

    Raises `TraceFormatError` for a line that no row can be as long as; `name` is the file's.
    """
    number, rest, returns_alone = 1, "", None
    for part in texts:
        text = part
        if returns_alone is None:  # what came before may end with the return that decides
            text, rest = rest + part, ""
            if "\n" in text or "\r" in text.rstrip("\r"):
                returns_alone = "\n" not in text
        block = text.replace("\r", "\n") if returns_alone else text
        whole, newline, rest = (rest + block).rpartition("\n")
        if newline:
            piece = _piece(number, whole)
            yield from _bounded(name, piece)
            number += len(piece.lines)
        if len(rest) > LONGEST_LINE:
            raise _too_long(name, number)
    if rest:
        yield Piece(number, [rest], plain=False, whole=False)


def _piece(number: int, text: str) -> Piece:
    if "\r" in text:  # to look for one character is ten times as fast as to look for two
        text = _RETURNS.sub("\n", text).rstrip("\r")
    return Piece(number, text.split("\n"), plain=text.isascii() and not text.encode().translate(None, _PLAIN))


def _bounded(name: str, piece: Piece) -> Iterator[Piece]:
    """The piece, or only what stands before a line that is too long."""
    if max(map(len, piece.lines)) <= LONGEST_LINE:
        yield piece
        return
    place = next(place for place, line in enumerate(piece.lines) if len(line) > LONGEST_LINE)
    yield Piece(piece.number, piece.lines[:place], piece.plain)
    raise _too_long(name, piece.number + place)


def _too_long(name: str, number: int) -> TraceFormatError:
    return bad_line(
        name,
        number,
        f"it is longer than {LONGEST_LINE} characters",
        "Name the CSV that groupnl power record wrote, or one with a row on each line.",
    )
