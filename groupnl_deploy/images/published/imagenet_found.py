"""Where the parts of ImageNet lie: in torchvision's layout, timm's or Kaggle's."""

from dataclasses import dataclass
from pathlib import Path

from groupnl_deploy.errors import UsageError
from groupnl_deploy.images.listing import named, shown
from groupnl_deploy.images.published.imagenet_classes import ADDRESS

_KAGGLE = ("ILSVRC/Data/CLS-LOC", "Data/CLS-LOC")
_VAL = ("val", "validation")
_ABOVE = 3  # of Kaggle's folder, which its CSV files lie beside
REMEDY = (
    f"Get ILSVRC2012_img_train.tar and ILSVRC2012_img_val.tar from {ADDRESS}, or the Kaggle competition “ImageNet "
    "Object Localization Challenge”; a folder with train/ and val/ (or validation/) is asked for."
)


@dataclass(frozen=True)
class ImageNetPlace:
    """The folders of the two parts, and where what is said of them may lie. `train` is None where only val is there."""

    root: Path
    train: Path | None
    val: Path
    beside: tuple[Path, ...]


def find_imagenet(path: Path) -> ImageNetPlace:
    """The parts below the folder that the user named. Raises `UsageError` where they are not there."""
    if not path.exists():
        raise UsageError(f"{shown(str(path))} does not exist.", f"Name the folder with train/ and val/. {REMEDY}")
    if not path.is_dir():
        raise UsageError(
            f"{shown(str(path))} is a file; ImageNet is read from folders.",
            "Unpack it: of the training images each of the thousand archives in it into a folder of its name.",
        )
    for root in (path, *(path / name for name in _KAGGLE)):
        val = next((root / name for name in _VAL if (root / name).is_dir()), None)
        if val is not None:
            train = root / "train" if (root / "train").is_dir() else None
            return ImageNetPlace(root, train, val, _beside(path, root))
    raise _not_there(path)


def _beside(path: Path, root: Path) -> tuple[Path, ...]:
    above = root.absolute().parents[:_ABOVE] if root.name == "CLS-LOC" else ()
    return tuple(dict.fromkeys((path, root, *above)))


def _not_there(path: Path) -> UsageError:
    where = shown(str(path))
    if path.name in ("train", *_VAL):
        return UsageError(f"{where} is one part of ImageNet, and both are asked for.", f"Name --data {path.parent}.")
    if (path / "train").is_dir():
        return UsageError(f"{where} has train/, and neither val/ nor validation/ to test on.", REMEDY)
    inside = sorted(entry.name for entry in path.iterdir())
    return UsageError(
        f"{where} does not hold ImageNet: {f'in it are {named(inside)}' if inside else 'it is empty'}.", REMEDY
    )
