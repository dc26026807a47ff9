"""An own data set in folders: one for each class, or those in a folder to train on and a folder to test on."""

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from groupnl_deploy.errors import UsageError
from groupnl_deploy.images.listing import (
    HIDDEN,
    IMAGE_SUFFIXES,
    LABELS_FILE,
    UNREADABLE_SUFFIXES,
    ListedFile,
    Listing,
    PassedOver,
    left_out_parts,
    named,
    part_named,
    shown,
    suffix_of,
)
from groupnl_deploy.images.split import Part

_SYSTEMS_OWN = ("thumbs.db", "desktop.ini", "__macosx")  # left by Windows and macOS; hidden files begin with a dot
_DEEPEST = 8  # single folders within each other, as archives have them


def list_class_folders(root: Path) -> Listing:
    """The images of `root/<class>/…`, or of `root/train/<class>/…` and `root/val/<class>/…`.

    The sub-folders of a class belong to the class.

    Raises `UsageError` where there are no such folders.
    """
    found = _Found(root)
    folders = _folders_in(root, found)
    parts = _parts_among(root, folders)
    if not parts:
        found = _Found(root)  # which looks at the root again
        found.add_classes("", None)
    left_out = left_out_parts(parts)
    for name in folders if parts else ():
        part = part_named(name)
        if part is not None and name in parts and name not in left_out:
            found.add_classes(name, part)
        else:
            found.leave_out(name)
    _require_some(root, found)
    return found.listing()


def inmost(folder: Path) -> Path:
    """The folder, or the only one in it and so on, as archives have them: while that holds folders, and
    neither images nor a CSV of labels."""
    for _ in range(_DEEPEST):
        inside = list(_seen(folder))
        only = [entry for entry in inside if entry.is_dir() and not entry.is_symlink()]
        if len(only) != 1 or any(map(_is_its_own, inside)) or not _holds_folders(Path(only[0].path)):
            return folder
        if part_named(only[0].name) == "train":
            return folder
        folder = Path(only[0].path)
    return folder


@dataclass
class _Found:
    """What was found so far below a root."""

    root: Path
    classes: set[str] = field(default_factory=set)
    files: list[ListedFile] = field(default_factory=list)
    passed_over: list[PassedOver] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)

    def add_classes(self, below: str, part: Part | None) -> None:
        """Each folder that lies below is a class."""
        self.folders.append(below)
        for name in _folders_in(self.root / below, self, below):
            self.classes.add(name)
            self._add_images(_join(below, name), name, part)

    def _add_images(self, folder: str, class_name: str, part: Part | None) -> None:
        self.folders.append(folder)
        for entry in _entries(self.root / folder):
            name = _join(folder, entry.name)
            if _is_hidden(entry.name):
                self.passed_over.append(PassedOver(name, HIDDEN))
            elif self._leads_elsewhere(entry):
                self.links.append(name)
            elif entry.is_dir():
                self._add_images(name, class_name, part)
            elif suffix_of(name) in IMAGE_SUFFIXES | UNREADABLE_SUFFIXES and entry.is_file():
                self.files.append(ListedFile(name, class_name, part))
            else:
                self.passed_over.append(PassedOver(name, "no image by its name"))

    def _leads_elsewhere(self, entry: "os.DirEntry[str]") -> bool:
        if not entry.is_symlink():
            return False
        if _is_circle(entry):
            return True
        target = Path(entry.path).resolve()
        return not target.is_relative_to(self.root.resolve()) or target.is_dir()

    def leave_out(self, name: str) -> None:
        """A folder beside the parts, of which nothing is used."""
        self.passed_over.append(PassedOver(name, "folder that is no part"))
        if _holds_images(self.root / name):
            self.notes.append(f"“{shown(name)}” of {self.root} is neither trained nor tested on.")

    def listing(self) -> Listing:
        """All of it, sorted."""
        files = sorted(self.files, key=lambda file: file.name)
        passed_over = sorted(self.passed_over, key=lambda file: file.name)
        return Listing(
            self.root,
            tuple(sorted(self.classes)),
            tuple(files),
            tuple(passed_over),
            tuple(sorted(self.links)),
            tuple(self.notes),
            tuple(self.root / folder for folder in {"", *self.folders}),
        )


