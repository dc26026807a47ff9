"""The runs that a user names to be compared: found, read, told apart as two things, and put into pairs."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from groupnl_deploy.bench.incomplete import is_run, runs_below
from groupnl_deploy.bench.run import has_digest
from groupnl_deploy.cli import console
from groupnl_deploy.cli.compare_pairs import NUMBER, FoundRun, paired, such_as
from groupnl_deploy.errors import UsageError, VerificationFailed
from groupnl_deploy.report.build import IncompleteRow, build_report, run_names
from groupnl_deploy.report.differences import subject_key
from groupnl_deploy.report.repeats import repeat_key
from groupnl_deploy.report.row import ReportRow
from groupnl_deploy.words import counted
from power.errors import PowerError

if TYPE_CHECKING:
    from groupnl_deploy.bench.run_set import Member


@dataclass(frozen=True)
class Sides:
    """The rows of A and of B in the order of the pairs, what both are called, and what has no part in it.

    `damaged` and `incomplete` say of each such run what is the matter; `unpaired` of whole runs without a partner.
    `without_digest` are those of A and B that have none.
    """

    a: tuple[ReportRow, ...]
    b: tuple[ReportRow, ...]
    names: tuple[str, str]
    damaged: tuple[str, ...]
    incomplete: tuple[str, ...]
    unpaired: tuple[str, ...]
    without_digest: tuple[str, ...]


def holds_runs(place: Path) -> bool:
    """Whether it is a run, a set, a campaign or a folder of runs."""
    return bool(runs_in(place))


def find_sides(places: Sequence[Path]) -> Sides:
    """The two things whose runs lie there, in pairs. Raises `UsageError` where they are not two."""
    folders = [(folder, place) for place in places for folder in runs_in(place)]
    _require_each_once(folders)
    found, damaged, incomplete = _read(folders)
    if not found and damaged:
        raise VerificationFailed(damaged[0], "Bench again: there is no whole run to compare.")
    with naming_left_out(damaged, incomplete):
        first, second = _by_place(found, places) if len(places) == 2 else _by_thing(found)
        a, b, unpaired = paired(first, second)
    return Sides(
        a=tuple(run.row for run in a),
        b=tuple(run.row for run in b),
        names=_names(first, second),
        damaged=tuple(damaged),
        incomplete=tuple(incomplete),
        unpaired=tuple(f"{run.row.run} has no partner and is left out." for run in unpaired),
        without_digest=tuple(run.row.run for run in (*a, *b) if not has_digest(run.folder)),
    )


@contextmanager
def naming_left_out(damaged: Sequence[str], others: Sequence[str]) -> Iterator[None]:
    """Where the block finds no two sides: first what was said of runs that are not whole, which may be why.

    With damaged ones among them the error is a `VerificationFailed`, which has the graver exit code.
    """
    try:
        yield
    except UsageError as error:
        for text in (*damaged, *others):
            console.say(text)
        if damaged:
            raise VerificationFailed(error.message, error.remedy) from error
        raise


def runs_in(place: Path) -> list[Path]:
    """The run itself, or the runs of a set, of a campaign or of a folder, also those that are not whole."""
    if is_run(place):
        return [place]
    return sorted(runs_below(place / "runs") or runs_below(place), key=_order_of(place))


def _members(place: Path) -> "tuple[Member, ...]":
    """Of the set that lies there; none where there is no set."""
    from groupnl_deploy.bench.run_set import SET_FILE, load_set

    return load_set(place).members if (place / SET_FILE).is_file() else ()


def _order_of(place: Path) -> Callable[[Path], tuple[int, int, str]]:
    """A set's members in the order in which they were named, the runs of each by their numbers."""
    members = [one.name for one in _members(place)]

    def order(run: Path) -> tuple[int, int, str]:
        stem, number = NUMBER.sub("", run.name), NUMBER.search(run.name)
        return members.index(stem) if stem in members else len(members), int(number[1]) if number else 1, run.name

    return order


def _require_each_once(folders: Iterable[tuple[Path, Path]]) -> None:
    seen: set[Path] = set()
    for folder, _ in folders:
        if folder.resolve() in seen:
            raise UsageError(f"{folder} is named twice, and a run is no pair with itself.", "Name it once.")
        seen.add(folder.resolve())


