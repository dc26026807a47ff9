"""Whether a saved state is of the training that is asked for, and in what they differ."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from device_agent.strict import from_json, to_dict, to_json
from groupnl_deploy.errors import UsageError
from groupnl_deploy.images.split import Split
from groupnl_deploy.training.ranks import Ranks
from groupnl_deploy.training.state import TrainingJob, TrainingState
from groupnl_deploy.words import first_few


def require_same_data(
    found: TrainingJob, wanted: TrainingJob, folder: Path, before: Split | None, now: Split | None
) -> None:
    """Raise `UsageError` where a state was trained on other images: what it learned would be lost, or mixed up.

    Args:
        found: the state's job.
        wanted: the one that is asked for.
        folder: that holds the state.
        before: which files the state was trained on, where that is known.
        now: which files there are.
    """
    if found.data == wanted.data:
        return
    raise UsageError(
        f"The interrupted training in {folder} was on other images: {_changed(found, wanted, before, now)}.",
        f"Put the images back as they were to go on, or remove {folder} to begin again.",
    )


def require_same_training(found: TrainingState, wanted: TrainingJob, folder: Path | None) -> None:
    """Raise `UsageError` for a state of another network, beginning, recipe or version, which cannot be gone on from."""
    if found.job != wanted:
        raise UsageError(
            f"The state in {folder} is of another {difference(found.job, wanted)}.",
            "Give the options that it was begun with, name another --out, or leave out --resume to begin anew.",
        )
    if found.is_older:
        raise UsageError(
            f"The state in {folder} is of an older version, which drew other images.",
            "Use that version to go on, or leave out --resume to begin anew.",
        )


def of_first(ranks: Ranks, job: TrainingJob, found: TrainingState | None) -> TrainingState | None:
    """The state that the first process has found, on all processes.

    Raises `UsageError` where the processes were not started for one and the same training.
    """
    if ranks.size == 1:
        return found
    jobs = [from_json(_Place, text) for text in ranks.texts(to_json(_Place.of(job, found)))]
    for rank, other in enumerate(jobs):
        if other.job != jobs[0].job:
            differs = "images" if other.job.data != jobs[0].job.data else difference(jobs[0].job, other.job)
            raise UsageError(
                f"Process {rank} was started for another training than process 0: their {differs} differ.",
                "Start all processes with the same command, on the same images.",
            )
    first = jobs[0]
    if first.found is None:
        return None
    tensors = ranks.from_first({} if found is None else found.tensors)
    best = None if found is None else found.best
    return TrainingState(first.found, first.epoch, tensors, first.images, first.processes, best, first.loss)


@dataclass(frozen=True)
class _Place:
    """What a process is to train, and how far the state is that it has found."""

    job: TrainingJob
    found: TrainingJob | None = None
    epoch: int = 0
    images: int = 0
    processes: int = 1
    loss: float | None = None

    @classmethod
    def of(cls, job: TrainingJob, found: TrainingState | None) -> "_Place":
        if found is None:
            return cls(job)
        return cls(job, found.job, found.epoch, found.images, found.processes, found.loss)


def difference(found: TrainingJob, wanted: TrainingJob) -> str:
    """In what two trainings on the same images differ, for a sentence."""
    if found.spec != wanted.spec:
        return "network"
    if found.init != wanted.init:
        return f"beginning ({_begun(found)} instead of {_begun(wanted)})"
    there, here = to_dict(found.recipe), to_dict(wanted.recipe)
    changes = (f"{name} {value} instead of {here[name]}" for name, value in there.items() if value != here[name])
    return f"recipe ({', '.join(changes)})"


def _begun(job: TrainingJob) -> str:
    return "random weights" if job.init is None else f"the checkpoint {job.init[:12]}"


def _changed(found: TrainingJob, wanted: TrainingJob, before: Split | None, now: Split | None) -> str:
    there, here = found.data, wanted.data
    if there.name != here.name:
        return f"“{there.name}”, and not “{here.name}”"
    if before and now:
        changes = _files(before, now)
        if changes:
            return changes
    if there.class_names != here.class_names:
        return f"its classes were {first_few(there.class_names, 5)}, and are {first_few(here.class_names, 5)}"
    if there.split_seed != here.split_seed:
        return f"they were split by the seed {there.split_seed}, and now by {here.split_seed}"
    return f"“{there.name}” has changed since"


def _files(before: Split, now: Split) -> str:
    """How many files have come, gone, or are of another class or part."""
    was, now_is = ({file.sha256: (file.label, file.part) for file in split.files} for split in (before, now))
    kinds = Counter("gone" if digest not in now_is else "added" for digest in was.keys() ^ now_is.keys())
    moved = sum(was[digest] != now_is[digest] for digest in was.keys() & now_is.keys())
    said = [f"{count:,} file{'s' * (count != 1)} {kind}" for kind, count in sorted(kinds.items())]
    if moved:
        said.append(f"{moved:,} of another class or part")
    return ", ".join(said)
