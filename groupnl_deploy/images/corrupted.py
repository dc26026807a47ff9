"""Test images under the common corruptions of Hendrycks and Dietterich (arXiv 1903.12261): names, and such a set.

Imports no PyTorch, so that a wrong word shows at once.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from groupnl_deploy.errors import UsageError
from groupnl_deploy.images.source import Shape

if TYPE_CHECKING:
    from groupnl_deploy.images.dataset import LabelledImages

Category = Literal["noise", "blur", "weather", "digital"]
CATEGORIES: tuple[Category, ...] = get_args(Category)

CORRUPTIONS: dict[str, Category] = {
    "gaussian_noise": "noise",
    "shot_noise": "noise",
    "impulse_noise": "noise",
    "defocus_blur": "blur",
    "glass_blur": "blur",
    "motion_blur": "blur",
    "zoom_blur": "blur",
    "snow": "weather",
    "frost": "weather",
    "fog": "weather",
    "brightness": "weather",
    "contrast": "digital",
    "elastic_transform": "digital",
    "pixelate": "digital",
    "jpeg_compression": "digital",
    "speckle_noise": "noise",
    "gaussian_blur": "blur",
    "spatter": "weather",
    "saturate": "digital",
}
"""All nineteen in the order of the GroupNL paper's Table 6, each with the category that its kind belongs to."""

EXTRA = ("speckle_noise", "gaussian_blur", "spatter", "saturate")
"""The four that were made for validation and are left out of the usual fifteen; the GroupNL paper counts them in."""

BY_CATEGORY = tuple(name for category in CATEGORIES for name, kind in CORRUPTIONS.items() if kind == category)
"""All nineteen, those of a category together, the extra ones last in each."""

SEVERITIES = (1, 2, 3, 4, 5)


def corruption_words(name: str) -> str:
    """Such as “fog”, “speckle noise +”: + marks the extra four."""
    return f"{name.replace('_', ' ')}{' +' if name in EXTRA else ''}"


@dataclass(frozen=True, eq=False)
class CorruptedDataset:
    """The test part of a data set, corrupted in several ways; each way has the same images in the same order.

    Args:
        name: of the data set, such as "cifar10c".
        origin: "published" files, or "generated" here by the published definition, whose random draws are other ones.
        class_names: by label.
        input_shape: (C, H, W) of every image.
        corruptions: those at hand, keys of `CORRUPTIONS` in its order.
        part: the images of one corruption at a severity from 1 to 5, read one at a time.
        notes: what a reader of results must know, such as seed and versions, in sentences without a full stop.
    """

    name: str
    origin: Literal["published", "generated"]
    class_names: tuple[str, ...]
    input_shape: Shape
    corruptions: tuple[str, ...]
    part: "Callable[[str, int], LabelledImages]"
    notes: tuple[str, ...] = ()

    def require(self, corruptions: Iterable[str]) -> None:
        """Raise `UsageError` for one that is not at hand."""
        missing = [name for name in corruptions if name not in self.corruptions]
        if missing:
            raise UsageError(
                f"“{self.name}” has no {missing[0]} here; it has {', '.join(self.corruptions)}.",
                "Bring the missing files, or name other corruptions; where you name none, what is there is taken.",
            )
