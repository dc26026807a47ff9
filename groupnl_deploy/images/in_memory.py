"""Labelled images that are few enough to be held in memory."""

from dataclasses import dataclass

from groupnl_deploy.images.dataset import Labels, Pixels


@dataclass(frozen=True, eq=False)
class InMemoryImages:
    """`LabelledImages` of two arrays, which nobody can change any more.

    Args:
        pixels: uint8 (N, C, H, W).
        labels: int64 (N,).
    """

    pixels: Pixels
    labels: Labels

    def __post_init__(self) -> None:
        if len(self.pixels) != len(self.labels):
            raise ValueError(f"{len(self.pixels)} images have {len(self.labels)} labels")
        for array in (self.pixels, self.labels):  # one copy is shared by all who ask for the data set
            array.setflags(write=False)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Pixels:
        image: Pixels = self.pixels[index]
        return image
