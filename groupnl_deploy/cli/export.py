"""`groupnl export`: a checkpoint, or an ONNX file of one's own → an artifact."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from device_agent.backend_table import backends_for
from device_agent.manifest import FORMATS
from exporters import choices
from exporters.targets import DEFAULT_TARGET, TARGETS
from exporters.targets.base import Target
from groupnl_deploy.cli import console
from groupnl_deploy.cli.exits import guarded
from groupnl_deploy.cli.explain import at_batches, judged_by, show_passes
from groupnl_deploy.cli.onnx_options import OnnxFile
from groupnl_deploy.cli.option_groups import with_option_groups
from groupnl_deploy.cli.options import Json, OutFolder, shape
from groupnl_deploy.cli.own_options import Asked, ModuleForExport, OwnClasses, OwnImage, checkpoint_of
from groupnl_deploy.errors import UsageError
from groupnl_deploy.mistaken import require_is
from groupnl_deploy.words import command_line, known_word
from groupnl_deploy.workspace import require_absent

if TYPE_CHECKING:
    from exporters.artifact import Artifact
    from groupnl_deploy.campaign.cell import ExportPoint

_OPSETS_HELP = ", ".join(f"{it.opsets[0]} to {it.opsets[-1]} for {it.name}" for it in TARGETS.values())
_FORMATS_HELP = " or ".join(f"{format} (for {' and '.join(backends_for(format))})" for format in FORMATS)


@guarded
@with_option_groups
def export(
    out: OutFolder,
    checkpoint: Annotated[
        Path | None, typer.Argument(help="A checkpoint folder; left out, --module's untrained network or --onnx.")
    ] = None,
    *,
    file: OnnxFile,
    module: ModuleForExport = None,
    input_: OwnImage = None,
    classes: OwnClasses = None,
    format: Annotated[str, typer.Option("--format", help=f"{_FORMATS_HELP}.")] = "onnx",
    optimize: Annotated[
        str,
        typer.Option(
            help="none (as it came), standard (onnxsim, BN fusion), full (every pass), or native (and whole layers as "
            "operators of our own: a push brings the library that computes them)."
        ),
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
    """Make an artifact of a checkpoint or of an ONNX file, proved equal to its source after every pass.

    Example: groupnl export net --out net-onnx --explain

    Example: groupnl export net --format torch --out net-torch

    Example: groupnl export net --format ncnn --out net-ncnn

    Example: groupnl export --module net.py:net --input 3,32,32 --classes 10 --out net-onnx

    Example: groupnl export --onnx mobilenet.onnx --images pictures --out mobilenet-onnx

    Example: groupnl export --onnx encoder.onnx --inputs tokens.npz --out encoder-onnx
    """
    format, optimize = known_word("format", format, FORMATS), known_word("level", optimize, choices.LEVELS)
    machine, batch = TARGETS[known_word("target", target, TARGETS)], known_word("batch", batch, choices.BATCHES)
    others = {"--module": module, "--input": input_, "--classes": classes}
    others |= {"--format": format == "torch" or None, "--opset": opset != choices.DEFAULT_OPSET or None}
    file.require_alone(checkpoint, [name for name, value in others.items() if value is not None])
    _require_useful(format, machine, opset, batch, bisect, optimize)
    _require_passes(optimize, bisect)
    if checkpoint is not None:
        require_is(checkpoint, "checkpoint")
    require_absent(out)
    from groupnl_deploy.campaign.cell import ExportPoint

    point = ExportPoint(optimize, target, opset, batch, format=format)
    if file.onnx is not None:
        artifact = file.export(out, point, bisect)
    else:
        asked = Asked(None, module, shape("--input", input_), classes)
        with checkpoint_of(asked, checkpoint, format, out) as folder:
            artifact = _export_checkpoint(folder, out, point, bisect)
    _show(artifact, out, machine, explain, json)


def _export_checkpoint(checkpoint: Path, out: Path, point: "ExportPoint", bisect: bool) -> "Artifact":
    from groupnl_deploy.campaign.cell import Cell
    from groupnl_deploy.campaign.export_job import export_cell

    return export_cell(Cell(export=point), checkpoint, out, console.TerminalReporter(), bisect)


def _show(artifact: "Artifact", out: Path, machine: Target, explain: bool, json: bool) -> None:
    from device_agent.strict import to_dict

    if json:
        manifest = to_dict(artifact.manifest)
        console.show_json({"schema_version": 1, "path": str(out), "sha256": artifact.sha256, "manifest": manifest})
        return
    if explain:
        show_passes(artifact.manifest, machine)
    _show_artifact(artifact, out)


def _require_passes(optimize: str, bisect: bool) -> None:
    """Refuse to bisect what has no pass."""
    if bisect and optimize == "none":
        raise UsageError(
            "--bisect looks for the node where a pass breaks parity, and --optimize none has no pass.",
            "Leave --bisect out, or choose another level.",
        )


def _require_useful(format: str, target: Target, opset: int, batch: str, bisect: bool, optimize: str) -> None:
    """Refuse an option that would do nothing, and an opset that would only fail later."""
    given = {
        "--target": target.name != DEFAULT_TARGET,
        "--opset": opset != choices.DEFAULT_OPSET,
        "--batch": batch != choices.DEFAULT_BATCH,
        "--bisect": bisect,
        "--optimize native": optimize == "native",
    }
    if format == "ncnn":
        given = {option: given[option] for option in ("--opset", "--batch")}
    useless = [option for option, is_given in given.items() if is_given]
    if format != "onnx" and useless:
        named, verb = " and ".join(useless), "is" if len(useless) == 1 else "are"
        raise UsageError(
            f"{named} {verb} for ONNX, and the format is {format}.", f"Leave {named} out, or export with --format onnx."
        )
    refusal = target.opset_refusal(opset)
    if refusal is not None:
        raise UsageError(refusal, f"Leave --opset out: it is {choices.DEFAULT_OPSET} then.")


def _show_artifact(artifact: "Artifact", out: Path) -> None:
    """What was exported, and how near it is to its source."""
    manifest, parity = artifact.manifest, artifact.manifest.parity
    console.show_text(f"{out}: {manifest.label}, {manifest.format}, {artifact.sha256[:12]}")
    whose = "eager" if manifest.source.kind == "checkpoint" else "the file in"
    console.say(
        f"Parity on {parity.images} {'images' if manifest.preprocessing else 'samples'}{at_batches(parity)} against "
        f"{judged_by(manifest)}: max |Δ| {parity.max_abs_error:.2g}, allowed "
        f"{parity.tolerance * parity.output_std:.2g} ({whose} float32 itself: {parity.eager_error:.2g}). "
        f"Next: {command_line('push', out, '--device', 'NAME')}"
    )
