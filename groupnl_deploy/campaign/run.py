"""`groupnl run`: a campaign's jobs, made in order, each skipped when what it would make is there already."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from groupnl_deploy.campaign.bench_job import BenchJob
from groupnl_deploy.campaign.cell import Source
from groupnl_deploy.campaign.choice import ALL, Choice, chosen, place, require_allowed
from groupnl_deploy.campaign.config import Campaign
from groupnl_deploy.campaign.evaluate_job import EvaluateJob, require_images
from groupnl_deploy.campaign.export_job import ExportJob
from groupnl_deploy.campaign.plan import Plan, plan_of
from groupnl_deploy.campaign.push_job import PushJob
from groupnl_deploy.campaign.readiness import DeviceNeeds, Needs, require_ready
from groupnl_deploy.campaign.report_job import ReportJob
from groupnl_deploy.campaign.sources import count_weights, departures_of, sources_of
from groupnl_deploy.campaign.train_job import TrainJob
from groupnl_deploy.campaign.words import at
from groupnl_deploy.deploy.inventory import get_device
from groupnl_deploy.jobs.job import Job
from groupnl_deploy.jobs.quiet import machine_for
from groupnl_deploy.jobs.run import Ended, Rules, pending, run_jobs
from groupnl_deploy.jobs.store import Store
from groupnl_deploy.models.departure import Departure
from groupnl_deploy.places import machine_dir
from groupnl_deploy.progress import Reporter, Say
from groupnl_deploy.report.build import Report, build_report


@dataclass(frozen=True)
class StepDone:
    """A step of a finished campaign: where its product is, and whether it was there already."""

    stage: str
    name: str
    product: str
    up_to_date: bool


@dataclass(frozen=True)
class StepAhead:
    """A step of a campaign that has not been asked for: its key is what `--only` takes."""

    key: str
    stage: str
    name: str
    product: str
    needs: tuple[str, ...]
    up_to_date: bool


@dataclass(frozen=True)
class CampaignResult:
    """All steps in order; the report of all runs where they were made; what networks are that were made now and that
    their names do not mean; and why combinations were left out.
    """

    out: str
    steps: tuple[StepDone, ...]
    report: Report | None
    departures: tuple[Departure, ...] = ()
    left_out: tuple[str, ...] = ()
    schema_version: int = 1


def run_campaign(campaign: Campaign, reporter: Reporter, choice: Choice = ALL) -> CampaignResult:
    """Run what was chosen. Raises the error of the first job that failed, when all that does not need it is done."""
    sources, plan = _planned(campaign, choice)
    rules = _rules(campaign, plan.jobs, choice)
    jobs = chosen(plan.jobs, choice, rules)
    _tell_left_out(plan, reporter.note)
    with machine_for(False, rules.machine, reporter.note):  # all this would disturb who measures here
        todo = pending(jobs, rules)
        _tell_unread_stamps(todo, Store(rules.store), reporter)
        _require_ready(campaign, sources, todo, reporter)
        departures = _tell_departures(campaign, todo, reporter)
    ended = run_jobs(jobs, rules, reporter, todo)
    _raise_first(ended, reporter)
    steps = tuple(StepDone(one.job.kind, one.job.name, str(one.job.product), one.up_to_date) for one in ended.done)
    return CampaignResult(campaign.out, steps, _report(plan, jobs), departures, plan.left_out)


def list_jobs(campaign: Campaign, choice: Choice = ALL, note: Say = lambda text: None) -> tuple[StepAhead, ...]:
    """Every chosen job in order, and whether it is up to date. Nothing is made and no device is asked.

    `note` is told what was left out.
    """
    _, plan = _planned(campaign, choice)
    _tell_left_out(plan, note)
    rules = _rules(campaign, plan.jobs, choice)
    jobs = chosen(plan.jobs, choice, rules)
    ahead = {job.key for job in pending(jobs, rules)}
    return tuple(
        StepAhead(job.key, job.kind, job.name, str(job.product), job.needs, job.key not in ahead) for job in jobs
    )


def _tell_left_out(plan: Plan, note: Say) -> None:
    if plan.left_out:
        note(f"Left out: {'; '.join(plan.left_out)}.")


def _planned(campaign: Campaign, choice: Choice) -> tuple[tuple[Source, ...], Plan]:
    """Look up every word now: a wrong one must not show after minutes of work."""
    require_allowed(campaign, choice)
    with at("push", "device"):
        for device in campaign.devices:
            get_device(device)
    require_images(campaign)
    sources = sources_of(campaign)
    return sources, plan_of(campaign, sources)


def _rules(campaign: Campaign, jobs: Sequence[Job], choice: Choice) -> Rules:
    again = [job.key for job in jobs if choice.again_from and place(job.kind) >= place(choice.again_from)]
    return Rules(Path(campaign.out), machine_dir(), frozenset(again), choice.workers)


def _require_ready(campaign: Campaign, sources: Sequence[Source], todo: Sequence[Job], reporter: Reporter) -> None:
    """Ask for all that the jobs to do will need, and for nothing that they will not."""
    if any(job.kind != "report" for job in todo):
        labels = {_label(job) for job in todo}
        weights = count_weights(source for source in sources if source.label in labels)
        require_ready(_needs(campaign, weights, todo), reporter)


def _label(job: Job) -> str | None:
    """Of the source whose weights it writes somewhere."""
    if isinstance(job, TrainJob):
        return job.source.label
    return job.source if isinstance(job, ExportJob | PushJob) else None


def _tell_unread_stamps(todo: Sequence[Job], store: Store, reporter: Reporter) -> None:
    """Why what looks finished is done again."""
    unread = [job.key for job in todo if store.has_unread(job)]
    if unread:
        count = f"{len(unread)} steps, such as {unread[0]}, are" if len(unread) > 1 else f"{unread[0]} is"
        reporter.note(
            f"{count} done again: the stamps in {store.folder / 'stamps'} are of another version, or damaged. "
            f"What was made before moves to {store.folder / 'replaced'}."
        )


def _tell_departures(campaign: Campaign, todo: Sequence[Job], reporter: Reporter) -> tuple[Departure, ...]:
    departures = departures_of(campaign, [job.source.label for job in todo if isinstance(job, TrainJob)])
    for label, one in departures.items():
        reporter.note(f"{label}: {' '.join(one.sentences)}")
    return tuple(departures.values())


def _needs(campaign: Campaign, weights: dict[str, int], todo: Sequence[Job]) -> Needs:
    """What these jobs ask of disks, devices and meters; `weights` has sizes by label."""
    benches = [job for job in todo if isinstance(job, BenchJob)]
    pushes = [job for job in todo if isinstance(job, PushJob)]
    asked = [(job.device, job.backend) for job in todo if isinstance(job, EvaluateJob) and job.device]
    there = [*(job.device for job in pushes), *(job.device for job in benches), *(device for device, _ in asked)]
    backends = [*((job.device, job.backend) for job in benches), *((device, name) for device, name in asked if name)]
    return Needs(
        out=Path(campaign.out),
        trained=tuple(weights[job.source.label] for job in todo if isinstance(job, TrainJob)),
        exported=tuple(weights[job.source] for job in todo if isinstance(job, ExportJob)),
        native=any(job.export.optimize == "native" for job in todo if isinstance(job, ExportJob)),
        devices=tuple(
            DeviceNeeds(
                get_device(device),
                tuple(weights[job.source] for job in pushes if job.device == device),
                tuple(dict.fromkeys(name for where, name in backends if where == device)),
                max((job.settings.threads for job in benches if job.device == device), default=0),
                next((job.plan for job in benches if job.device == device), None),
                tuple({job.native for job in pushes if job.device == device and job.native}),
            )
            for device in dict.fromkeys(there)
        ),
    )


def _raise_first(ended: Ended, reporter: Reporter) -> None:
    """The first failure, as it would have ended a campaign of this job alone; the others were told as they happened."""
    if not ended.failed:
        return
    failed, left_out = len(ended.failed), len(ended.left_out)
    if failed + left_out > 1:
        reporter.note(
            f"{failed} of {failed + left_out + len(ended.done)} steps failed, and {left_out} that need them were left "
            "out; the same command does them again."
        )
    raise ended.failed[0].error


def _report(plan: Plan, jobs: Sequence[Job]) -> Report | None:
    """Of all benchmarks that were chosen, in the report's order; None where none was chosen."""
    chosen = {job.product for job in jobs if isinstance(job, BenchJob)}
    runs = [run for job in plan.jobs if isinstance(job, ReportJob) for run in job.runs if run in chosen]
    return build_report(runs) if runs else None
