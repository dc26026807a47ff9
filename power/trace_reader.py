"""A file that somebody brings → a recording, in one pass: of ours, or of any format that `power.formats` has."""

from collections.abc import Iterator
from pathlib import Path

from power.errors import TraceFormatError
from power.foreign import begins_again, read_foreign
from power.reading.asked import NOTHING, Asked
from power.reading.encoding import texts
from power.reading.head import looked_at
from power.reading.own import is_own, read_own
from power.reading.parts import is_own_beginning, part
from power.reading.source import opened
from power.reading.text import Piece, pieces_of
from power.trace import PowerTrace


def read_csv(path: Path, asked: Asked = NOTHING) -> PowerTrace:
    """Read a recording: one of ours, or any file of a format that is known or that `asked` describes; `-` is stdin.

    Of a file from elsewhere the names of the columns may be wrong: what no board takes and no clock counts is refused
    as `ImplausibleTrace`, unless it is allowed, and rows that have one time and differ are refused in any case.
    Raises `TraceFormatError`, naming the line, for anything that is not a recording.
    """
    try:
        with opened(path) as source:
            return _read(source.name, pieces_of(source.name, texts(source)), asked)
    except OSError as error:
        raise TraceFormatError(
            f"The recording {path} cannot be read: {error.strerror}.", "Check the path and its permissions."
        ) from error


def _read(name: str, pieces: Iterator[Piece], asked: Asked) -> PowerTrace:
    head, pieces = looked_at(name, pieces)
    own = is_own(head)
    if asked.part is not None:
        begins = is_own_beginning if own else begins_again(head)
        head, pieces = looked_at(name, part(name, pieces, begins, asked.part))
    if own and not asked.columns:
        return read_own(head, pieces, asked)
    return read_foreign(head, pieces, asked)
