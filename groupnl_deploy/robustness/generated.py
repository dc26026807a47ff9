"""A data set's test images under the nineteen corruptions, made when they are asked for."""

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from groupnl_deploy.errors import UsageError
from groupnl_deploy.images.corrupted import CORRUPTIONS, SEVERITIES, CorruptedDataset
from groupnl_deploy.images.dataset import Dataset, LabelledImages, Labels, Pixels, gather
from groupnl_deploy.images.source import Shape
from groupnl_deploy.robustness.corruptions import corrupted, require_possible, table_of
from groupnl_deploy.words import known_word

LARGEST_SEED = 2**64 - 1
_WORTH_PROCESSES = 1 << 22  # pixels of all images: 4,096 of 32x32 take half a second


@dataclass(frozen=True)
class Draw:
    """What decides, beside the images, how they come out.

    Args:
        seed: of all random draws, from 0 to `LARGEST_SEED`.
        frost: a folder with the authors' photographs of frost; None makes textures of our own.

    Raises `UsageError` for another seed.
    """

    seed: int = 0
    frost: str | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.seed <= LARGEST_SEED:
            raise UsageError(f"The seed {self.seed} is none.", "Name one from 0 to 2**64 - 1.")


def generated(
    dataset: Dataset,
    corruptions: Iterable[str] = tuple(CORRUPTIONS),
    severities: Iterable[int] = SEVERITIES,
    draw: Draw | None = None,
) -> CorruptedDataset:
    """The test images of a data set, corrupted by the published definitions.

    An image comes out the same whatever others are read with it, in whichever process and order.

    Args:
        dataset: of images with one channel or three.
        corruptions: which of the nineteen.
        severities: those that will be asked for; others can be, where their libraries are there.
        draw: seed and frost.

    Raises `UsageError` for unknown words, images that cannot be corrupted, and where a library is missing.
    """
    drawn = draw or Draw()
    asked = {known_word("corruption", name, CORRUPTIONS) for name in corruptions}
    names = tuple(name for name in CORRUPTIONS if name in asked)
    require_possible(names, tuple(severities), dataset.input_shape, drawn.frost)

    def part(name: str, severity: int) -> LabelledImages:
        known_word("corruption", name, names)
        return CorruptedImages(dataset.test, dataset.input_shape, name, severity, drawn)

    notes = tuple(_notes(names, dataset.input_shape, drawn))
    return CorruptedDataset(dataset.name, "generated", dataset.class_names, dataset.input_shape, names, part, notes)


@dataclass(frozen=True, eq=False)
class CorruptedImages:
    """`ImagesInBatches` of others, of one corruption and severity.

    Args:
        images: as they were.
        shape: (C, H, W) of each.
        name: of the corruption.
        severity: from 1 to 5.
        draw: seed and frost.
    """

    images: LabelledImages
    shape: Shape
    name: str
    severity: int
    draw: Draw = dataclasses.field(default_factory=Draw)

    @property
    def labels(self) -> Labels:
        """int64 (N,): the class of each image."""
        return self.images.labels

    @cached_property
    def costly(self) -> bool:
        """Whether processes of their own pay."""
        return len(self) * self.shape[1] * self.shape[2] >= _WORTH_PROCESSES or getattr(self.images, "costly", False)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Pixels:
        image: Pixels = self.read_batch([index])[0]
        return image

    def read_batch(self, indices: Sequence[int]) -> Pixels:
        """uint8 (N, C, H, W)."""
        clean = np.moveaxis(gather(self.images, indices, self.shape).numpy(), 1, 3)
        made = corrupted(
            np.ascontiguousarray(clean), self.name, self.severity, indices, self.draw.seed, self.draw.frost
        )
        return np.ascontiguousarray(np.moveaxis(made, 3, 1))


def _notes(names: Sequence[str], shape: Shape, draw: Draw) -> Iterable[str]:
    height, width = shape[1:]
    table = table_of(height, width)
    yield f"corrupted here by the published definitions with seed {draw.seed}; the published files drew other numbers"
    if (height, width) != (table, table):
        yield f"images of {height}x{width} get the constants of {table}x{table}, the nearest that are published"
    if "frost" in names and draw.frost is None:
        yield "frost is laid with textures made here, so its errors compare with those of other such runs alone"
