"""`groupnl data corrupt`: test images under the nineteen corruptions, as files."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from groupnl_deploy.cli import console
from groupnl_deploy.cli.exits import guarded
from groupnl_deploy.cli.options import DataFolder, ImageShape, Json, shape
from groupnl_deploy.cli.picture_file import require_sheet
from groupnl_deploy.errors import UsageError
from groupnl_deploy.images.corrupted_datasets import CORRUPTED_DATASETS
from groupnl_deploy.words import command_line, counted

if TYPE_CHECKING:
    from groupnl_deploy.images.corrupted import CorruptedDataset
    from groupnl_deploy.images.dataset import Dataset
    from groupnl_deploy.robustness.written import Written

ALL = "all"


@guarded
def corrupt(
    dataset: Annotated[str, typer.Option(help="A data set's name.")],
    data: DataFolder = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="The folder to write; it must not exist yet.")
    ] = None,
    corruptions: Annotated[
        str, typer.Option(metavar="all|LIST", help="Which of the nineteen, such as fog,snow; all severities of each.")
    ] = ALL,
    seed: Annotated[int, typer.Option(min=0, help="Of all random draws.")] = 0,
    split_seed: Annotated[
        int, typer.Option(help="Seed of the split, where the data set has no parts of its own: that of the training.")
    ] = 0,
    frost: Annotated[
        str | None, typer.Option(metavar="DIR", help="The authors' photographs of frost; else textures are made here.")
    ] = None,
    input_: ImageShape = None,
    workers: Annotated[
        int | None, typer.Option(metavar="N", help="Processes that make images; else one a core. No bit depends on it.")
    ] = None,
    sheet: Annotated[
        Path | None, typer.Option("--sheet", metavar="FILE.png", help="Draw the first test image under all of them.")
    ] = None,
    json: Json = False,
) -> None:
    """Corrupt the test images of a data set in nineteen ways at five severities, in files laid out as CIFAR-10-C.

    One NAME.npy for each corruption, labels.npy, and generated.json, which says that they were made here. The folder is
    there whole or not at all.

    Example: groupnl data corrupt --dataset cifar10 --data cifar-10-binary.tar.gz --out CIFAR-10-C-generated

    Example: groupnl data corrupt --dataset digits --corruptions fog,jpeg_compression --sheet fog.png
    """
    if out is None and sheet is None:
        raise UsageError("Nothing was asked for.", "Name a folder to write, --out DIR, or a picture, --sheet FILE.png.")
    require_sheet(sheet)
    from groupnl_deploy.images.datasets import load_dataset
    from groupnl_deploy.images.source import DataSource
    from groupnl_deploy.robustness.generated import Draw, generated
    from groupnl_deploy.workspace import require_absent

    if out is not None:
        require_absent(out)
    names, draw, reporter = _names(corruptions), Draw(seed, frost), console.TerminalReporter()
    images = load_dataset(DataSource(dataset, data, shape("--input", input_)), split_seed, reporter)
    made = generated(images, names, draw=draw)
    if sheet is not None:
        _draw(sheet, images, made)
    written = None
    if out is not None:
        from groupnl_deploy.robustness.written import write_corrupted

        written = write_corrupted(images, names, draw, out, reporter, workers)
    for note in made.notes:
        console.say(f"Note: {note}.")
    if json:
        console.show_json(_document(made, written, sheet, seed))
    elif written is not None:
        _tell(dataset, written)


def _names(text: str) -> tuple[str, ...]:
    from groupnl_deploy.images.corrupted import CORRUPTIONS

    if text.strip() == ALL:
        return tuple(CORRUPTIONS)
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if not names:
        raise UsageError("No corruption is named.", f"Write --corruptions {ALL}, or some, such as fog,snow.")
    return names


def _draw(sheet: Path, images: "Dataset", made: "CorruptedDataset") -> None:
    from groupnl_deploy.robustness.sheet import corruption_sheet
    from groupnl_deploy.workspace import write_atomically

    write_atomically(sheet, corruption_sheet(images, made))
    console.say(f"{sheet}: the first test image under {counted(len(made.corruptions), 'corruption')}.")


def _tell(dataset: str, written: "Written") -> None:
    what = f"{counted(len(written.corruptions), 'corruption')} of {counted(written.images, 'image')} at 5 severities"
    console.show_text(f"{written.path}: {what}, {written.size_bytes / 1e6:,.0f} MB")
    if f"{dataset}c" in CORRUPTED_DATASETS:
        words = ("evaluate", "NET", "--dataset", f"{dataset}c", "--data", written.path)
        console.say(f"Next: {command_line(*words)}")


def _document(made: "CorruptedDataset", written: "Written | None", sheet: Path | None, seed: int) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "path": None if written is None else str(written.path),
        "sheet": None if sheet is None else str(sheet),
        "origin": made.origin,
        "dataset": made.name,
        "seed": seed,
        "corruptions": list(made.corruptions),
        "images": 0 if written is None else written.images,
        "size_bytes": 0 if written is None else written.size_bytes,
        "notes": list(made.notes),
    }
