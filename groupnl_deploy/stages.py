"""The stages as plain calls: train → export → push → bench. Each reads only what the one before wrote.

The CLI's commands and `pipeline` call these; nothing here prints. Every folder appears whole or not at all.
PyTorch is imported by the functions that need it: pushing and reporting start without it.
"""

import contextlib
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from device_agent.manifest import ArtifactManifest
from device_agent.strict import StrictError
from device_agent.wire import BACKENDS, Deployment, PhaseMark, Progress
from exporters.artifact import open_artifact
from groupnl_deploy.bench.meter import MeterPlan
from groupnl_deploy.bench.recording import recording_beside
from groupnl_deploy.bench.run import BenchRun, Images, save_run
from groupnl_deploy.bench.session import Subject, Watch, run_session
from groupnl_deploy.bench.workload import Workload
from groupnl_deploy.errors import UsageError, VerificationFailed
from groupnl_deploy.models.spec import ModelSpec
from groupnl_deploy.progress import Reporter, Task
from groupnl_deploy.recheck import require_artifact
from groupnl_deploy.remote.client import AgentClient
from groupnl_deploy.remote.deploy import find_deployment, open_agent, push_artifact
from groupnl_deploy.remote.inventory import connect, get_device
from groupnl_deploy.remote.transport import Transport
from groupnl_deploy.remote.waiting import DEFAULT_WAIT_S, take_lock
from groupnl_deploy.words import known_word
from groupnl_deploy.workspace import require_absent

if TYPE_CHECKING:
    from groupnl_deploy.training.checkpoint import Checkpoint
    from groupnl_deploy.training.loop import TrainProgress
    from groupnl_deploy.training.recipe import Recipe

_ID = re.compile(r"[0-9a-f]{6,64}")


def train_checkpoint(spec: ModelSpec, recipe: "Recipe", dataset: str, out: Path, reporter: Reporter) -> "Checkpoint":
    """Train a net and write its checkpoint folder; an interrupted training goes on where it stopped."""
    from groupnl_deploy.training.checkpoint import save_trained
    from groupnl_deploy.training.data import load_dataset
    from groupnl_deploy.training.loop import train

    require_absent(out)
    data, resume_dir = load_dataset(dataset), _resume_folder(out)
    with reporter.task(f"train {spec.label}") as task:
        result = train(spec, recipe, data, lambda progress: _show_epoch(task, reporter, progress), resume_dir)
        return save_trained(out, result)


def finished_epochs(spec: ModelSpec, recipe: "Recipe", dataset: str, out: Path) -> int:
    """How many epochs of this very training are kept, for `train_checkpoint` to go on from."""
    from groupnl_deploy.training.data import load_dataset
    from groupnl_deploy.training.state import TrainingJob, load_state

    data = load_dataset(dataset)
    try:
        found = load_state(_resume_folder(out))
    except VerificationFailed:
        return 0
    return found.epoch if found and found.job == TrainingJob(spec, recipe, data.name, data.split_seed) else 0


def _resume_folder(out: Path) -> Path:
    return out.with_name(f"{out.name}.resume")


def push(
    artifact_dir: Path,
    device_name: str,
    reporter: Reporter,
    *,
    wait_s: float = DEFAULT_WAIT_S,
    checkpoint: Path | None = None,
) -> Deployment:
    """Verify an artifact here, send it to a device, have it verified there."""
    artifact, device = open_artifact(artifact_dir), get_device(device_name)
    _note_all(reporter, require_artifact(artifact, checkpoint))
    with connect(device) as transport, reporter.task(f"push {artifact.manifest.label} to {device.name}") as task:
        return push_artifact(
            transport,
            artifact,
            lambda done, total: task(done, total, "bytes"),
            wait_s=wait_s,
            say=reporter.note,
        )


def _note_all(reporter: Reporter, notes: Iterable[str]) -> None:
    for note in notes:
        reporter.note(f"Note: {note}.")


