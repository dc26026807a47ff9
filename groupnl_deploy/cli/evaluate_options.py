"""Options of `groupnl evaluate`, and what they ask for together."""

from pathlib import Path
from typing import Annotated

import typer

from groupnl_deploy.errors import UsageError
from groupnl_deploy.evaluation.asked import Asked, corruptions_of, severities_of
from groupnl_deploy.images.corrupted import SEVERITIES

Named = Annotated[
    list[Path],
    typer.Argument(
        metavar="CHECKPOINT|ARTIFACT|EVALUATION",
        help="Folders of networks; a kept evaluation is shown beside them and not made again.",
    ),
]
DatasetName = Annotated[
    str | None, typer.Option("--dataset", help="A data set's name; left out, the one that the network was trained on.")
]
CleanFolder = Annotated[
    str | None,
    typer.Option(
        "--clean", metavar="DIR", help="Beside a published corrupted data set: where its ordinary images lie."
    ),
]
Corruptions = Annotated[
    str | None,
    typer.Option(
        metavar="all|LIST",
        help="Corrupt the test images: all nineteen, usual (fifteen), or names with commas between; noise, blur, "
        "weather and digital name all of a kind.",
    ),
]
Severities = Annotated[
    str | None,
    typer.Option(metavar="1-5", help="Which of the five severities, such as 1-5, 3 or 1,3,5; all if left out."),
]
Seed = Annotated[int | None, typer.Option("--seed", help="Of what is drawn at random; 0 if left out.")]
Frost = Annotated[
    str | None,
    typer.Option("--frost", metavar="DIR", help="The authors' photographs of frost; textures of our own without it."),
]
Devices = Annotated[
    list[str] | None,
    typer.Option("--device", metavar="NAME", help="Have this device answer for each artifact, too; several are fine."),
]
Images = Annotated[
    int | None, typer.Option("--images", metavar="N", help="So many of the test images, drawn by --seed; else all.")
]
BatchSize = Annotated[
    int | None, typer.Option("--batch-size", metavar="N", help="Images at once; else as many as their size allows.")
]
Alexnet = Annotated[
    bool, typer.Option("--alexnet", help="ImageNet-C alone: the mean corruption error relative to AlexNet's, too.")
]
KeepIn = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="The folder that keeps the results; else runs/evaluations.")
]
Confusion = Annotated[
    Path | None,
    typer.Option(
        metavar="OUT.PNG",
        help="Draw which class was taken for which, of one network on clean images; .png, .pdf or .svg.",
    ),
]
Heatmap = Annotated[
    Path | None,
    typer.Option(
        metavar="OUT.PNG", help="Draw the error of every corruption and severity, a map a network; .png, .pdf or .svg."
    ),
]


def asked_for(
    dataset: str | None,
    data: str | None,
    clean: str | None,
    corruptions: str | None,
    severities: str | None,
    seed: int | None,
    frost: str | None,
    images: int | None,
    batch_size: int | None,
) -> Asked:
    """What these options ask for together. Raises `UsageError` for words that are none, and what would do nothing."""
    asked = Asked(
        dataset,
        data,
        clean,
        None if corruptions is None else corruptions_of(corruptions),
        SEVERITIES if severities is None else severities_of(severities),
        0 if seed is None else seed,
        frost,
        images,
        batch_size,
    )
    if not asked.corrupted:
        useless = {
            "--severities": severities,
            "--seed": seed,
            "--frost": frost,
            "--images": images,
            "--batch-size": batch_size,
        }
        for option, value in useless.items():
            if value is not None:
                raise UsageError(
                    f"{option} is for corrupted images, and none are asked for.",
                    f"Add --corruptions all, or leave {option} out.",
                )
    return asked
