"""One benchmark of a pushed artifact, from the device's name to a run folder."""

import os.path
import re
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from device_agent.backend_table import BACKENDS, require_read
from device_agent.manifest import MANIFEST_FILE
from device_agent.messages.bench import PhaseMark, Progress
from device_agent.messages.ledger import Deployment, ReadLedger
from device_agent.settings import Settings, Workload
from exporters.artifact import open_artifact
from groupnl_deploy.bench.meter import MeterPlan
from groupnl_deploy.bench.metered import require_measurable
from groupnl_deploy.bench.reconnect import WayBack, reached
from groupnl_deploy.bench.result import BenchMessage
from groupnl_deploy.bench.run import BenchRun, Images, save_run
from groupnl_deploy.bench.session import Subject, Watch, run_session
from groupnl_deploy.bench.unfinished import unfinished_run
from groupnl_deploy.deploy.acceptance import accept_artifact, require_accepted
from groupnl_deploy.deploy.doctor import require_fit
from groupnl_deploy.deploy.inventory import get_device
from groupnl_deploy.deploy.ledger import find_deployment, may_begin_artifact_id, remote_manifest
from groupnl_deploy.deploy.native import send_library
from groupnl_deploy.deploy.push import deploy_artifact
from groupnl_deploy.errors import UsageError
from groupnl_deploy.mistaken import refusal
from groupnl_deploy.progress import Reporter, Task
from groupnl_deploy.remote.agent import open_agent
from groupnl_deploy.remote.client import AgentClient
from groupnl_deploy.remote.connect import connect
from groupnl_deploy.remote.retry import DEFAULT_RETRY_S
from groupnl_deploy.remote.waiting import DEFAULT_WAIT_S, take_lock
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
) -> tuple[BenchRun, Path]:
    """Benchmark a pushed artifact and keep the run folder. `artifact` is a folder, an id, or None for the newest.

    A folder that the device has not got is pushed first. `data` is where the images lie that the network was trained
    on, if not where they were last seen.
    Waits up to `wait_s` seconds while a push or another benchmark holds the device.
    A link that is lost meanwhile is sought again when the benchmark should be over, for up to `retry_for_s` seconds.
    Where anything ends it early, what was measured until then stays beside the folder; see `unfinished_run`.
    """
    known_word("backend", backend, BACKENDS)
    device, wanted = get_device(device_name), _artifact_id(artifact)
    _require_possible(backend, settings, plan, out)
    folder = None if artifact is None or not (Path(artifact) / MANIFEST_FILE).is_file() else Path(artifact)
    way_back = WayBack(device.name, partial(reached, device), retry_for_s, reporter.note)
    with connect(device, reporter.note) as transport, way_back, ExitStack() as running:
        agent = running.enter_context(open_agent(transport, backend=backend))
        require_fit(agent, device.name, "bench", reporter.note, backends=[backend])
        if folder is not None and _push_if_missing(
            agent, device.name, folder, wanted, wait_s, reporter, computes=BACKENDS[backend].computes
        ):
            running.close()  # the push may have built a library that this agent's bundle knows nothing of
            agent = running.enter_context(open_agent(transport, backend=backend))
        deployment = _locked(agent, device.name, backend, wanted, wait_s, reporter)
        subject = _subject(agent, deployment, settings.workload.images, data, reporter)
        if subject.manifest.native is not None and BACKENDS[backend].computes:
            send_library(agent, subject.manifest.native, settings.threads, mend=False)
        name = subject.manifest.label
        out = out or _default_run_folder(name, backend)
        reporter.note(f"{device.name} runs {name} ({subject.deployment.artifact_sha256[:12]}) with {backend}")
        with unfinished_run(out, reporter.note) as unfinished, reporter.task(f"bench {name}, {backend}") as task:
            measured = run_session(
                agent,
                subject,
                backend=backend,
                settings=settings,
                plan=plan,
                unfinished=unfinished,
                way_back=way_back,
                watch=_phase_watch(task, settings.workload),
                note=reporter.note,
            )
            run = save_run(out, measured.run, measured.trace)
        way_back.confirm(measured.agent, run.request.bench_id)
        if BACKENDS[backend].computes:
            _accept_pending(
                measured.agent, device.name, deployment, None if measured.agent is agent else wait_s, reporter
            )
        return run, out


def _require_possible(backend: str, settings: Settings, plan: MeterPlan | None, out: Path | None) -> None:
    """Refuse what can be told before the device is asked."""
    require_read(backend, settings)
    if plan is not None:
        plan.require_live()
        require_measurable(settings.workload)
    if out is not None:
        require_absent(out)


