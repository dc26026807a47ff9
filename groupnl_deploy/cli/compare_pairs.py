"""The runs of two things put into pairs: runs of equal settings, the k-th repeat with the k-th."""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from groupnl_deploy.errors import UsageError
from groupnl_deploy.report.row import ReportRow
from groupnl_deploy.report.settings_pairs import Setting, in_words, setting_of, sorting, varied
from groupnl_deploy.report.traits import Trait
from groupnl_deploy.words import counted

NUMBER = re.compile(r"-run(\d+)(\.incomplete.*)?$")


@dataclass(frozen=True)
class FoundRun:
    """A whole run: its folder, the place that the user named it by, and its row."""

    folder: Path
    named: Path
    row: ReportRow

    @property
    def number(self) -> int:
        """The how manieth repeat it is, by its name; the first of a campaign has no number."""
        found = NUMBER.search(self.folder.name)
        return int(found[1]) if found else 1


Runs = Sequence[FoundRun]
Paired = tuple[list[FoundRun], list[FoundRun], list[FoundRun]]
"""The runs of A and those of B in the order of the pairs, and those without a partner."""


def paired(first: Runs, second: Runs) -> Paired:
    """Where a side has runs under several settings, the pairs are made within each.

    Raises `UsageError` where the sides' settings are not the same ones.
    """
    traits = varied([run.row for run in first], [run.row for run in second])
    left, right = _by_setting(first, traits), _by_setting(second, traits)
    if traits and left.keys() != right.keys():
        raise _unlike(left, right, traits)
    made: Paired = ([], [], [])
    for setting in sorted(left, key=sorting):
        _require_as_many(left[setting], right[setting], in_words(setting, traits))
        for whole, part in zip(made, _in_order(left[setting], right[setting]), strict=True):
            whole.extend(part)
    return made


def such_as(*sides: Runs) -> str:
    """The command that compares these, with names that are there."""
    return f"`groupnl compare {' '.join(map(_words, sides))}`"


def _by_setting(side: Runs, traits: Sequence[Trait]) -> dict[Setting, list[FoundRun]]:
    found: dict[Setting, list[FoundRun]] = {}
    for run in side:
        found.setdefault(setting_of(run.row, traits), []).append(run)
    return found


def _unlike(
    left: dict[Setting, list[FoundRun]], right: dict[Setting, list[FoundRun]], traits: Sequence[Trait]
) -> UsageError:
    said = (
        "; ".join(f"{in_words(one, traits)} ({counted(len(side[one]), 'run')})" for one in sorted(side, key=sorting))
        for side in (left, right)
    )
    both = sorted(left.keys() & right.keys(), key=sorting)
    a, b = (both[0] if both else min(side, key=sorting) for side in (left, right))
    return UsageError(
        "Only runs of equal settings are paired, and the sides have different ones: A has {}. B has {}.".format(*said),
        f"Name the runs of one setting, such as {such_as(left[a], right[b])}.",
    )


def _require_as_many(first: Runs, second: Runs, setting: str) -> None:
    """Raise `UsageError` where, of several settings, one has more runs on a side and no numbers tell which are left."""
    if setting and len(first) != len(second) and not _numbered(first, second):
        raise UsageError(
            f"Under {setting} A has {counted(len(first), 'whole run')} and B {len(second)}, so they are no pairs.",
            f"Name as many runs of each, such as {such_as(first[:1], second[:1])}.",
        )


def _in_order(first: Runs, second: Runs) -> Paired:
    """By the numbers in the names where all runs lie in one folder, else in the order in which they were made."""
    if not _numbered(first, second):
        return sorted(first, key=_when), sorted(second, key=_when), []
    left, right = ({run.number: run for run in side} for side in (first, second))
    both = sorted(left.keys() & right.keys())
    unpaired = [run for side in (left, right) for number, run in side.items() if number not in both]
    return [left[number] for number in both], [right[number] for number in both], unpaired


def _numbered(first: Runs, second: Runs) -> bool:
    """Whether numbers in the names of one folder say what belongs together."""
    left, right = ({run.number for run in side} for side in (first, second))
    one_folder = len({run.folder.resolve().parent for run in (*first, *second)}) == 1
    return one_folder and len(left) == len(first) and len(right) == len(second) and bool(left & right)


def _when(run: FoundRun) -> tuple[str, int, str]:
    return run.row.created_at, run.number, run.folder.name


def _words(side: Runs) -> str:
    """The folders of these runs for a shell; one pattern where they are repeats of one name."""
    stems = {str(run.folder.parent / NUMBER.sub("", run.folder.name)) for run in side}
    if len(side) > 1 and len(stems) == 1 and all(NUMBER.search(run.folder.name) for run in side):
        return f"{shlex.quote(stems.pop())}-run*"
    return shlex.join(str(run.folder) for run in side)
