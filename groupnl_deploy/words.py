"""Words that users type: an unknown name is refused with the nearest and the known ones; commands to copy."""

import difflib
import os.path
import re
import shlex
from collections.abc import Iterable, Sequence
from typing import TypeVar

from groupnl_deploy.errors import UsageError

EMULATOR_PORT = "emulator"  # in place of a meter's port: the project's own meter, on a pseudo-terminal

_ALIKE = 0.4  # of difflib's ratio: what has less in common was not meant
_MISSPELT = 0.7
_FEW = 20  # names are read; more are searched

ODD = re.compile(
    r"[^\n\t\x20-\x7e\u00a0-\U0010ffff]"  # C0, C1
    r"|[\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"  # other directions, halves of characters
)
"""What is no letter: control codes, and marks that nobody sees."""

Word = TypeVar("Word", bound=str)  # of a `Literal` most often


def known_word(kind: str, word: str, known: Iterable[Word]) -> Word:
    """The one of `known` that `word` is, with the type of `known`. Raises `UsageError` where it is none of them."""
    names = sorted(known)
    for name in names:
        if name == word:
            return name
    nearest = nearest_word(word, names)
    raise UsageError(
        f"There is no {kind} “{word}”; known are {_listed(word, names)}.",
        f"Did you mean “{nearest}”?" if nearest else "Choose one of these.",
    )


def _listed(word: str, names: Sequence[str]) -> str:
    """All of them where they are few, else those most like it, and how many there are."""
    if len(names) <= _FEW:
        return ", ".join(names) or "none"
    alike = difflib.get_close_matches(word, names, n=3, cutoff=0.0)
    return f"{', '.join(alike)} and {len(names) - len(alike)} others"


def nearest_word(word: str, known: Iterable[str]) -> str | None:
    """The shortest that begins with all of `word`, else the one most like it; None where nothing is alike."""
    names = list(known)
    longer = sorted((name for name in names if word and name.startswith(word)), key=len)
    return next(iter(longer or difflib.get_close_matches(word, names, n=1, cutoff=_ALIKE)), None)


def harmless(text: str) -> str:
    """The text with replacement characters for control codes and marks that nobody sees."""
    return ODD.sub("�", text)


def misspells(word: str, meant: str) -> bool:
    """Whether it is no path, and nothing but a misspelt `meant`."""
    alike = difflib.get_close_matches(word, [meant], cutoff=_MISSPELT)
    return word != meant and bool(alike) and not os.path.lexists(word)


def sentence(text: str) -> str:
    """With a capital, unless the first word is the name of a layer or a field."""
    named = any(mark in text.partition(" ")[0] for mark in "._:")
    return text if named else text[:1].upper() + text[1:]


def first_few(names: Sequence[str], most: int) -> str:
    """Those that are read, and how many more there are."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def first_line(error: BaseException, most: int = 200) -> str:
    """What an error of somebody else's says first, for the middle of a sentence; its kind where it says nothing."""
    return str(error).partition("\n")[0].rstrip(".")[:most] or type(error).__name__


def counted(number: int, thing: str, several: str | None = None) -> str:
    """So many things; `several` is their plural where it is not with an s."""
    return f"{number} {thing if number == 1 else several or f'{thing}s'}"


def duration_text(seconds: float) -> str:
    """Such as "40 s", "12 min" or "3 h 5 min"."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def command_line(*words: object) -> str:
    """A `groupnl` command that can be copied into a shell, whatever characters its paths have."""
    return shlex.join(["groupnl", *map(str, words)])


def naming(device: str, text: str) -> str:
    """A sentence about a device, with its name in front unless that stands in it already."""
    # A user of that name, or a part of a path, is not it.
    stands = re.search(rf"(?<![\w./@-]){re.escape(device)}(?![\w/@-]|\.\w)", text)
    return text if stands else f"{device}: {text}"
