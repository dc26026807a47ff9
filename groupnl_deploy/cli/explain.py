"""`groupnl export --explain`: what every pass did to the graph, what it did not and why."""

from device_agent.manifest import ArtifactManifest, NativeModel, NativeRuntime, Parity, PassReport
from device_agent.native_choice import RUNTIMES
from exporters.targets.base import Target
from exporters.targets.ncnn import for_format
from groupnl_deploy.cli import console

_SOURCES = {"checkpoint": "the network", "onnx": "the file", "specification": "the step"}
_HEADINGS = (
    ("Pass", False),
    ("Fired", True),
    ("Nodes", True),
    ("max |Δ| / σ", True),
    ("99 % / σ", True),
)


def show_passes(manifest: ArtifactManifest, target: Target) -> None:
    """One row a pass, in their order, and below them its choices and refusals.

    Errors are in standard deviations of the outputs, over all parity images. `target` is the one of the manifest.
    """
    if not manifest.passes:
        console.show_text("No passes: they rewrite ONNX graphs.")
        return
    spread = manifest.parity.output_std
    console.show_table(_HEADINGS, [_row(report, spread) for report in manifest.passes])
    for report in manifest.passes:
        for said in [*report.notes, *(f"refused {reason}" for reason in report.refusals)]:
            console.show_prose(f"{report.name}: {said}")
    parity, target = manifest.parity, for_format(target, manifest.format)
    things, whose = ("images" if manifest.preprocessing else "samples"), _SOURCES[manifest.source.kind]
    limit = f"{parity.tolerance:.3g} σ of {parity.output} allowed, on {parity.images} {things}{at_batches(parity)}"
    limit += f" against {judged_by(manifest)}"
    limit += f"; {whose} in float32 is itself off by {parity.eager_error / spread:.1e} σ" if spread else ""
    # The other levels have no pass that chooses between equal forms.
    chosen_by = f", costs of {_table(target)}" if manifest.optimize in ("full", "native") else ""
    graph = "" if manifest.opset is None else f"opset {manifest.opset}, IR {manifest.ir_version}, "
    console.show_prose(f"{graph}for {target}{chosen_by}")
    console.show_prose(limit)
    for line in _native(manifest):
        console.show_prose(line)


def _native(manifest: ArtifactManifest) -> list[str]:
    """The operators of our own, and where each model file runs."""
    if manifest.native is None:
        return []
    counts = ", ".join(f"{count} {name}" for name, count in manifest.native.operators.items())
    return [
        f"{manifest.native.domain} {manifest.native.version}: {counts}",
        *(where_it_runs(one, manifest.native.runtime) for one in manifest.native.models),
    ]


def where_it_runs(model: NativeModel, runtime: NativeRuntime) -> str:
    """Which processors, runtimes and threads a model file is for, and how it was proved."""
    layout = f"blocks of {model.block} channels" if model.block else "plain layout"
    until = f" to {model.newest_runtime}" if model.newest_runtime else " or newer"
    threads = f"; before {model.one_thread_below} for one thread alone" if model.one_thread_below else ""
    proof = "" if model.proof == "run" else "; proved as it is read back, and not run"
    return f"{model.file}: {layout}, {RUNTIMES[runtime]} {model.oldest_runtime}{until}{threads}{proof}"


def _table(target: Target) -> str:
    """The name of a target's cost table, and which machine stood in for it if one did."""
    costs = target.costs
    return costs.target if costs.measured else f"{costs.target} ({costs.machine})"


def judged_by(manifest: ArtifactManifest) -> str:
    """What the export was held against."""
    if manifest.parity.reference == "float64":
        return "float64"
    why = "quantized" if manifest.quantized else "not computable in float64"
    return f"the file as it is in float32 ({why})"


def at_batches(parity: Parity) -> str:
    """How many images at once; nothing for one at a time."""
    return "" if parity.batches == (1,) else f" ({', '.join(map(str, parity.batches))} at once)"


def _row(report: PassReport, spread: float) -> tuple[str, ...]:
    nodes = str(report.nodes_before)
    if report.nodes_after != report.nodes_before:
        nodes += f" → {report.nodes_after}"
    errors = (f"{error / spread:.1e}" for error in (report.max_abs_error, report.p99_abs_error))
    return (report.name, str(report.fired), nodes, *errors)