def _push_if_missing(
    agent: AgentClient,
    device: str,
    folder: Path,
    wanted: str | None,
    wait_s: float,
    reporter: Reporter,
    *,
    computes: bool,
) -> bool:
    """Push an artifact that the device has not got, and say so. The agent holds no lock yet that a push waits for.

    What `computes` its answers has to give the right ones. Returns whether it has native operators and was pushed.
    """
    if any(one.artifact_sha256 == wanted for one in agent.ask(ReadLedger(device)).deployments):
        return False
    reporter.note(f"{device} has no {folder} yet, so it is pushed first.")
    pushed = deploy_artifact(folder, device, reporter, wait_s=wait_s)
    if computes:
        require_accepted(pushed.acceptance, device)
    return open_artifact(folder).manifest.native is not None


def _accept_pending(
    agent: AgentClient, device: str, deployment: Deployment, wait_s: float | None, reporter: Reporter
) -> None:
    """What has just run and given its golden answers is used from here on, if nobody has tried it before.

    An agent that has not got the lock, because the link to the one that had it was lost, waits `wait_s` for it.
    """
    artifacts = agent.ask(ReadLedger(device)).artifacts
    if any(one.state == "pending" for one in artifacts if one.deployment.artifact_sha256 == deployment.artifact_sha256):
        if wait_s is not None:
            take_lock(agent, device, f"an acceptance of {deployment.label}", wait_s, reporter.note)
        reporter.note(str(accept_artifact(agent, deployment)))


def _locked(
    agent: AgentClient, device: str, backend: str, wanted: str | None, wait_s: float, reporter: Reporter
) -> Deployment:
    """What is to be benchmarked, with the device's lock taken for it."""
    deployment = _deployment(agent, device, backend, wanted, reporter)
    take_lock(agent, device, f"a benchmark of {deployment.label}", wait_s, reporter.note)
    # Whom we waited for may have pushed a newer one, or this one anew.
    return find_deployment(agent.ask(ReadLedger(device)).artifacts, device, backend, wanted)


def _deployment(agent: AgentClient, device: str, backend: str, wanted: str | None, reporter: Reporter) -> Deployment:
    ledger = agent.ask(ReadLedger(device))
    if ledger.damage is not None:
        reporter.note(f"The ledger on {device} was not used: {ledger.damage}. The next push writes it anew.")
    return find_deployment(ledger.artifacts, device, backend, wanted)


def _subject(agent: AgentClient, deployment: Deployment, most: int, place: str | None, reporter: Reporter) -> Subject:
    """Read the manifest back from the device, verify it, and gather the images that the model takes, if any."""
    from groupnl_deploy.images.at_hand import dataset_at_hand
    from groupnl_deploy.images.bench_images import bench_images

    manifest = remote_manifest(agent, deployment)
    shape = manifest.image_shape
    if shape is None:
        return Subject(deployment, manifest, None, Images(f"{manifest.samples} samples of the artifact's own", None))
    data = None if manifest.data is None else dataset_at_hand(manifest.data, shape, place, reporter=reporter)
    if manifest.data is not None and data is None:
        reporter.note(
            f"The images of {manifest.label} are not at hand: it is shown photographs, and has no accuracy. "
            "--data DIR says where they lie."
        )
    chosen = bench_images(data, shape, most or None)
    return Subject(deployment, manifest, chosen.images, Images(chosen.source, chosen.labels))


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
    plain = re.sub(r"[^A-Za-z0-9.]+", "-", label).strip("-")
    return Path("runs") / f"{stamp}-{plain}-{backend}"


def _phase_watch(task: Task, workload: Workload) -> Watch:
    """Phases as a share of the whole run's expected time."""
    begins = {
        "idle_before": 0.0,
        "import": workload.idle_s,
        "load": workload.idle_s,
        "check": workload.idle_s,
        "warmup": workload.idle_s,
        "steady": workload.idle_s + workload.warmup_s,
        "runout": workload.idle_s + workload.warmup_s + workload.min_seconds,
        "idle_after": workload.idle_s + workload.warmup_s + workload.min_seconds,
    }
    total = max(begins["idle_after"] + workload.idle_s, 1e-9)

    def watch(message: BenchMessage) -> None:
        if isinstance(message, PhaseMark):
            task(begins[message.phase], total, message.phase.replace("_", " "))
        elif isinstance(message, Progress):
            task(begins["check"], total, f"check, image {message.done} of {message.total}")

    return watch
