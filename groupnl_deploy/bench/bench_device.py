"""One benchmark of a pushed artifact, from the device's name to a run folder."""

import os.path
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from device_agent.backend_table import BACKENDS, require_read
from device_agent.manifest import MANIFEST_FILE
from device_agent.settings import Settings
from exporters.artifact import open_artifact
from groupnl_deploy.bench.kept import Kept, take_kept
from groupnl_deploy.bench.live import LiveBar
from groupnl_deploy.bench.meter import MeterPlan
from groupnl_deploy.bench.metered import require_measurable
from groupnl_deploy.bench.reconnect import WayBack
from groupnl_deploy.bench.right_answers import Places, agreement_with_right_answers
from groupnl_deploy.bench.run import BenchRun, amend_run, load_run, run_name, save_run
from groupnl_deploy.bench.session import Subject, run_session
from groupnl_deploy.bench.start import Start
from groupnl_deploy.bench.unfinished import unfinished_run
from groupnl_deploy.deploy.acceptance import accept_pending, require_accepted
from groupnl_deploy.deploy.inventory import get_device
from groupnl_deploy.deploy.ledger import may_begin_artifact_id
from groupnl_deploy.deploy.push import deploy_artifact
from groupnl_deploy.errors import NotBegun, Stopped, UsageError
from groupnl_deploy.mistaken import refusal
from groupnl_deploy.progress import Reporter
from groupnl_deploy.remote.agent import reached
from groupnl_deploy.remote.client import AgentClient
from groupnl_deploy.remote.deadline import Deadline
from groupnl_deploy.remote.retry import DEFAULT_RETRY_S, Budget
from groupnl_deploy.remote.waiting import DEFAULT_WAIT_S
from groupnl_deploy.words import known_word
from groupnl_deploy.workspace import require_absent


def bench_device(
    device_name: str,
    backend: str,
    *,
    artifact: str | None,
    settings: Settings,
    plan: MeterPlan | None,
    out: Path | None,
    reporter: Reporter,
    wait_s: float = DEFAULT_WAIT_S,
    data: str | None = None,
    retry_for_s: float = DEFAULT_RETRY_S,
    key: str = "",
    profile: bool = False,
) -> tuple[BenchRun, Path]:
    """Benchmark a pushed artifact and keep the run folder. `artifact` is a folder, an id, or None for the newest.

    A folder that the device has not got is pushed first. `data` is where the images lie that the network was trained
    on, if not where they were last seen.
    Waits up to `wait_s` seconds while a push or another benchmark holds the device.
    A device that cannot be reached is tried again for up to `retry_for_s` seconds. A link that is lost while the
    benchmark runs is sought again, for as long, when that should be over; one that was lost before it had begun
    there is begun again, within as long.
    Where anything ends it early, what was measured until then stays beside the folder; see `unfinished_run`.
    A campaign knows the run by `key`: what the device finished under that key, without us, is taken in its place.
    With `profile` the time of each operator is taken behind all else.
    """
    known_word("backend", backend, BACKENDS)
    device, wanted = get_device(device_name), _artifact_id(artifact)
    require_possible(backend, settings, plan, out, profile)
    folder = None if artifact is None or not (Path(artifact) / MANIFEST_FILE).is_file() else Path(artifact)
    way_back = WayBack(device.name, partial(reached, device), retry_for_s, reporter.note)
    with way_back, ExitStack() as running:
        start = Start(running, device, backend, wanted, settings, data, wait_s, Budget(retry_for_s), reporter)
        if folder is not None and not start.has_artifact():
            start.leave()  # the push may build a library that this agent's bundle knows nothing of
            reporter.note(f"{device.name} has no {folder} yet, so it is pushed first.")
            pushed = deploy_artifact(folder, device.name, reporter, wait_s=wait_s, retry_for_s=retry_for_s)
            if BACKENDS[backend].computes:
                require_accepted(pushed.acceptance, device.name)
        locked, subject = start.subject()
        artifact_sha256, name = subject.deployment.artifact_sha256, subject.manifest.label
        out = out or _default_run_folder(name, backend)
        kept = Kept(device.name, artifact_sha256, backend, key, plan is not None, out)
        if key and take_kept(locked, kept, reporter.note):
            run, agent, has_lock = load_run(out)[0], locked, True
        else:
            reporter.note(f"{device.name} runs {name} ({artifact_sha256[:12]}) with {backend}")
            measure = partial(_measure, start, plan=plan, out=out, key=key, way_back=way_back, profile=profile)
            run, agent, has_lock = _begun_until_done(start, measure, locked, subject, retry_for_s)
        if BACKENDS[backend].computes:
            accept_pending(agent, device.name, run.artifact_sha256, None if has_lock else wait_s, reporter.note)
    return _compared(run, out, subject.pixels, folder, reporter), out


