"""`groupnl evaluate`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from groupnl_deploy.cli import console
from groupnl_deploy.cli.confusion_text import headline, show_confusion
from groupnl_deploy.cli.evaluate_options import (
    Alexnet,
    BatchSize,
    CleanFolder,
    Confusion,
    Corruptions,
    DatasetName,
    Devices,
    Frost,
    Heatmap,
    Images,
    KeepIn,
    Named,
    Seed,
    Severities,
    asked_for,
)
from groupnl_deploy.cli.exits import guarded
from groupnl_deploy.cli.options import DataFolder, Json, Wait
from groupnl_deploy.cli.own_options import ModuleAgain, load_named, needing_module
from groupnl_deploy.cli.picture_file import picture_format
from groupnl_deploy.errors import UsageError
from groupnl_deploy.evaluation.record import is_evaluation
from groupnl_deploy.mistaken import require_is
from groupnl_deploy.remote.waiting import DEFAULT_WAIT_S

if TYPE_CHECKING:
    from groupnl_deploy.evaluation.evaluate import Evaluated


@guarded
def evaluate(
    named: Named,
    dataset: DatasetName = None,
    data: DataFolder = None,
    clean: CleanFolder = None,
    corruptions: Corruptions = None,
    severities: Severities = None,
    seed: Seed = None,
    frost: Frost = None,
    images: Images = None,
    batch_size: BatchSize = None,
    device: Devices = None,
    wait: Wait = DEFAULT_WAIT_S,
    alexnet: Alexnet = False,
    out: KeepIn = None,
    module: ModuleAgain = None,
    confusion: Confusion = None,
    heatmap: Heatmap = None,
    json: Json = False,
) -> None:
    """Measure how many test images a network answers rightly: in all, of each class, and under corruptions.

    Any checkpoint or artifact whose weights were trained, on its own data set or another; several are shown the same
    images, side by side. Images that it was trained on are left out.

    Under corruptions each network's results are kept as a file, which `groupnl report` shows beside its benchmarks.

    Example: groupnl evaluate net

    Example: groupnl evaluate imported --dataset folder --data photographs --confusion confusion.png

    Example: groupnl evaluate net net-onnx --corruptions all --heatmap robustness.png

    Example: groupnl evaluate net-onnx --corruptions noise,fog --severities 3 --images 200 --device pi
    """
    from groupnl_deploy.cli.evaluate_many import Many, evaluate_many

    asked = asked_for(dataset, data, clean, corruptions, severities, seed, frost, images, batch_size)
    kept = [path for path in named if is_evaluation(path)]
    folders = [path for path in named if path not in kept]
    for folder in folders:
        require_is(folder, "checkpoint", "artifact")
    if len(named) == 1 and folders and not (asked.corrupted or device or out or heatmap):
        _evaluate_one(folders[0], dataset, data, module, confusion, json)
        return
    if confusion is not None:
        raise UsageError(
            "--confusion is of one network on clean images.",
            "Leave it out, or evaluate that network by a command alone.",
        )
    load_named(module)
    drawn_as = None if heatmap is None else picture_format(heatmap)
    with needing_module("evaluate", *named):
        evaluate_many(
            Many(tuple(folders), tuple(kept), asked, tuple(device or ()), wait, alexnet, out, heatmap, drawn_as, json)
        )


def _evaluate_one(
    folder: Path, dataset: str | None, data: str | None, module: str | None, confusion: Path | None, json: bool
) -> None:
    """On clean images, class by class."""
    format = None if confusion is None else picture_format(confusion)
    from groupnl_deploy.evaluation.evaluate import evaluate_folder

    load_named(module)
    with needing_module("evaluate", folder):
        found = evaluate_folder(folder, dataset, data, console.TerminalReporter())
    for note in found.notes:
        console.say(f"Note: {note}.")
    if confusion is not None and format is not None:
        _draw(found, confusion, format)
    if json:
        console.show_json(_document(found))
        return
    matrix = found.evaluation.confusion
    begun = "" if found.subject.init is None else f", trained on from the checkpoint {found.subject.init[:12]}"
    five = found.evaluation.right_in_five
    top5 = "" if five is None else f", top-5 {100 * five / found.evaluation.count:.2f} %"
    console.show_text(f"{found.subject.label}{begun}: {headline(matrix)}{top5}, test part of {found.data.name}")
    show_confusion(matrix)


def _draw(found: "Evaluated", path: Path, format: str) -> None:
    from groupnl_deploy.report.classes import ClassSection
    from groupnl_deploy.report.confusion_plot import draw_confusion
    from groupnl_deploy.workspace import write_atomically

    title = f"{found.subject.label} on {found.data.name}"
    write_atomically(path, draw_confusion([ClassSection(title, (), found.evaluation.confusion)], format))
    console.say(f"Drawn: {path}")


def _document(found: "Evaluated") -> dict[str, Any]:
    from device_agent.strict import to_dict

    evaluation, subject = found.evaluation, found.subject
    matrix = evaluation.confusion
    return {
        "schema_version": 1,
        "path": str(subject.folder),
        "kind": subject.kind,
        "sha256": subject.sha256,
        "label": subject.label,
        "init": subject.init,
        "dataset": found.data.name,
        "data": to_dict(found.data),
        "left_out": found.left_out,
        "notes": list(found.notes),
        "evaluation": {"accuracy": evaluation.accuracy, "loss": evaluation.loss, "count": evaluation.count}
        | {"right": matrix.right, "right_in_five": evaluation.right_in_five, "interval": list(matrix.interval)},
        "classes": to_dict(matrix.per_class),
        "confusion": to_dict(matrix.matrix),
    }