def _read(folders: Sequence[tuple[Path, Path]]) -> tuple[list[FoundRun], list[str], list[str]]:
    from groupnl_deploy.report.tables import about_incomplete

    found, damaged, incomplete = [], [], []
    names = run_names([folder for folder, _ in folders])
    for (folder, named), name in zip(folders, names, strict=True):
        try:
            row = _row(folder, name)
        except (VerificationFailed, PowerError) as error:
            damaged.append(f"{name} is damaged and left out: {error.message} {error.remedy}")
            continue
        if isinstance(row, ReportRow):
            found.append(FoundRun(folder, named, row))
        else:
            incomplete.append(about_incomplete(row))
    return found, damaged, incomplete


def _row(folder: Path, name: str) -> ReportRow | IncompleteRow:
    built = build_report([folder])
    return replace(built.rows[0], run=name) if built.rows else replace(built.incomplete[0], run=name)


def _by_place(found: Sequence[FoundRun], places: Sequence[Path]) -> tuple[list[FoundRun], list[FoundRun]]:
    """A is what lies in the first place, B what lies in the second."""
    sides = tuple([run for run in found if run.named == place] for place in places)
    for place, side in zip(places, sides, strict=True):
        things = _things(side)
        if len(things) > 1:
            raise UsageError(
                f"{place} holds runs of {len(things)} things: {_listed(things)}.",
                "Name the runs of one of them, or that folder alone if it holds the two that you compare.",
            )
        if not side:
            raise UsageError(f"{place} holds no whole run.", "Bench again, or name another folder.")
    return sides[0], sides[1]


def _by_thing(found: Sequence[FoundRun]) -> tuple[list[FoundRun], list[FoundRun]]:
    """A is what the first run is of, B the other thing that there are runs of."""
    things = _things(found)
    if len(things) == 1:  # of one artifact, maybe under several settings
        exact: dict[str, list[FoundRun]] = {}
        for run in found:
            exact.setdefault(repeat_key(run.row), []).append(run)
        things = list(exact.values())
    if len(things) != 2:
        raise UsageError(
            f"These are runs of {counted(len(things), 'thing')}, and two are compared: {_listed(things) or 'none'}.",
            f"Name the runs of two, such as {such_as(*things[:2])}; `groupnl report` shows any number."
            if len(things) > 2
            else "Name the runs of another thing beside them; `groupnl report` shows any number.",
        )
    return things[0], things[1]


def _things(found: Iterable[FoundRun]) -> list[list[FoundRun]]:
    """The runs of each artifact with each backend, in the order in which they were named."""
    things: dict[tuple[str, str], list[FoundRun]] = {}
    for run in found:
        things.setdefault(subject_key(run.row), []).append(run)
    return list(things.values())


def _listed(things: Sequence[Sequence[FoundRun]]) -> str:
    return ", ".join(f"{runs[0].row.run} and {len(runs) - 1} more" if runs[1:] else runs[0].row.run for runs in things)


def _names(first: Sequence[FoundRun], second: Sequence[FoundRun]) -> tuple[str, str]:
    """What both are called: as they were named when they were benched; of one thing at two times also where it lies."""
    named = _artifact(first[0]), _artifact(second[0])
    if named[0] and named[1] and named[0] != named[1]:
        return named[0], named[1]
    names = _called(first), _called(second)
    if names[0] != names[1]:
        return names
    return f"{names[0]} in {first[0].named}", f"{names[1]} in {second[0].named}"


def _artifact(run: FoundRun) -> str | None:
    """The artifact's folder, or its id, as whoever made the set named it; None where there is no set."""
    members = {one.name: one for one in _members(run.folder.parent.parent)}
    member = members.get(NUMBER.sub("", run.folder.name))
    return Path(member.artifact).name if member else None


def _called(side: Sequence[FoundRun]) -> str:
    """The name that its runs have in common but for their numbers, else what was benchmarked."""
    stems = {NUMBER.sub("", run.row.run) for run in side}
    return min(stems) if len(stems) == 1 else f"{side[0].row.model} with {side[0].row.backend}"
