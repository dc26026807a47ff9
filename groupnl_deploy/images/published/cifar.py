"""CIFAR-10 and CIFAR-100 (Krizhevsky, 2009): 50,000 images of 32x32 to train on, 10,000 to test on, as published.

Both parts are read whole, 184 MB, and every byte is compared with what is published of it: sizes first, then MD5.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from groupnl_deploy.errors import GroupNLError, VerificationFailed
from groupnl_deploy.images.dataset import Dataset
from groupnl_deploy.images.in_memory import InMemoryImages
from groupnl_deploy.images.kept import Watch, kept
from groupnl_deploy.images.listing import shown
from groupnl_deploy.images.published.cifar_found import find_cifar
from groupnl_deploy.images.published.cifar_tables import CIFAR, Cifar, Form
from groupnl_deploy.images.published.files import Files
from groupnl_deploy.images.published.joined import JoinedImages
from groupnl_deploy.images.published.known import KnownFile, md5_of, require_md5
from groupnl_deploy.images.published.records import SIDE, Records, of_bytes, of_pickle, table_of, unreadable
from groupnl_deploy.images.published.stray import stray
from groupnl_deploy.images.seen import remember_place
from groupnl_deploy.images.source import DataSource
from groupnl_deploy.progress import Reporter

_AT_ONCE = 1000  # images


def load(source: DataSource, seed: int, reporter: Reporter) -> Dataset:
    """The published parts of what lies at `source.path`: a folder, or an archive. `seed` decides nothing.

    Raises `UsageError` where it is not there, `VerificationFailed` for what is damaged.
    """
    source.require_shape((3, SIDE, SIDE))
    cifar, path = CIFAR[source.name], source.require_place()
    key = (source.name, str(path.absolute()))
    return kept(key, lambda told, watch: _read(source.name, cifar, path, told, watch), reporter)


def _read(name: str, cifar: Cifar, path: Path, reporter: Reporter, watch: Watch) -> Dataset:
    with reporter.task(f"read {cifar.title}"):
        form, files = find_cifar(cifar, path)
        watch([files.where, *(files.where / known.name for known in form.files if files.held is None)])
        _require_sizes(cifar, form, files)
        _require_names(cifar, form, files)
        parts = [_part(cifar, form, files, some) for some in (form.train, (form.test,))]
    train, test = parts
    if (len(train), len(test)) != cifar.images:
        reporter.note(
            f"{shown(str(files.where))} is not {cifar.title} as it was published: {len(train):,} images to train on "
            f"and {len(test):,} to test on, in place of {cifar.images[0]:,} and {cifar.images[1]:,}."
        )
    digest = _digest(name, cifar.class_names, parts)
    remember_place(digest, path)
    shape = (3, SIDE, SIDE)
    return Dataset(name, cifar.class_names, shape, train, test, None, declared=cifar.statistics, sha256=digest)


def _require_sizes(cifar: Cifar, form: Form, files: Files) -> None:
    """Before a byte is read. Where one file is whole as published, the others are meant to be."""
    wrong = [known for known in form.files if known.size_bytes not in (None, files.sizes[known.name])]
    if not wrong or len(wrong) == len(form.files):
        return
    raise VerificationFailed(
        f"{files.path(wrong[0].name)} has {files.sizes[wrong[0].name]:,} bytes; published is {wrong[0]}.", form.remedy
    )


def _require_names(cifar: Cifar, form: Form, files: Files) -> None:
    """The names of the classes that lie beside the images, if any, must be these: else labels mean something else."""
    known = form.names
    if known.name not in files.sizes:
        return
    data = files.take(known.name)
    if known.md5 == md5_of(data):
        return
    try:
        found = _names_in(data, form)
    except Exception as error:  # the reader meets bytes that anybody may have written
        raise unreadable(files.path(known.name), error, form.remedy) from error
    if tuple(found) != cifar.class_names:
        raise VerificationFailed(
            f"{files.path(known.name)} has other classes than {cifar.title}: {', '.join(map(str, found[:3]))}, …",
            form.remedy,
        )


def _names_in(data: bytes, form: Form) -> list[str]:
    if form.kind == "binary":
        return data.decode().split()
    key = "label_names" if form.labels == "labels" else "fine_label_names"
    return list(table_of(data)[key])


def _part(cifar: Cifar, form: Form, files: Files, some: Sequence[KnownFile]) -> JoinedImages:
    read = (_records(cifar, form, files, known) for known in some)
    return JoinedImages(tuple(InMemoryImages(records.pixels, records.labels) for records in read))


def _records(cifar: Cifar, form: Form, files: Files, known: KnownFile) -> Records:
    data, what = files.take(known.name), files.path(known.name)
    odd = stray(data)
    if odd is not None:
        raise VerificationFailed(f"{what} {odd.what}.", f"{odd.remedy} {form.remedy}")
    try:
        records = of_bytes(data, form.labels) if isinstance(form.labels, int) else of_pickle(data, form.labels)
    except Exception as error:  # as above
        raise _with_expected(unreadable(what, error, form.remedy), known, len(data)) from error
    _require_labels(cifar, records, what, form.remedy)
    if len(records.labels) in _published_counts(cifar, form):
        require_md5(what, known, md5_of(data), form.remedy)
    return records


def _published_counts(cifar: Cifar, form: Form) -> tuple[int, ...]:
    return cifar.images[0] // len(form.train), cifar.images[1]


def _with_expected(error: GroupNLError, known: KnownFile, size: int) -> GroupNLError:
    if not isinstance(error, VerificationFailed):
        return error
    return VerificationFailed(f"{error.message} It has {size:,} bytes; published is {known}.", error.remedy)


def _require_labels(cifar: Cifar, records: Records, what: str, remedy: str) -> None:
    highest = int(records.labels.max())
    if highest >= len(cifar.class_names):
        raise VerificationFailed(
            f"{what} has the label {highest}, and {cifar.title} has {len(cifar.class_names)} classes.", remedy
        )


def _digest(name: str, class_names: Sequence[str], parts: Iterable[JoinedImages]) -> str:
    """Of all images and labels in their order, so that both forms and every way to pack them have one."""
    found = hashlib.sha256(json.dumps([name, class_names]).encode())
    for part in parts:
        found.update(part.labels.astype("<i8").tobytes())
        for file in part.parts:
            for start in range(0, len(file), _AT_ONCE):
                found.update(np.ascontiguousarray(file.pixels[start : start + _AT_ONCE]).data)
    return found.hexdigest()
