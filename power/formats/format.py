"""What a format of recordings is."""

from collections.abc import Callable
from dataclasses import dataclass

from power.reading.asked import Asked
from power.reading.head import Head, Header
from power.reading.plan import Plan


@dataclass(frozen=True)
class Format:
    """A way in which a program writes recordings.

    `word` is for `--json` and tests, `title` for people, `source` the public specification or program that says so.
    `plan` is how a file that begins so is read, None where it is of another format; it raises `TraceFormatError` where
    it is of this one and something is missing, such as a voltage. Where a person names columns, only a format that
    `takes_columns` of its own kind is asked.
    """

    word: str
    title: str
    source: str
    plan: Callable[[Head, Header | None, Asked], Plan | None]
    takes_columns: bool = False
