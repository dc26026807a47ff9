"""What a user names to be benched in pairs, and the set that is made of it."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from device_agent.manifest import MANIFEST_FILE
from groupnl_deploy.cli import console
from groupnl_deploy.cli.bench_set import Manner, bench_set, new_place
from groupnl_deploy.cli.bench_subjects import subject_of
from groupnl_deploy.cli.options import first_but
from groupnl_deploy.errors import Stopped, UsageError
from groupnl_deploy.words import command_line
from groupnl_deploy.workspace import CHECKPOINT_FILE

if TYPE_CHECKING:
    from device_agent.settings import Settings, Workload
    from groupnl_deploy.bench.set_members import Wanted

_BESIDE_S = 5.0  # the agent's start, the images on their way, import and load: about
_LEAST_IN_MINUTES_S = 120.0
# What compare itself reads; every other option says how to bench.
_OWN = frozenset({"what", "device", "by", "across", "fail_if", "allow_invalid", "json"})


def require_no_bench_option(given: Collection[str]) -> None:
    """Raise `UsageError` for an option that says how to bench, where runs are compared that were benched before."""
    if option := first_but(given, _OWN):
        raise UsageError(
            f"{option} says how to bench, and these runs were benched before.",
            f"Leave {option} out, or name two artifacts and --device.",
        )


def require_subjects(what: Sequence[str]) -> None:
    """Raise `UsageError` for what cannot be benched: runs, and what is no artifact, no checkpoint and no id."""
    from groupnl_deploy.cli.compare_runs import holds_runs
    from groupnl_deploy.deploy.ledger import may_begin_artifact_id
    from groupnl_deploy.mistaken import require_is

    for named in what:
        if holds_runs(Path(named)):
            raise UsageError(
                f"{named} holds runs, which were benched before, and --device says where to bench.",
                "Leave --device out, or name two artifacts.",
            )
        if Path(named).exists() or not may_begin_artifact_id(named):
            require_is(Path(named), "checkpoint", "artifact")


def no_run(named: str) -> UsageError:
    """The error for what is no run, where no device was named to bench it on."""
    from groupnl_deploy.deploy.ledger import may_begin_artifact_id

    path = Path(named)
    if any((path / file).is_file() for file in (MANIFEST_FILE, CHECKPOINT_FILE)) or (
        not path.exists() and may_begin_artifact_id(named)
    ):
        return UsageError(
            f"{named} is no run, and where it shall be benched is not said.",
            "Give --device NAME; `groupnl device list` shows them.",
        )
    return UsageError(
        f"{named} {'holds no run' if path.exists() else 'does not exist'}.",
        "Name folders that `groupnl bench` or `groupnl run` wrote, which hold run.json; or two artifacts and --device.",
    )


def bench_pairs(
    what: Sequence[str],
    backend: str | None,
    settings: "Sequence[Settings]",
    pairs: int,
    out: Path | None,
    manner: Manner,
) -> Path:
    """Bench both by turns, so many times each under all settings; returns the set's folder.

    What a Ctrl-C leaves can be compared, too.
    """
    from groupnl_deploy.bench import set_members

    if len(what) != 2:
        raise UsageError(
            f"{len(what)} things cannot be benched in pairs."
            if len(what) != 1
            else f"{what[0]} has nothing beside it.",
            "Name two artifacts or checkpoints: groupnl compare A B --device NAME.",
        )
    subjects = [subject_of(named, backend) for named in what]
    manner.require_possible((subject.backend for subject in subjects), settings, new_place(out))
    if what[0] == what[1] and subjects[0].backend == subjects[1].backend:
        raise _one_thing(what, manner.device)
    reporter = console.TerminalReporter()
    wanted = [set_members.Wanted(subject.artifact(reporter), subject.backend) for subject in subjects]
    _require_two(what, wanted, manner.device)
    plan = how_long(settings[0].workload, 2 * pairs * len(settings))
    try:
        folder, runs = bench_set(wanted, settings, pairs, out, manner, plan)
    except Stopped as stopped:
        raise Stopped(
            f"{stopped.remedy} `groupnl compare` takes that folder too, for the pairs that are whole."
        ) from None
    console.say(f"Kept in {folder}: {len(runs)} runs. Next: {command_line('compare', folder)}")
    return folder


def how_long(work: "Workload", runs: int) -> str:
    """About how long all of them take, without a cool-down."""
    run_s = 2 * work.idle_s + work.warmup_s + work.min_seconds + _BESIDE_S
    total_s = runs * run_s
    total = f"{total_s:.0f} seconds" if total_s < _LEAST_IN_MINUTES_S else f"{total_s / 60:.0f} minutes"
    return f"{runs} runs of about {run_s:.0f} s each: about {total}."


def _require_two(what: Sequence[str], wanted: "Sequence[Wanted]", device: str) -> None:
    """Raise `UsageError` where both are one artifact with one backend, as far as that can be told here."""
    from exporters.artifact import open_artifact

    folders = [one.artifact for one in wanted if one.artifact and (Path(one.artifact) / MANIFEST_FILE).is_file()]
    same = len(folders) == 2 and len({open_artifact(Path(folder)).sha256 for folder in folders}) == 1
    if wanted[0].backend == wanted[1].backend and same:
        raise _one_thing(what, device)


def _one_thing(what: Sequence[str], device: str) -> UsageError:
    repeats = command_line("bench", what[0], "--device", device, "--repeats", 10)
    return UsageError(
        f"{what[0]} and {what[1]} are one artifact with one backend, so there is nothing to compare.",
        f"Name two. What noise alone does is seen in the repeats of one: `{repeats}`.",
    )
