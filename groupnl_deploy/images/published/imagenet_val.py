"""The classes of validation images that lie in one folder: Kaggle's CSV says them, or the development kit."""

import csv
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from groupnl_deploy.errors import UsageError, VerificationFailed
from groupnl_deploy.images.listing import named, shown
from groupnl_deploy.images.published.imagenet_classes import ADDRESS, DEVKIT, read_devkit

SOLUTION = "LOC_val_solution.csv"
_NUMBER = re.compile(r"ILSVRC2012_val_(\d{8})")


def flat_labels(names: Sequence[str], places: Sequence[Path], classes: Sequence[str], where: Path) -> list[int]:
    """The label of each file.

    Args:
        names: of the files.
        places: folders where what says their classes may lie.
        classes: by label.
        where: the files lie.

    Raises `UsageError` where nothing says the classes, `VerificationFailed` where not those of all files.
    """
    by_stem = _said(places)
    if by_stem is None:
        raise UsageError(
            f"The validation images lie in {shown(str(where))} itself, and nothing says which class each shows.",
            f"Put {SOLUTION} (of the Kaggle download) or {DEVKIT} (of {ADDRESS}) beside it, or sort them into folders "
            "of their wnids.",
        )
    place = {wnid: label for label, wnid in enumerate(classes)}
    labels = [place.get(by_stem.get(name.rpartition(".")[0], ""), -1) for name in names]
    unknown = [name for name, label in zip(names, labels, strict=True) if label < 0]
    if unknown:
        raise VerificationFailed(
            f"Nothing says which class these images of {shown(str(where))} show: {named(unknown)}.",
            f"Take {SOLUTION} or the development kit again from where it was whole, or take the images out.",
        )
    return labels


def _said(places: Sequence[Path]) -> Mapping[str, str] | None:
    """The wnid of each validation image by its name without the ending; None where nothing says it."""
    solution = next((place / SOLUTION for place in places if (place / SOLUTION).is_file()), None)
    if solution is not None:
        return _of_csv(solution)
    devkit = read_devkit(places)
    if devkit is None:
        return None
    return {f"ILSVRC2012_val_{number:08}": devkit.wnids[id] for number, id in enumerate(devkit.truth, start=1)}


def _of_csv(path: Path) -> dict[str, str]:
    """Kaggle's: ImageId, then boxes that each begin with the wnid."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            rows = [row for row in csv.reader(stream) if len(row) == 2 and _NUMBER.fullmatch(row[0])]
        found = {name: boxes.split()[0] for name, boxes in rows}
    except (ValueError, IndexError, csv.Error) as error:
        raise VerificationFailed(
            f"{shown(str(path))} is damaged: {error}.", "Take it from the Kaggle download again."
        ) from error
    if not found:
        raise VerificationFailed(
            f"{shown(str(path))} has no rows such as “ILSVRC2012_val_00000001,n01751748 111 108 404 360”.",
            "Take it from the Kaggle download again.",
        )
    return found
