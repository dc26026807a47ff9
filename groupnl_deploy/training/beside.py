"""The folders of a training beside its checkpoint OUT: the state while it runs, and the weights that were best."""

import re
from collections.abc import Iterator
from pathlib import Path

BEST_ENDING = ".best"
"""Of the folder with the weights that were best on the test images."""
_NUMBER = re.compile(r"-\d+$")  # before that ending, where a folder of that name was there already


def resume_folder(out: Path) -> Path:
    """The folder of the state and the log while OUT is trained."""
    return out.with_name(f"{out.name}.resume")


def trained_with(best: Path) -> Iterator[Path]:
    """What the checkpoint of the last weights may be called where this folder has the best ones; else nothing."""
    name = best.name.removesuffix(BEST_ENDING)
    if name != best.name:
        yield from (best.with_name(one) for one in dict.fromkeys((name, _NUMBER.sub("", name))) if one)
