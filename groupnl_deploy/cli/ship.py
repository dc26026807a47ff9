"""`groupnl export`, `groupnl push` and `groupnl bench`: from a checkpoint to numbers."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from device_agent.backend_table import BACKENDS
from device_agent.manifest import FORMATS, MANIFEST_FILE
from exporters import choices
from exporters.targets import DEFAULT_TARGET, TARGETS
from exporters.targets.base import Target
from groupnl_deploy.cli import console
from groupnl_deploy.cli.exits import guarded
from groupnl_deploy.cli.explain import at_batches, show_passes
from groupnl_deploy.cli.option_groups import with_option_groups
from groupnl_deploy.cli.options import DeviceName, Json, MeterPort, MeterRate, MeterSign, OutFolder, Wait, shape
from groupnl_deploy.cli.own_options import Asked, ModuleForExport, OwnClasses, OwnImage, checkpoint_of
from groupnl_deploy.cli.report import require_valid, show_report
from groupnl_deploy.cli.setting_options import BenchSettings
from groupnl_deploy.deploy.inventory import get_device
from groupnl_deploy.deploy.ledger import is_artifact_id
from groupnl_deploy.mistaken import refusal, require_is
from groupnl_deploy.remote.waiting import DEFAULT_WAIT_S
from groupnl_deploy.words import command_line, known_word
from groupnl_deploy.workspace import require_absent

if TYPE_CHECKING:
    from exporters.artifact import Artifact

_OPSETS_HELP = ", ".join(f"{it.opsets[0]} to {it.opsets[-1]} for {it.name}" for it in TARGETS.values())


@guarded
def export(
    out: OutFolder,
    checkpoint: Annotated[
        Path | None, typer.Argument(help="A checkpoint folder; left out, --module's untrained network.")
    ] = None,
    module: ModuleForExport = None,
    input_: OwnImage = None,
    classes: OwnClasses = None,
    format: Annotated[str, typer.Option("--format", help="onnx (for onnxruntime) or torch (for pytorch).")] = "onnx",
    optimize: Annotated[
        str, typer.Option(help="none (as torch exports it), standard (onnxsim, BN fusion) or full (every pass).")
    ] = choices.DEFAULT_LEVEL,
    target: Annotated[
        str, typer.Option(help=f"The machine that it is for: {'; '.join(map(str, TARGETS.values()))}.")
    ] = DEFAULT_TARGET,
    opset: Annotated[int, typer.Option(help=f"ONNX operator set, {_OPSETS_HELP}.")] = choices.DEFAULT_OPSET,
    batch: Annotated[str, typer.Option(help="1, or dynamic for any number of images at once.")] = choices.DEFAULT_BATCH,
    explain: Annotated[
        bool, typer.Option("--explain", help="Print what every pass did, and why not; --json has it too.")
    ] = False,
    bisect: Annotated[bool, typer.Option("--bisect", help="If a pass breaks parity, find the node where.")] = False,
    json: Json = False,
) -> None:
    """Export a checkpoint to an artifact folder, proved equal to its source on real images after every pass.

    Example: groupnl export net --out net-onnx --explain

    Example: groupnl export net --format torch --out net-torch

    Example: groupnl export --module net.py:net --input 3,32,32 --classes 10 --out net-onnx
    """
    from device_agent.strict import to_dict

    format, optimize = known_word("format", format, FORMATS), known_word("level", optimize, choices.LEVELS)
    machine, batch = TARGETS[known_word("target", target, TARGETS)], known_word("batch", batch, choices.BATCHES)
    _require_useful(format, machine, opset, batch, bisect)
    _require_passes(optimize, bisect)
    if checkpoint is not None:
        require_is(checkpoint, "checkpoint")
    require_absent(out)
    with checkpoint_of(Asked(None, module, shape("--input", input_), classes), checkpoint, format, out) as folder:
        from groupnl_deploy.campaign.cell import Cell, ExportPoint
        from groupnl_deploy.campaign.export_job import export_cell

        cell = Cell(export=ExportPoint(optimize, target, opset, batch, format=format))
        artifact = export_cell(cell, folder, out, console.TerminalReporter(), bisect)
    if json:
        manifest = to_dict(artifact.manifest)
        console.show_json({"schema_version": 1, "path": str(out), "sha256": artifact.sha256, "manifest": manifest})
        return
    if explain:
        show_passes(artifact.manifest, machine)
    _show_artifact(artifact, out)


def _require_passes(optimize: str, bisect: bool) -> None:
    """Refuse to bisect what has no pass."""
    from groupnl_deploy.errors import UsageError

    if bisect and optimize == "none":
        raise UsageError(
            "--bisect looks for the node where a pass breaks parity, and --optimize none has no pass.",
            "Leave --bisect out, or choose another level.",
        )


def _require_useful(format: str, target: Target, opset: int, batch: str, bisect: bool) -> None:
    """Refuse an option that would do nothing, and an opset that would only fail later."""
    from groupnl_deploy.errors import UsageError

    given = {
        "--target": target.name != DEFAULT_TARGET,
        "--opset": opset != choices.DEFAULT_OPSET,
        "--batch": batch != choices.DEFAULT_BATCH,
        "--bisect": bisect,
    }
    useless = [option for option, is_given in given.items() if is_given]
    if format == "torch" and useless:
        named, verb = " and ".join(useless), "is" if len(useless) == 1 else "are"
        raise UsageError(
            f"{named} {verb} for ONNX, and the format is torch.", f"Leave {named} out, or export with --format onnx."
        )
    refusal = target.opset_refusal(opset)
    if refusal is not None:
        raise UsageError(refusal, f"Leave --opset out: it is {choices.DEFAULT_OPSET} then.")


def _show_artifact(artifact: "Artifact", out: Path) -> None:
    """What was exported, and how near it is to its source."""
    manifest, parity = artifact.manifest, artifact.manifest.parity
    console.show_text(f"{out}: {manifest.label}, {manifest.format}, {artifact.sha256[:12]}")
    console.say(
        f"Parity on {parity.images} images{at_batches(parity)} against {parity.reference}: max |Δ| "
        f"{parity.max_abs_error:.2g}, allowed {parity.tolerance * parity.output_std:.2g} (eager float32 itself: "
        f"{parity.eager_error:.2g}). Next: {command_line('push', out, '--device', 'NAME')}"
    )


@guarded
def push(
    artifact: Annotated[Path, typer.Argument(help="An artifact folder.")],
    device: DeviceName,
    wait: Wait = DEFAULT_WAIT_S,
    checkpoint: Annotated[
        Path | None, typer.Option(help="The checkpoint it was exported from, if that does not lie beside it.")
    ] = None,
    json: Json = False,
) -> None:
    """Send an artifact and the agent to a device, verified there before use.

    What the manifest says is held against the files first, and against the checkpoint where it is at hand.

    Example: groupnl push net-onnx --device pi
    """
    get_device(device)
    from device_agent.strict import to_dict
    from groupnl_deploy.campaign.cell import Cell
    from groupnl_deploy.campaign.push_job import push_cell

    reporter = console.TerminalReporter()
    deployment = push_cell(Cell(device=device), artifact, reporter, wait_s=wait, checkpoint=checkpoint)
    if json:
        console.show_json({"schema_version": 1, "deployment": to_dict(deployment)})
        return
    console.show_text(f"{device} has {deployment.label}, {deployment.format}, {deployment.artifact_sha256[:12]}")
    backend = next(name for name, entry in BACKENDS.items() if deployment.format in entry.formats)
    console.say(f"Next: {command_line('bench', '--device', device, '--backend', backend)}")


@guarded
@with_option_groups
def bench(
    device: DeviceName,
    artifact: Annotated[
        str | None,
        typer.Argument(help="Its folder, pushed first where the device has it not, or its id; else the newest there."),
    ] = None,
    backend: Annotated[
        str | None,
        typer.Option(
            help="onnxruntime, pytorch, or null (what the measuring costs); left out, the one that runs the folder."
        ),
    ] = None,
    same: Annotated[str | None, typer.Option("--artifact", metavar="ARTIFACT", help="The same as ARTIFACT.")] = None,
    meter: Annotated[
        str | None, typer.Option(help="The power meter, such as km003c; `groupnl power list` shows the words.")
    ] = None,
    port: MeterPort = None,
    out: Annotated[Path | None, typer.Option("--out", help="The run folder; else one under runs/.")] = None,
    *,
    settings: BenchSettings,
    sign: MeterSign = 1,
    meter_rate: MeterRate = None,
    wait: Wait = DEFAULT_WAIT_S,
    json: Json = False,
) -> None:
    """Benchmark an artifact: time, FPS, memory, accuracy and, with a meter, energy.

    Example: groupnl bench net-onnx --device local

    Example: groupnl bench --device pi --backend onnxruntime --meter km003c --port /dev/ttyACM0
    """
    get_device(device)
    artifact = _one_artifact(artifact, same)
    backend = _require_runnable(artifact, backend)
    from groupnl_deploy.bench.meter import meter_plan
    from groupnl_deploy.campaign.bench_job import bench_cell
    from groupnl_deploy.campaign.cell import Cell
    from groupnl_deploy.report.build import build_report

    plan = meter_plan(meter, port, sign, meter_rate)
    cell = Cell(device=device, backend=backend, settings=settings)
    folder = bench_cell(cell, artifact, plan, out, console.TerminalReporter(), wait)
    report = build_report([folder])
    show_report(report, "json" if json else "table")
    console.say(f"Kept in {folder}. Next: {command_line('report', folder)}")
    require_valid(report)


def _one_artifact(artifact: str | None, same: str | None) -> str | None:
    from groupnl_deploy.errors import UsageError

    if artifact is not None and same is not None:
        raise UsageError(f"{artifact} and --artifact {same} are two artifacts.", "Leave one of the two out.")
    return artifact or same


def _require_runnable(artifact: str | None, backend: str | None) -> str:
    """The backend: the user's if it runs the folder's format, else the first that does. Raises `UsageError`.

    Before the device is asked for anything; of an id the format is known where it lies.
    """
    from groupnl_deploy.errors import UsageError

    formats = None if backend is None else BACKENDS[known_word("backend", backend, BACKENDS)].formats
    if artifact is None or not (Path(artifact) / MANIFEST_FILE).is_file():
        if backend is None and artifact is not None and not is_artifact_id(artifact):
            raise refusal(Path(artifact), "artifact")
        if backend is None:
            raise UsageError("It is not said what shall run it.", f"Give --backend: {', '.join(BACKENDS)}.")
        return backend
    from exporters.artifact import open_artifact

    format = open_artifact(Path(artifact)).manifest.format
    runs_it = next(name for name, entry in BACKENDS.items() if format in entry.formats)
    if backend is None or formats is None:
        return runs_it
    if format not in formats:
        raise UsageError(
            f"The artifact {artifact} has the format {format}, which {backend} does not run.",
            f"Use --backend {runs_it}, or export and push it with --format {formats[0]}.",
        )
    return backend