def _parts_among(root: Path, folders: list[str]) -> list[str]:
    """Of a root's folders those that are parts; none where the folders are classes, of which one may be called train.

    A folder to train on holds the folders of its classes. Beside it are folders to test on, or nothing with images.

    Raises `UsageError` where all are parts to test on.
    """
    parts = [name for name in folders if part_named(name) and _holds_folders(root / name)]
    others = [name for name in folders if not part_named(name)]
    to_train = [name for name in parts if part_named(name) == "train"]
    if parts and not to_train and not others:
        raise UsageError(
            f"{root} has a part to test on, {named(parts)}, and none to train on.",
            "Add the folder train/ with the same class folders, or name the part itself: its classes are split then.",
        )
    if not to_train or (parts == to_train and any(_holds_images(root / name) for name in others)):
        return []
    return parts


def _require_some(root: Path, found: _Found) -> None:
    if found.classes:
        return
    names = [entry.name for entry in _entries(root) if not _is_hidden(entry.name)]
    if any(suffix_of(name) in IMAGE_SUFFIXES | UNREADABLE_SUFFIXES for name in names):
        raise UsageError(
            f"The images lie in {root} itself, and nothing says which class each shows.",
            "Make a folder for each class and sort them in, or write their classes into a labels.csv beside them "
            "(file,label).",
        )
    raise UsageError(
        f"{root} is empty." if not names else f"{root} has no folders with images.",
        "Name the folder that has a folder for each class: DIR/cats/1.jpg, DIR/dogs/7.jpg, …",
    )


def _folders_in(folder: Path, found: _Found, below: str = "") -> list[str]:
    """The names of its folders. Whatever else lies beside them is passed over."""
    folders = []
    for entry in _entries(folder):
        name = _join(below, entry.name)
        if _is_hidden(entry.name):
            found.passed_over.append(PassedOver(name, HIDDEN))
        elif entry.is_symlink() and (_is_circle(entry) or entry.is_dir()):
            found.links.append(name)
        elif entry.is_dir():
            folders.append(entry.name)
        else:
            found.passed_over.append(PassedOver(name, "in no class folder"))
    return folders


def _entries(folder: Path) -> "list[os.DirEntry[str]]":
    with os.scandir(folder) as entries:
        return sorted(entries, key=lambda entry: entry.name)


def _seen(folder: Path) -> "Iterator[os.DirEntry[str]]":
    return (entry for entry in _entries(folder) if not _is_hidden(entry.name) and not _is_circle(entry))


def _is_circle(entry: "os.DirEntry[str]") -> bool:
    """Whether a link leads to itself, or to others that lead back: to ask more of it would raise."""
    try:
        entry.stat()
    except FileNotFoundError:
        return False
    except OSError as error:
        return error.errno == errno.ELOOP
    return False


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name.lower() in _SYSTEMS_OWN


def _is_its_own(entry: "os.DirEntry[str]") -> bool:
    """Whether it says that the folder is meant, and not one in it."""
    return _is_image(entry) or entry.name == LABELS_FILE


def _is_image(entry: "os.DirEntry[str]") -> bool:
    return suffix_of(entry.name) in IMAGE_SUFFIXES and entry.is_file()


def _holds_folders(folder: Path) -> bool:
    """Whether folders lie in it, and no images beside them."""
    inside = list(_seen(folder))
    return any(entry.is_dir() for entry in inside) and not any(map(_is_image, inside))


def _holds_images(folder: Path) -> bool:
    return any(
        _is_image(entry) or (entry.is_dir(follow_symlinks=False) and _holds_images(Path(entry.path)))
        for entry in _seen(folder)
    )


def _join(below: str, name: str) -> str:
    return f"{below}/{name}" if below else name
