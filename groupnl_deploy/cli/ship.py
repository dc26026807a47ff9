"""`groupnl export` and `groupnl push`: from a checkpoint to a device."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from device_agent.backend_table import BACKENDS
from device_agent.manifest import FORMATS
from exporters import choices
from exporters.targets import DEFAULT_TARGET, TARGETS
from exporters.targets.base import Target
from groupnl_deploy.cli import console
from groupnl_deploy.cli.exits import guarded
from groupnl_deploy.cli.explain import at_batches, show_passes
from groupnl_deploy.cli.options import DeviceName, Json, OutFolder, Wait, shape
from groupnl_deploy.cli.own_options import Asked, ModuleForExport, OwnClasses, OwnImage, checkpoint_of
from groupnl_deploy.deploy.inventory import get_device
from groupnl_deploy.mistaken import require_is
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
