"""ImageNet-C from its folders, <corruption>/<severity>/<wnid>/*.JPEG, which are 224x224 already."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from device_agent.manifest import View
from groupnl_deploy.errors import UsageError, VerificationFailed
from groupnl_deploy.images.corrupted import CORRUPTIONS, EXTRA, SEVERITIES, CorruptedDataset
from groupnl_deploy.images.dataset import Labels, Pixels
from groupnl_deploy.images.decode import as_pixels, decoded, fitted
from groupnl_deploy.images.listing import shown
from groupnl_deploy.images.published.generated import GENERATED, read_generated
from groupnl_deploy.images.published.imagenet_classes import class_folders_of, known_classes
from groupnl_deploy.images.published.known import KnownFile
from groupnl_deploy.images.published.photo_folders import Photos, in_class_folders
from groupnl_deploy.images.published.pieces import pieces_of_folder
from groupnl_deploy.images.source import DataSource, Shape
from groupnl_deploy.progress import Reporter
from groupnl_deploy.words import known_word

SHAPE = (3, 224, 224)
RESIZED = View(1.0, "bicubic")
"""For a network that takes another size: what timm's script for validation shows it of ready images."""
IMAGES = 50_000
"""At each severity."""
ADDRESS = "https://zenodo.org/records/2235448"
ARCHIVES = {
    "noise": KnownFile("noise.tar", 22_565_673_785, "e80562d7f6c3f8834afb1ecf27252745"),
    "blur": KnownFile("blur.tar", 7_112_704_951, "2d8e81fdd8e07fef67b9334fa635e45c"),
    "weather": KnownFile("weather.tar", 12_797_438_995, "33ffea4db4d93fe4a428c40a6ce0c25d"),
    "digital": KnownFile("digital.tar", 7_757_510_705, "89157860d7b10d5797849337ca2e5c03"),
    "extra": KnownFile("extra.tar", 15_789_490_144, "d492dfba5fc162d8ec2c3cd8ee672984"),
}
_REMEDY = f"Get noise.tar, blur.tar, weather.tar, digital.tar or extra.tar from {ADDRESS}, and unpack it."


@dataclass(frozen=True, eq=False, repr=False)
class Cropped:
    """`LabelledImages` of files, of which the middle is cut out; for networks that take another size it is resized."""

    photos: Photos
    shape: Shape = SHAPE

    costly: ClassVar[bool] = True

    @property
    def labels(self) -> Labels:
        """int64 (N,)."""
        return self.photos.labels

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, index: int) -> Pixels:
        path = self.photos.path(index)
        image = decoded(path.read_bytes(), path, SHAPE, exact=True)
        _, height, width = SHAPE
        left, top = (image.width - width) // 2, (image.height - height) // 2
        if top < 0 or left < 0:
            raise VerificationFailed(
                f"{shown(str(path))} is {image.width}x{image.height}; ImageNet-C's images are 224x224.",
                _REMEDY,
            )
        window = image.crop((left, top, left + width, top + height))
        return as_pixels(window) if self.shape == SHAPE else fitted(window, self.shape, RESIZED)


@dataclass(frozen=True, eq=False)
class _Parts:
    """The images of a corruption at a severity, which must be the same ones as those of the first."""

    places: dict[str, Path]
    classes: tuple[str, ...]
    first: tuple[str, Photos]
    shape: Shape

    def __call__(self, corruption: str, severity: int) -> Cropped:
        known_word("corruption", corruption, CORRUPTIONS)
        if severity not in SEVERITIES:
            raise UsageError(f"There is no severity {severity}; they are 1 to 5.", "Choose one of these.")
        if corruption not in self.places:
            archive = ARCHIVES["extra" if corruption in EXTRA else CORRUPTIONS[corruption]]
            raise UsageError(
                f"There is no folder {corruption}/ among these: {', '.join(self.places)}.",
                f"Ask for others, or get {archive} from {ADDRESS} and unpack it.",
            )
        photos = _photos(self.places[corruption] / str(severity), self.classes)
        name, first = self.first
        if not (np.array_equal(photos.names, first.names) and np.array_equal(photos.labels, first.labels)):
            raise VerificationFailed(
                f"{shown(str(photos.root))} has {len(photos):,} images, other ones than {name} ({len(first):,}).",
                _REMEDY,
            )
        return Cropped(photos, self.shape)


def load_corrupted(source: DataSource, reporter: Reporter) -> CorruptedDataset:
    """What lies at `source.path`: folders of corruptions, also in folders of their categories.

    Raises `UsageError` where none is there, where nothing says the classes, and for images without colours.
    """
    shape = source.shape or SHAPE
    if shape[0] != SHAPE[0]:
        source.require_shape(SHAPE)
    path = source.require_place()
    places = _places(path)
    word, place = next(iter(places.items()))
    severity = next((str(number) for number in SEVERITIES if (place / str(number)).is_dir()), None)
    if severity is None:
        raise VerificationFailed(f"{shown(str(place))} has no folders 1 to 5 of its severities.", _REMEDY)
    root = place / severity
    classes = known_classes((path, path.absolute().parent), class_folders_of(root), root)
    first = _photos(root, classes)
    generated = pieces_of_folder(path, [GENERATED]).get(GENERATED)
    notes = read_generated(generated, (source.name, "imagenet")) if generated else _odd(len(first))
    if shape != SHAPE:
        notes += (f"its images of {_size(SHAPE)} were resized to {_size(shape)} ({RESIZED.interpolation})",)
    parts = _Parts(places, classes, (f"{word}/{severity}", first), shape)
    origin: Literal["published", "generated"] = "generated" if generated else "published"
    return CorruptedDataset(source.name, origin, classes, shape, tuple(places), parts, notes)


def _places(path: Path) -> dict[str, Path]:
    """The folder of each corruption that is there, in the order of `CORRUPTIONS`."""
    if not path.exists():
        raise UsageError(f"{shown(str(path))} does not exist.", f"Name the folder of ImageNet-C. {_REMEDY}")
    if not path.is_dir():
        raise UsageError(f"{shown(str(path))} is a file; ImageNet-C is read from folders.", "Unpack it.")
    found: dict[str, Path] = {}
    for word in CORRUPTIONS:
        there = [place / word for place in (path, *(path / name for name in ARCHIVES)) if (place / word).is_dir()]
        found |= {word: there[0]} if there else {}
    if not found:
        above = f" Name --data {path.parent}." if path.name in CORRUPTIONS else ""
        raise UsageError(
            f"{shown(str(path))} has no folders of corruptions, such as fog/ or noise/gaussian_noise/.{above}", _REMEDY
        )
    return found


def _photos(root: Path, classes: tuple[str, ...]) -> Photos:
    if not root.is_dir():
        raise UsageError(f"{shown(str(root))} is not there.", f"Choose other severities. {_REMEDY}")
    return Photos(root, classes, *in_class_folders(root, classes), SHAPE)


def _size(shape: Shape) -> str:
    return f"{shape[1]}x{shape[2]}"


def _odd(count: int) -> tuple[str, ...]:
    if count == IMAGES:
        return ()
    return (f"with {count:,} images at each severity it is not ImageNet-C as it was published",)
