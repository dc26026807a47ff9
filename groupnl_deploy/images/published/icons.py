"""Icons-50, one company left out: trained on the icons of all others, tested on its own.

The company stands in the name, as in "icons50:apple", so checkpoint, campaign and report tell the splits apart.
"""

import difflib
import functools
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from groupnl_deploy.errors import UsageError
from groupnl_deploy.images.dataset import Dataset
from groupnl_deploy.images.in_memory import InMemoryImages
from groupnl_deploy.images.kept import Watch, kept
from groupnl_deploy.images.listing import named, shown
from groupnl_deploy.images.measured import remembered_statistics
from groupnl_deploy.images.published.icons_folder import icons_root, read_icons
from groupnl_deploy.images.published.icons_npy import SHAPE, read_icon_file
from groupnl_deploy.images.published.icons_tables import CLASSES, FILE, FOLDER, IMAGES, IN_THE_TABLES, REMEDY
from groupnl_deploy.images.seen import remember_place
from groupnl_deploy.images.source import DataSource
from groupnl_deploy.progress import Reporter
from groupnl_deploy.words import counted


def load(source: DataSource, seed: int, reporter: Reporter) -> Dataset:
    """The icons at `source.path` without those of `source.variant`, and these to test on. `seed` decides nothing.

    Raises `UsageError` where no company or one without icons is named, `VerificationFailed` for what is damaged.
    """
    source.require_shape(SHAPE)
    if source.variant is None:
        raise UsageError(
            "Icons-50 is trained on all companies' icons but one's, and which one is left out was not said.",
            f"Say it: {', '.join(f'icons50:{company}' for company in IN_THE_TABLES)}, as in the papers' tables, or "
            "another.",
        )
    path = source.require_place()
    key = (source.name, str(path.absolute()))
    return kept(key, lambda told, watch: _read(source.name, source.variant or "", path, told, watch), reporter)


def _read(name: str, company: str, path: Path, reporter: Reporter, watch: Watch) -> Dataset:
    root, file = icons_root(path), _file(path)
    if root is not None:
        icons = read_icons(root, reporter)
        if icons.unnamed:
            few = f"{counted(len(icons.unnamed), 'file')} whose names say no company"
            reporter.note(f"Passed over: {few} ({named(icons.unnamed)}).")
        to_train, to_test = _split(icons.companies, company, reporter)
        train, test = icons.part(to_train, SHAPE), icons.part(to_test, SHAPE)
        declared = functools.partial(remembered_statistics, train, train.identity, SHAPE)
        data = Dataset(name, CLASSES, SHAPE, train, test, None, declared=declared, sha256=icons.sha256)
        watch([root, *{(root / icon.name).parent for icon in icons.icons}, *(root / i.name for i in icons.icons)])
    elif file is not None:
        watch([file])
        arrays = read_icon_file(file)
        parts = _split(arrays.companies, company, reporter)
        to, on = (InMemoryImages(arrays.pixels[part], arrays.labels[part]) for part in map(list, parts))
        data = Dataset(name, CLASSES, SHAPE, to, on, None, sha256=arrays.sha256)
    else:
        raise _not_there(path)
    if data.sha256 is not None:
        remember_place(data.sha256, path)
    return data


def _file(path: Path) -> Path | None:
    """The one file of NumPy's that holds all: the one named, or one of its usual name in the folder."""
    if path.is_file() and path.suffix == ".npy":
        return path
    return next((place for place in (path / FILE, path / FOLDER / FILE) if place.is_file()), None)


def _split(companies: Sequence[str], company: str, reporter: Reporter) -> tuple[list[int], list[int]]:
    """Indices of the icons of all others, and of the company's. Raises `UsageError` where one of them is empty."""
    counts = Counter(companies)
    listed = ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items()))
    if company not in counts:
        near = difflib.get_close_matches(company, counts, n=1)
        raise UsageError(
            f"No icon is of “{shown(company)}”; there are: {listed}.",
            f"Did you mean icons50:{near[0]}?" if near else "Name one of these.",
        )
    to_test = [index for index, name in enumerate(companies) if name == company]
    to_train = [index for index, name in enumerate(companies) if name != company]
    if not to_train:
        raise UsageError(f"All icons are of {company}, and none is left to train on.", f"Take the whole set. {REMEDY}")
    reporter.note(
        f"Icons-50 without {company}: {counted(len(to_train), 'icon')} to train on, {len(to_test)} of {company} to "
        f"test on ({listed})."
    )
    if len(companies) != IMAGES:
        reporter.note(f"This is not Icons-50 as it was published: {len(companies):,} icons in place of {IMAGES:,}.")
    return to_train, to_test


def _not_there(path: Path) -> UsageError:
    where = shown(str(path))
    if not path.exists():
        return UsageError(f"{where} does not exist.", f"Name the folder or the file. {REMEDY}")
    if path.is_file():
        return UsageError(f"{where} is no file of NumPy's.", f"Unpack an archive, and name its folder. {REMEDY}")
    return UsageError(
        f"{where} does not hold Icons-50: no folders such as airplane/ and bird/ are in it, nor {FOLDER}/ nor {FILE}.",
        REMEDY,
    )
