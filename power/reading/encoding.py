"""Bytes → text, by what the bytes are: UTF-8, UTF-16 as some spreadsheets save it, or Windows' cp1252. Pure.

A file is UTF-8 unless a mark or its zero bytes say UTF-16. Single bytes that are no UTF-8 are read as cp1252, in which
`°` and `µ` are the only letters that a table of numbers is likely to have; a number has neither.
"""

import codecs
from collections.abc import Iterator

from power.errors import TraceFormatError
from power.reading.source import Source

_MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_FALLBACK = "groupnl-cp1252"
_ZEROS = 0.4  # share of zero bytes among those of one parity that tells UTF-16 without a mark
_MANY_CONTROLS = 0.1


def _as_cp1252(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    wrong = error.object[error.start : error.end]
    return wrong.decode("cp1252", errors="replace"), error.end


codecs.register_error(_FALLBACK, _as_cp1252)


def encoding_of(head: bytes) -> str:
    """The encoding of a file that begins so.

    >>> encoding_of(b"t_s,voltage_v"), encoding_of("t_s".encode("utf-16")), encoding_of("t_s".encode("utf-16-be"))
    ('utf-8', 'utf-16-le', 'utf-16-be')
    """
    for mark, encoding in _MARKS.items():
        if head.startswith(mark):
            return encoding
    beginning = head[:4096]
    even, odd = (beginning[place::2] for place in (0, 1))
    for encoding, zeros, letters in (("utf-16-le", odd, even), ("utf-16-be", even, odd)):
        if zeros.count(0) > _ZEROS * len(zeros) and letters.count(0) <= 0.01 * len(letters):
            return encoding
    return "utf-8"


def texts(source: Source) -> Iterator[str]:
    """A source as text, without its mark. Raises `TraceFormatError` for bytes that are no text."""
    _refuse_binary(source)
    encoding = encoding_of(source.head)
    errors = _FALLBACK if encoding == "utf-8" else "strict"
    decoder = codecs.getincrementaldecoder(encoding)(errors)
    is_first = True
    try:
        for block in source.blocks:
            text = decoder.decode(block)
            yield text.removeprefix("\ufeff") if is_first else text
            is_first = is_first and not text
        if encoding == "utf-8" or not source.head.startswith(tuple(_MARKS)):
            yield decoder.decode(b"", final=True)  # else half a letter at the end is what a cut leaves
    except UnicodeDecodeError as error:
        raise _no_text(source.name) from error


def _refuse_binary(source: Source) -> None:
    """Zero bytes may be what a power failure left; other control bytes in number are no text."""
    if encoding_of(source.head) != "utf-8":
        return
    controls = sum(source.head.count(bytes([byte])) for byte in (*range(1, 9), *range(14, 32)))
    if controls > _MANY_CONTROLS * len(source.head.rstrip(b"\0")):
        raise _no_text(source.name)


def _no_text(name: str) -> TraceFormatError:
    return TraceFormatError(
        f"{name} is not a text file: its bytes are those of a program's own format.",
        "Export the recording as CSV, or name the file that groupnl power record wrote.",
    )
