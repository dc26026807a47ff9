"""The folders that a report is asked for, and the runs that lie in them."""

import glob
from pathlib import Path

from groupnl_deploy.bench.incomplete import is_run, runs_below
from groupnl_deploy.cli import console
from groupnl_deploy.errors import UsageError, VerificationFailed
from groupnl_deploy.words import nearest_word


def runs_of(folders: list[Path]) -> list[Path]:
    """The runs of these folders, each once, where it was named first."""
    return _once([run for folder in folders for run in _expand(folder)])


def all_runs() -> list[Path]:
    """Everything under `runs/` here. Raises `UsageError` where there is nothing."""
    found = _all_below(Path("runs"))
    if not found:
        raise UsageError("There are no runs under runs/ here.", "Name run folders, or make one with groupnl bench.")
    return found


def _expand(folder: Path) -> list[Path]:
    """A run stands for itself; a set, a campaign or a folder of any of them for all runs in it, in their own order."""
    if not folder.exists():
        return [_cut_short(folder)]
    if is_run(folder):
        return [folder]
    return _of_campaign(folder) or _all_below(folder) or [folder]


def _cut_short(folder: Path) -> Path:
    """What there is of a run that was cut short. Raises `UsageError`, with the nearest name, where nothing is there."""
    left = [path for path in folder.parent.glob(f"{glob.escape(folder.name)}.incomplete*") if is_run(path)]
    if left:
        return max(left, key=lambda path: path.stat().st_mtime)
    beside = [path.name for path in folder.parent.glob("*") if path.is_dir()]
    nearest = nearest_word(folder.name, beside)
    remedy = (
        f"Did you mean {folder.with_name(nearest)}?" if nearest else "Name a folder that groupnl bench or run made."
    )
    raise UsageError(f"{folder} is no run: it does not exist.", remedy)


def _all_below(folder: Path) -> list[Path]:
    """The runs in a folder, then those of each set and campaign in it."""
    campaigns = sorted(path.parent for path in folder.glob("*/runs"))
    return runs_below(folder) + [run for campaign in campaigns for run in _of_campaign(campaign)]


def _of_campaign(folder: Path) -> list[Path]:
    """The runs of a campaign or set, in the order of its own report or members; none where it is neither."""
    import json

    from groupnl_deploy.bench.run_set import SET_FILE
    from groupnl_deploy.cli.compare_runs import runs_in

    found = runs_below(folder / "runs")
    if (folder / SET_FILE).is_file():
        try:
            return runs_in(folder)  # as its members were named, and not by the alphabet
        except VerificationFailed as error:  # its runs are whole all the same
            console.say(f"{error.message} {error.remedy}")
            return found
    try:
        rows = json.loads((folder / "report" / "report.json").read_bytes())["rows"]
        order = [row["run"] for row in rows]
    except (OSError, ValueError, KeyError, TypeError):
        return found  # by name, where no report says better
    return sorted(found, key=lambda run: order.index(run.name) if run.name in order else len(order))


def _once(folders: list[Path]) -> list[Path]:
    """Each run one time, where it was named first."""
    kept: dict[Path, Path] = {}
    for folder in folders:
        first = kept.setdefault(folder.resolve(), folder)
        if first is not folder:
            console.say(f"{folder} was named twice and is shown once.")
    return list(kept.values())
