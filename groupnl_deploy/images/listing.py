"""The files of an own data set: where each lies, which class it shows, and what speaks against training on them."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from groupnl_deploy.errors import UsageError
from groupnl_deploy.images.split import Part

# By the ending of a file's name. What it really is, only its content says, and that is asked when it is read.
IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".gif", ".webp", ".avif", ".tif", ".tiff", ".bmp"}
    | {".dib", ".ico", ".jp2", ".j2k", ".ppm", ".pgm", ".pbm", ".pnm", ".tga", ".pcx", ".qoi"}
)
# Images that Pillow does not read: nobody means to leave them out, so they are not passed over in silence.
UNREADABLE_SUFFIXES = frozenset(
    (".heic", ".heif", ".jxl", ".svg", ".cr2", ".cr3", ".nef", ".arw", ".dng", ".raf", ".orf", ".rw2", ".exr", ".dcm")
)
_PARTS: dict[str, Part] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "test", "testing"), "test"),
}
_FINAL = ("test", "testing")
LABELS_FILE = "labels.csv"  # in a folder: the files and labels of its data set
HIDDEN = "hidden"  # why a file is passed over


@dataclass(frozen=True, slots=True)
class ListedFile:
    """One image file: its path below the root, with slashes; its class; its part where the data set itself says so."""

    name: str
    class_name: str
    part: Part | None = None


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A file that is not read, and why not."""

    name: str
    why: str


@dataclass(frozen=True)
class Listing:
    """All that lies in an own data set, before any file of it is opened.

    Args:
        root: the folder that all names are below; what leaves it is never opened.
        classes: the class names, sorted by code point, those without an image too.
        files: the images, sorted by name.
        passed_over: the other files.
        links: those that lead out of the root or to a folder; they are not followed.
        notes: sentences on what was decided for the user.
        watched: files and folders whose time changes when an image is added or taken away.
    """

    root: Path
    classes: tuple[str, ...]
    files: tuple[ListedFile, ...]
    passed_over: tuple[PassedOver, ...] = ()
    links: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    watched: tuple[Path, ...] = ()

    @property
    def has_parts(self) -> bool:
        """Whether the data set itself says what is to be tested on."""
        return any(file.part == "test" for file in self.files)

    def classes_of(self, part: Part | None) -> set[str]:
        """The classes that have an image in a part."""
        return {file.class_name for file in self.files if file.part == part}


def part_named(word: str) -> Part | None:
    """The part that a folder or a cell of this name is; None for any other word."""
    return _PARTS.get(word.strip().lower())


def left_out_parts(words: Iterable[str]) -> tuple[str, ...]:
    """Of words for parts: those that are neither trained nor tested on, as a final test part stands beside them."""
    to_test = sorted({word for word in words if part_named(word) == "test"})
    validation = [word for word in to_test if word.strip().lower() not in _FINAL]
    return tuple(validation) if len(validation) < len(to_test) else ()


def refusals(listing: Listing) -> Iterator[UsageError]:
    """Everything that keeps a network from being trained on these files, as far as their names say it."""
    yield from _of_names(listing)
    found = {file.class_name for file in listing.files}
    for name in listing.classes:
        if name not in found:
            yield UsageError(
                f"The class “{shown(name)}” has no image in {listing.root}.",
                "Put its images there (their names must end as images' do, such as .jpg), or remove its folder.",
            )
    if len(listing.classes) == 1:
        yield UsageError(
            f"{listing.root} has one class, “{shown(listing.classes[0])}”, and there is nothing to tell apart.",
            "Make a folder for each class, two or more, and sort the images into them.",
        )
    never_seen = listing.classes_of("test") - listing.classes_of("train")
    if listing.has_parts and never_seen:
        yield UsageError(
            f"Only the test part has images of {named(never_seen)}; a network cannot learn what it never sees.",
            "Put images of it into the train part too, or take it out of the test part.",
        )


def _of_names(listing: Listing) -> Iterator[UsageError]:
    if listing.links:
        yield UsageError(
            f"Links that lead out of {listing.root}, to a folder or nowhere are not followed: {named(listing.links)}.",
            f"Copy what they lead to, cp -rL {listing.root} NEW, or take them out.",
        )
    unreadable = [file.name for file in listing.files if suffix_of(file.name) in UNREADABLE_SUFFIXES]
    if unreadable:
        kinds = sorted({suffix_of(name).removeprefix(".").upper() for name in unreadable})
        yield UsageError(
            f"Pillow does not read {' and '.join(kinds)}, which these files are: {named(unreadable)}.",
            "Convert them to JPEG or PNG, or take them out of the folder.",
        )
    unwritable = [name for name in listing.classes if not _is_text(name)]
    if unwritable:
        yield UsageError(
            f"Class names must be UTF-8, and these are not: {named(unwritable)}.",
            "Rename the folders; convmv does it for many.",
        )


def _is_text(name: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in name)  # how Python keeps bytes that are none


def suffix_of(name: str) -> str:
    """The ending of a file's name, small, with its dot; empty where there is none."""
    stem, dot, ending = name.rpartition("/")[2].rpartition(".")
    return f".{ending.lower()}" if stem and dot else ""


def shown(name: str) -> str:
    """A name as a terminal may show it: what is no letter, such as a control code, becomes a replacement character."""
    return "".join(letter if letter.isprintable() else "�" for letter in name)


def named(names: Collection[str], most: int = 3) -> str:
    """The first few names, and how many others there are."""
    first = ", ".join(f"“{shown(name)}”" for name in sorted(names)[:most])
    others = len(names) - most
    return first if others <= 0 else f"{first} and {others} {'other' if others == 1 else 'others'}"
