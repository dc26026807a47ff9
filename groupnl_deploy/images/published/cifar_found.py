"""Where under a path of the user's CIFAR lies, and in which form; what there is in its place."""

import functools
from collections.abc import Callable, Iterator
from pathlib import Path

from groupnl_deploy.errors import GroupNLError, UsageError, VerificationFailed
from groupnl_deploy.images.listing import named, shown
from groupnl_deploy.images.published.cifar_tables import CIFAR, Cifar, Form
from groupnl_deploy.images.published.files import ARCHIVES, Files, in_archive, in_folder, is_archive

_DEEPEST = 3  # folders, for a hint


def find_cifar(cifar: Cifar, path: Path) -> tuple[Form, Files]:
    """The preferred form that is whole: in the folder itself, in its folder or archive there, or in the archive named.

    Raises `UsageError` where none of it is there, `VerificationFailed` for a form that lacks files or is damaged.
    """
    remedy = cifar.forms[0].remedy
    if not path.exists():
        raise UsageError(f"{shown(str(path))} does not exist.", f"Name the folder or the archive. {remedy}")
    halves, damaged = [], None
    for form, opened in _candidates(cifar, path):
        try:
            files = opened()
        except GroupNLError as error:  # what lies beside it may be whole
            damaged = damaged or error
            continue
        if all(known.name in files.sizes for known in form.files):
            return form, files
        halves.append((form, files))
    if damaged:
        raise damaged
    for form, files in halves:
        missing = [known for known in form.files if known.name not in files.sizes]
        if len(missing) < len(form.files):
            raise VerificationFailed(
                f"{shown(str(files.where))} lacks {', '.join(map(str, missing))} of {cifar.title}.", form.remedy
            )
    raise _not_there(cifar, path)


def _candidates(cifar: Cifar, path: Path) -> Iterator[tuple[Form, Callable[[], Files]]]:
    """Where each form may lie, the preferred one first; an archive is read when it is asked for."""
    if not path.is_dir():
        if not any(path.name in _names(form) for form in cifar.forms):
            everything = {name for form in cifar.forms for name in _names(form)}
            archives = [form.archive for form in cifar.forms]
            opened = functools.cache(lambda: in_archive(path, everything, archives, cifar.forms[0].remedy))
            yield from ((form, opened) for form in cifar.forms)
        return
    for form in cifar.forms:
        for folder in (path, path / form.folder):
            yield form, functools.partial(in_folder, folder, _names(form))
        stem = form.archive.name.removesuffix(".tar.gz")
        for archive in (path / f"{stem}{ending}" for ending in ARCHIVES):
            if archive.is_file():
                yield form, functools.partial(in_archive, archive, _names(form), [form.archive], form.remedy)


def _names(form: Form) -> set[str]:
    return {known.name for known in (*form.files, form.names)}


def _not_there(cifar: Cifar, path: Path) -> UsageError:
    """What is there in its place: the other of the two, one of its files alone, or it lies deeper."""
    where = shown(str(path))
    for name, other in CIFAR.items():
        if other is not cifar and path.exists() and any(_begun(form, path) for form in other.forms):
            return UsageError(f"{where} holds {other.title} and not {cifar.title}.", f"Say --dataset {name}.")
    if not path.is_dir() and not is_archive(path):
        return UsageError(
            f"{where} is a file of {cifar.title}, and all of them are needed.", f"Name its folder: {path.parent}."
        )
    deeper = next((folder for folder in _below(path, _DEEPEST) if any(_begun(form, folder) for form in cifar.forms)), 0)
    if deeper:
        return UsageError(f"{where} does not hold {cifar.title} itself.", f"It lies deeper: --data {deeper}.")
    form = cifar.forms[0]
    looked = [f"{form.folder}/" for form in cifar.forms] + [form.archive.name for form in cifar.forms]
    inside = [entry.name for entry in path.iterdir()] if path.is_dir() else []
    there = f"in it are {named(inside)}" if inside else "it is empty" if path.is_dir() else "it holds none of its files"
    return UsageError(
        f"{where} does not hold {cifar.title}: {there}. Looked for were {', '.join(looked)}, and the files of a form.",
        form.remedy,
    )


def _begun(form: Form, path: Path) -> bool:
    """Whether a file of the form, or an archive by its name, lies there or is this."""
    if path.is_file():
        return path.name.removesuffix(".tar.gz") == form.archive.name.removesuffix(".tar.gz") or _only_of(form, path)
    places = (path, path / form.folder)
    return any(in_folder(place, {known.name for known in form.files}).sizes for place in places) or any(
        (path / f"{form.archive.name.removesuffix('.tar.gz')}{ending}").is_file() for ending in ARCHIVES
    )


def _only_of(form: Form, path: Path) -> bool:
    return path.name in {known.name for known in form.files}


def _below(folder: Path, depth: int) -> Iterator[Path]:
    if not folder.is_dir() or depth == 0:
        return
    for entry in sorted(folder.iterdir()):
        if entry.is_dir() and not entry.is_symlink():
            yield entry
            yield from _below(entry, depth - 1)