def _compared(
    run: BenchRun, out: Path, pixels: npt.NDArray[np.uint8] | None, artifact: Path | None, reporter: Reporter
) -> BenchRun:
    """The run, with how far the device's answers are from the right ones, where those can be had."""
    beside = () if artifact is None else (artifact.absolute().parent,)
    campaign = out.absolute().parent.parent
    places = Places(
        (*beside, *(place.parent / "checkpoints" for place in beside), campaign / "checkpoints", Path.cwd()),
        (*beside, campaign / "artifacts", Path.cwd()),
    )
    try:
        found = agreement_with_right_answers(run, pixels, places, reporter)
    except KeyboardInterrupt as stopped:
        raise Stopped(
            f"The run is whole and kept in {out}; its answers were not held against the right ones."
        ) from stopped
    if found is None:
        return run
    compared = replace(run, agreement=found)
    amend_run(out, compared)
    return compared


def _begun_until_done(
    start: Start,
    measure: Callable[[AgentClient, Subject], tuple[BenchRun, AgentClient]],
    agent: AgentClient,
    subject: Subject,
    retry_for_s: float,
) -> tuple[BenchRun, AgentClient, bool]:
    """The run, the agent that is there now, and whether that has the device's lock.

    What the device had not begun when its link was lost is begun again, until `retry_for_s` seconds after the first
    such loss; anything else that goes wrong is raised.
    """
    until: Deadline | None = None
    while True:
        try:
            run, now = measure(agent, subject)
            return run, now, now is agent
        except NotBegun as lost:
            until = until or Deadline.after(retry_for_s)
            if until.expired:
                raise
            start.reporter.note(f"{lost.message} It is begun again.")
            agent, subject = start.again()


def _measure(
    start: Start,
    agent: AgentClient,
    subject: Subject,
    *,
    plan: MeterPlan | None,
    out: Path,
    key: str,
    way_back: WayBack,
    profile: bool,
) -> tuple[BenchRun, AgentClient]:
    """Carry it out and keep the run; with it the agent that is there now, another one where the link was lost."""
    name, reporter = f"bench {subject.manifest.label}, {start.backend}", start.reporter
    with (
        unfinished_run(out, reporter.note, key) as unfinished,
        reporter.task(name) as task,
        LiveBar(task, start.settings.workload) as bar,
    ):
        measured = run_session(
            agent,
            subject,
            backend=start.backend,
            settings=start.settings,
            plan=plan,
            profile=profile,
            unfinished=unfinished,
            way_back=way_back,
            watch=bar.watch,
            note=reporter.note,
            metered=bar.metered,
        )
        run = save_run(out, measured.run, measured.trace)
    way_back.confirm(measured.agent, run.request.bench_id)
    return run, measured.agent


def require_possible(backend: str, settings: Settings, plan: MeterPlan | None, out: Path | None, profile: bool) -> None:
    """Refuse what can be told before the device is asked."""
    require_read(backend, settings)
    if profile and not BACKENDS[backend].computes:
        raise UsageError(
            f"--profile would show nothing: the backend {backend} computes nothing.", "Leave --profile out."
        )
    if plan is not None:
        plan.require_live()
        require_measurable(settings.workload)
    if out is not None:
        require_absent(out)


def _artifact_id(artifact: str | None) -> str | None:
    if artifact is None:
        return None
    if (Path(artifact) / MANIFEST_FILE).is_file():
        return open_artifact(Path(artifact)).sha256
    if may_begin_artifact_id(artifact):
        return artifact
    why = refusal(Path(artifact), "artifact")
    if os.path.lexists(artifact):
        raise why
    raise UsageError(f"“{artifact}” is neither an artifact's folder nor at least six digits of its id.", why.remedy)


def _default_run_folder(label: str, backend: str) -> Path:
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")[:-3]
    return Path("runs") / f"{stamp}-{run_name(label, backend)}"
