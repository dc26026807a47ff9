"""The classes of ImageNet-1K: a label is the place of a synset's name (wnid) among all of them, sorted.

Never among those that happen to be there: a folder with 999 of them would number nearly all of them otherwise.
"""

import io
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groupnl_deploy.errors import UsageError, VerificationFailed
from groupnl_deploy.images.listing import named, shown
from groupnl_deploy.images.published.files import in_archive, in_folder
from groupnl_deploy.images.published.known import KnownFile

CLASSES = 1000
MAPPING = "LOC_synset_mapping.txt"
ADDRESS = "https://image-net.org/download.php"
META, TRUTH = "meta.mat", "ILSVRC2012_validation_ground_truth.txt"
DEVKIT = KnownFile("ILSVRC2012_devkit_t12.tar.gz", 2_568_634, "fa75699e90414af021442c21a62c3abf")
_DEVKITS = ("ILSVRC2012_devkit_t12/data", "ILSVRC2012_devkit_t12", "data")
_WNID = re.compile(r"n\d{8}")
_REMEDY = (
    f"Put {MAPPING} (of the Kaggle download) or {DEVKIT} (of {ADDRESS}) beside the images. A part of ImageNet as a "
    "data set of its own is --dataset folder."
)


@dataclass(frozen=True)
class Devkit:
    """What the development kit says.

    Args:
        wnids: by ILSVRC2012_ID, which is no label.
        truth: the ID of each validation image, in the order of their numbers.
    """

    wnids: Mapping[int, str]
    truth: tuple[int, ...]


def is_wnid(name: str) -> bool:
    """Whether it is the name of a synset of nouns, as n01440764."""
    return _WNID.fullmatch(name) is not None


def class_folders_of(root: Path) -> list[str]:
    """The sorted names of those folders in a folder that are called as synsets are."""
    return sorted(entry.name for entry in root.iterdir() if is_wnid(entry.name) and entry.is_dir())


def known_classes(places: Iterable[Path], folders: Collection[str], where: Path) -> tuple[str, ...]:
    """The sorted wnids of all classes.

    Args:
        places: folders where the mapping or the development kit may lie.
        folders: names of the class folders that are there: they say it where they are a thousand.
        where: they lie.

    Raises `UsageError` where nothing says all classes, or a folder is none of them.
    """
    places = list(places)
    mapping = next((place / MAPPING for place in places if (place / MAPPING).is_file()), None)
    devkit = None if mapping else read_devkit(places)
    if mapping:
        classes = _of_mapping(mapping)
    elif devkit:
        classes = sorted(set(devkit.wnids.values()))
    elif len(folders) == CLASSES:
        classes = sorted(folders)
    else:
        raise UsageError(
            f"{shown(str(where))} has folders of {len(folders):,} classes, and which of the {CLASSES:,} they are says "
            "nothing there: a label is the place among all.",
            _REMEDY,
        )
    require_classes(folders, classes, where)
    return tuple(classes)


def require_classes(folders: Collection[str], classes: Collection[str], where: Path) -> None:
    """Raise `UsageError` where a folder is none of the classes."""
    others = sorted(set(folders) - set(classes))
    if others:
        raise UsageError(
            f"{shown(str(where))} has folders that are none of the classes: {named(others)}.",
            "Take them out, or say --dataset folder for images of your own.",
        )


def _of_mapping(path: Path) -> list[str]:
    """The first word of each line."""
    wnids = [line.split()[0] for line in path.read_text("utf-8", "replace").splitlines() if line.split()]
    odd = [wnid for wnid in wnids if not is_wnid(wnid)]
    if odd or len(set(wnids)) != len(wnids) or not wnids:
        raise VerificationFailed(
            f"{shown(str(path))} is damaged: its lines do not each begin with a wnid of its own, as n01440764 does.",
            "Take it from the Kaggle download again.",
        )
    return sorted(wnids)


def read_devkit(places: Iterable[Path]) -> Devkit | None:
    """The development kit in one of these folders, packed or not; None where none is. Raises `VerificationFailed`."""
    wanted = (META, TRUTH)
    for place in places:
        for folder in (place, *(place / name for name in _DEVKITS)):
            files = in_folder(folder, wanted)
            if len(files.sizes) == len(wanted):
                return _devkit(files.take(META), files.take(TRUTH), folder)
        archive = place / DEVKIT.name
        if archive.is_file():
            files = in_archive(archive, wanted, [DEVKIT], f"Get it again from {ADDRESS}.")
            if len(files.sizes) == len(wanted):
                return _devkit(files.take(META), files.take(TRUTH), archive)
    return None


def _devkit(meta: bytes, truth: bytes, where: Path) -> Devkit:
    from scipy.io import loadmat

    try:
        synsets: Any = loadmat(io.BytesIO(meta), squeeze_me=True)["synsets"]
        # Number, wnid, words, gloss, count of children, …: those without children are the classes.
        wnids = {int(row[0]): str(row[1]) for row in synsets if int(row[4]) == 0}
        ids = tuple(map(int, truth.split()))
        if not wnids or not all(map(is_wnid, wnids.values())) or not set(ids) <= set(wnids):
            raise ValueError("its numbers and wnids do not go together")
    except Exception as error:  # SciPy's reader raises whatever its parsing meets
        raise VerificationFailed(
            f"The development kit in {shown(str(where))} is damaged: {str(error).partition(chr(10))[0].rstrip('.')}.",
            f"Get {DEVKIT} again from {ADDRESS}.",
        ) from error
    return Devkit(wnids, ids)
