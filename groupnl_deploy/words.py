"""Words that users type: an unknown name is refused with the nearest and the known ones; commands to copy."""

import difflib
import shlex
from collections.abc import Iterable

from groupnl_deploy.errors import UsageError

_ALIKE = 0.4  # of difflib's ratio: what has less in common was not meant


def known_word(kind: str, word: str, known: Iterable[str]) -> str:
    """`word` itself when it is known. Raises `UsageError` otherwise."""
    names = sorted(known)
    if word in names:
        return word
    nearest = difflib.get_close_matches(word, names, n=1, cutoff=_ALIKE)
    raise UsageError(
        f"There is no {kind} “{word}”; known are {', '.join(names) or 'none'}.",
        f"Did you mean “{nearest[0]}”?" if nearest else "Choose one of these.",
    )


def sentence(text: str) -> str:
    """With a capital, unless the first word is the name of a layer or a field."""
    named = any(mark in text.partition(" ")[0] for mark in "._:")
    return text if named else text[:1].upper() + text[1:]


def command_line(*words: object) -> str:
    """A `groupnl` command that can be copied into a shell, whatever characters its paths have."""
    return shlex.join(["groupnl", *map(str, words)])
