"""Which images, as users say it."""

from dataclasses import dataclass
from pathlib import Path

from groupnl_deploy.errors import UsageError

Shape = tuple[int, int, int]
"""(C, H, W) of one image."""
FOLDER = "folder"
"""The data set of images of one's own."""
LONGEST_SIDE = 1 << 16  # of an image, in pixels


@dataclass(frozen=True)
class DataSource:
    """A data set by its name, and what a user may say beside it.

    Args:
        name: a key of `datasets.DATASETS`; behind a colon what of it, where it can be used in several ways.
        path: where it lies, for those that lie in a folder or an archive of the user's.
        shape: what each image becomes; None is the data set's own.
    """

    name: str
    path: str | None = None
    shape: Shape | None = None

    @property
    def base(self) -> str:
        """The name without what stands behind a colon."""
        return base_name(self.name)

    @property
    def variant(self) -> str | None:
        """What stands behind the colon."""
        return self.name.partition(":")[2].strip().lower() or None

    def require_plain(self, shape: Shape) -> None:
        """Raise `UsageError` for a path, or for another shape than `shape`: this data set has one of its own."""
        if self.path is not None:
            raise UsageError(
                f"The data set “{self.name}” comes with the program and lies in no folder of yours, such as "
                f"{self.path}.",
                "For images of your own name the data set “folder”; for this one leave the folder out.",
            )
        self.require_shape(shape)

    def require_shape(self, shape: Shape) -> None:
        """Raise `UsageError` where another shape than `shape` was asked for, the only one that the data set has."""
        if self.shape not in (None, shape):
            raise UsageError(
                f"The images of “{self.name}” have the shape {shape}, and {self.shape} was asked for.",
                "Leave the shape out.",
            )

    def require_place(self) -> Path:
        """Where its files lie, which do not come with the program. Raises `UsageError` where nobody said it."""
        if self.path is None:
            raise UsageError(
                f"The files of “{self.name}” do not come with the program, and nobody said where they lie.",
                'Name their folder or archive: --data DIR, or in a campaign data = "DIR"; docs/datasets.md tells where '
                "to get them.",
            )
        return Path(self.path).expanduser()


def base_name(name: str) -> str:
    """Of a data set, whichever way it is used: "icons50" of "icons50:apple"."""
    return name.partition(":")[0]


def shape_of(what: str, text: str) -> Shape:
    """Channels, height and width in a text such as "3,224,224". Raises `UsageError`; `what` begins its sentence."""
    parts = text.lower().replace("x", ",").split(",")
    if len(parts) != 3 or not all(part.strip().isdecimal() and 0 < int(part) <= LONGEST_SIDE for part in parts):
        raise UsageError(f"{what} is “{text}”; it is channels, height and width.", f"Write {what} 3,224,224.")
    return (int(parts[0]), int(parts[1]), int(parts[2]))
