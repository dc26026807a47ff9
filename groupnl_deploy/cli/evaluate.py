"""`groupnl evaluate`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from groupnl_deploy.cli import console
from groupnl_deploy.cli.confusion_text import headline, show_confusion
from groupnl_deploy.cli.exits import guarded
from groupnl_deploy.cli.options import DataFolder, Json
from groupnl_deploy.cli.own_options import ModuleAgain, load_named, needing_module
from groupnl_deploy.cli.picture_file import picture_format
from groupnl_deploy.mistaken import require_is

if TYPE_CHECKING:
    from groupnl_deploy.evaluation.evaluate import Evaluated


@guarded
def evaluate(
    folder: Annotated[Path, typer.Argument(metavar="CHECKPOINT|ARTIFACT", help="The folder of either.")],
    dataset: Annotated[
        str | None, typer.Option(help="A data set's name; left out, the one that the network was trained on.")
    ] = None,
    data: DataFolder = None,
    module: ModuleAgain = None,
    confusion: Annotated[
        Path | None, typer.Option(metavar="OUT.PNG", help="Draw which class was taken for which; .png, .pdf or .svg.")
    ] = None,
    json: Json = False,
) -> None:
    """Measure, here, how many test images a network answers rightly: in all, of each class, and what it took them for.

    Any checkpoint or artifact whose weights were trained, on its own data set or another. Images that it was trained on
    are left out.

    Example: groupnl evaluate net

    Example: groupnl evaluate imported --dataset folder --data photographs --confusion confusion.png
    """
    format = None if confusion is None else picture_format(confusion)
    require_is(folder, "checkpoint", "artifact")
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
    console.show_text(f"{found.subject.label}{begun}: {headline(matrix)}, test part of {found.data.name}")
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
        | {"right": matrix.right, "interval": list(matrix.interval)},
        "classes": to_dict(matrix.per_class),
        "confusion": to_dict(matrix.matrix),
    }
