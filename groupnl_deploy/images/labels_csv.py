"""An own data set in one CSV of files and labels, which a spreadsheet or pandas wrote."""

import codecs
import csv
import functools
import io
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from groupnl_deploy.errors import UsageError
from groupnl_deploy.images.listing import ListedFile, Listing, left_out_parts, part_named, shown

_COLUMNS = {
    "file": (
        "file",
        "filename",
        "file_name",
        "file name",
        "filepath",
        "file_path",
        "path",
        "image",
        "image_path",
        "img",
    ),
    "label": ("label", "class", "class_name", "category", "target"),
    "part": ("split", "part", "subset", "set"),
}
_DELIMITERS = ",;\t"
_NO_LABEL = ("", "nan", "none", "null")


@dataclass(frozen=True)
class _Row:
    """A row of the file, as it is written, and in which line."""

    line: int
    file: str
    label: str
    part: str | None


def list_labels_csv(path: Path) -> Listing:
    """The files that a CSV names, with its labels as class names. Paths are below the folder of the CSV.

    Raises `UsageError` for a file that is no such CSV, with the line that is wrong.
    """
    root = path.parent
    rows = list(_rows(path))
    if not rows:
        raise UsageError(f"{path} names no file.", "Write a line for each image: its file and its label.")
    left_out = left_out_parts({row.part for row in rows if row.part is not None})
    files: dict[str, tuple[int, ListedFile]] = {}
    resolve = functools.cache(Path.resolve)  # many files lie in few folders
    for row in rows:
        listed = ListedFile(_below(path, row, resolve), row.label, None if row.part is None else part_named(row.part))
        before, _ = files.setdefault(listed.name, (row.line, listed))
        if before != row.line:
            raise UsageError(
                f"Lines {before} and {row.line} of {path} name the same file, {shown(row.file)}.",
                "Leave one of them.",
            )
    _require_labels_of_a_kind(path, rows)
    notes = tuple(f"Rows of {path} in “{shown(word)}” are neither trained nor tested on." for word in left_out)
    kept = [file for row, (_, file) in zip(rows, files.values(), strict=True) if row.part not in left_out]
    classes = sorted({file.class_name for file in kept})
    return Listing(root, tuple(classes), tuple(sorted(kept, key=lambda file: file.name)), notes=notes, watched=(path,))


def _rows(path: Path) -> Iterator[_Row]:
    text = _text(path)
    try:
        lines = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
        header = next(lines, [])
        places = _places(path, header)
        for cells in lines:
            if any(cell.strip() for cell in cells):
                yield _row(path, lines.line_num, cells, len(header), places)
    except csv.Error as error:
        raise UsageError(f"{path} is no CSV: {error}.", "Save it as CSV from the program that made it.") from error


def _text(path: Path) -> str:
    """Its text: UTF-8, or UTF-16 as some spreadsheets write it, with the mark that says so."""
    data = path.read_bytes()
    encoding = "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UsageError(
            f"{path} is not UTF-8: line {line}.", "Save it as “CSV UTF-8”, or convert it with iconv."
        ) from error


def _delimiter(text: str) -> str:
    """The one that the header has most of; labels may have the others."""
    header = text.partition("\n")[0]
    return max(_DELIMITERS, key=header.count)


def _places(path: Path, header: list[str]) -> dict[str, int]:
    """Which column is what. Raises `UsageError` where none is, or two are."""
    names = [name.strip().lower() for name in header]
    places: dict[str, int] = {}
    for what, words in _COLUMNS.items():
        found = [index for index, name in enumerate(names) if name in words]
        if len(found) > 1 or (not found and what != "part"):
            raise UsageError(
                f"{path} has {'several columns' if found else 'no column'} for the {what}; its first line is "
                f"{', '.join(f'“{shown(name)}”' for name in header[:8]) or 'empty'}.",
                "Begin it with the names of its columns: file,label (and split, for what is tested on). A CSV "
                "that is none such may lie there under another name.",
            )
        places.update((what, index) for index in found)
    return places


def _row(path: Path, line: int, cells: list[str], width: int, places: dict[str, int]) -> _Row:
    if len(cells) != width:
        raise UsageError(
            f"Line {line} of {path} has {len(cells)} cells, and the first line {width}.",
            "Put text that has the separator in it into quotation marks.",
        )
    values = {what: cells[place].strip() for what, place in places.items()}
    if not values["file"] or values["label"].lower() in _NO_LABEL:
        missing = "label" if values["file"] else "file"
        raise UsageError(f"Line {line} of {path} has no {missing}.", "Add it, or take the line out.")
    part = values.get("part")
    if part is not None and part_named(part) is None:
        raise UsageError(
            f"Line {line} of {path} is in the part “{shown(part)}”.",
            "Write train, val or test there, or no such column.",
        )
    return _Row(line, values["file"], values["label"], part)


def _below(path: Path, row: _Row, resolve: Callable[[Path], Path]) -> str:
    """The path below the folder of the CSV. Raises `UsageError` for one that leads out of it, or to no file."""
    root = path.parent
    written = row.file
    if "\\" in written and not os.path.lexists(root / written):
        written = written.replace("\\", "/")  # written on Windows
    steps = PurePosixPath(written).parts
    base = root.absolute().parts
    if steps[:1] == ("/",) and steps[: len(base)] == base:
        steps = steps[len(base) :]
    try:
        below, there = _stays_below(root, steps, resolve), root.joinpath(*steps).is_file()
    except (OSError, RuntimeError, ValueError):  # a name that is too long, links in a circle, a null character
        below, there = True, False
    if not below:
        raise UsageError(
            f"Line {row.line} of {path} leads out of its folder: {shown(row.file)}.",
            "Put the images below the folder of the CSV, and write their paths from there.",
        )
    if not there:
        raise UsageError(
            f"Line {row.line} of {path} names a file that does not exist: {shown(row.file)}.",
            f"Paths are read from {root}; write them from there, or take the line out.",
        )
    return "/".join(steps)


def _stays_below(root: Path, steps: tuple[str, ...], resolve: Callable[[Path], Path]) -> bool:
    """Whether neither the words of a path nor a link on it lead out."""
    if ".." in steps or steps[:1] in ((), ("/",)):
        return False
    target = resolve(root.joinpath(*steps[:-1])) / steps[-1]
    return (target.resolve() if target.is_symlink() else target).is_relative_to(resolve(root))


def _require_labels_of_a_kind(path: Path, rows: list[_Row]) -> None:
    """Numbers below zero among numbers say that an image has no label."""
    if all(row.label.lstrip("+-").isdecimal() for row in rows):
        for row in rows:
            if row.label.startswith("-"):
                raise UsageError(
                    f"Line {row.line} of {path} has the label {row.label}, and classes are numbered from 0.",
                    "Give it the number of its class, or take the line out.",
                )