def bench(
    device_name: str,
    backend: str,
    *,
    artifact: str | None,
    workload: Workload,
    plan: MeterPlan | None,
    out: Path | None,
    reporter: Reporter,
    wait_s: float = DEFAULT_WAIT_S,
) -> tuple[BenchRun, Path]:
    """Benchmark a pushed artifact and keep the run folder. `artifact` is a folder, an id, or None for the newest.

    Waits up to `wait_s` seconds while a push or another benchmark holds the device.
    Where anything ends it early, what a meter recorded until then stays beside the folder; see `recording_beside`.
    """
    known_word("backend", backend, BACKENDS)
    device, wanted = get_device(device_name), _artifact_id(artifact)
    if plan is not None:
        plan.require_live()
        workload.require_measurable()
    if out is not None:
        require_absent(out)
    with connect(device) as transport, open_agent(transport) as agent:
        deployment = _deployment(agent, device.name, backend, wanted, reporter)
        take_lock(agent, device.name, f"a benchmark of {deployment.label}", wait_s, reporter.note)
        # Whom we waited for may have pushed a newer one, or this one anew.
        deployment = find_deployment(agent.read_ledger(device.name).deployments, device.name, backend, wanted)
        subject = _subject(transport, deployment, workload.images)
        name = subject.manifest.label
        out = out or _default_run_folder(name, backend)
        reporter.note(f"{device.name} runs {name} ({subject.deployment.artifact_sha256[:12]}) with {backend}")
        beside = contextlib.nullcontext() if plan is None else recording_beside(out, reporter.note)
        with beside as recording, reporter.task(f"bench {name}, {backend}") as task:
            run, trace = run_session(
                transport,
                agent,
                subject,
                backend=backend,
                workload=workload,
                plan=plan,
                recording=recording,
                watch=_phase_watch(task, workload),
                note=reporter.note,
            )
            return save_run(out, run, trace), out


def _deployment(agent: AgentClient, device: str, backend: str, wanted: str | None, reporter: Reporter) -> Deployment:
    ledger = agent.read_ledger(device)
    if ledger.damage is not None:
        reporter.note(f"The ledger on {device} was not used: {ledger.damage}. The next push writes it anew.")
    return find_deployment(ledger.deployments, device, backend, wanted)


def _subject(transport: Transport, deployment: Deployment, count: int | None) -> Subject:
    """Read the manifest back from the device, verify it, and gather the images it needs."""
    from groupnl_deploy.training.data import bench_images

    manifest = _remote_manifest(transport, deployment)
    _, *shape = manifest.input.shape
    chosen = bench_images(manifest.dataset, (shape[0], shape[1], shape[2]), count)
    return Subject(deployment, manifest, chosen.images, Images(chosen.source, chosen.labels))


def _remote_manifest(transport: Transport, deployment: Deployment) -> ArtifactManifest:
    from groupnl_deploy.workspace import sha256_hex

    data = transport.get(f"{deployment.directory}/manifest.json")
    if data is None or sha256_hex(data) != deployment.artifact_sha256:
        what = "is missing" if data is None else "was altered"
        raise VerificationFailed(
            f"The artifact {deployment.artifact_sha256[:12]} on {transport.name} {what}.", "Push it again."
        )
    try:
        return ArtifactManifest.from_bytes(data)
    except StrictError as error:
        raise VerificationFailed(f"{error}.", "Export and push it again with this version.") from error


def _artifact_id(artifact: str | None) -> str | None:
    if artifact is None:
        return None
    if (Path(artifact) / "manifest.json").is_file():
        return open_artifact(Path(artifact)).sha256
    if _ID.fullmatch(artifact):
        return artifact
    raise UsageError(
        f"“{artifact}” is neither an artifact folder nor an artifact's id.",
        "Name a folder that groupnl export wrote, or at least six digits of its id.",
    )


def _default_run_folder(label: str, backend: str) -> Path:
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")[:-3]
    plain = re.sub(r"[^A-Za-z0-9.]+", "-", label).strip("-")
    return Path("runs") / f"{stamp}-{plain}-{backend}"


def _show_epoch(task: Task, reporter: Reporter, progress: "TrainProgress") -> None:
    if progress.note:
        reporter.note(progress.note)
    accuracy = "" if progress.accuracy is None else f", accuracy {100 * progress.accuracy:.1f} %"
    detail = f"epoch {progress.epoch}/{progress.epochs}, loss {progress.loss:.3f}{accuracy}"
    task((progress.epoch - 1) * progress.steps + progress.step, progress.epochs * progress.steps, detail)


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

    def watch(message: PhaseMark | Progress) -> None:
        if isinstance(message, PhaseMark):
            task(begins[message.phase], total, message.phase.replace("_", " "))
        else:
            task(begins["check"], total, f"check, image {message.done} of {message.total}")

    return watch
