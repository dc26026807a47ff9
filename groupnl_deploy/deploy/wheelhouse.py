"""A wheelhouse: a folder with every wheel that a backend needs on a board, for boards without network.

::

    wheelhouse.json      what it is for, and each file's digest
    requirements.txt     the same for pip: pip install --no-index --find-links . --require-hashes -r requirements.txt
    *.whl                the wheels, and pip's own

It is whole or not there, and each of its files is held against its digest before any is sent.
"""

import zipfile
from dataclasses import dataclass, replace
from pathlib import Path

from device_agent.strict import StrictError, from_json, to_json
from groupnl_deploy.deploy import pip
from groupnl_deploy.deploy.certified import certified, certified_set, require_certified_set, table
from groupnl_deploy.deploy.resolve import resolve
from groupnl_deploy.deploy.wheels import MAIN_PACKAGES, Wheel, WheelSet, require_python, wheel_target
from groupnl_deploy.errors import UsageError, VerificationFailed
from groupnl_deploy.progress import Reporter
from groupnl_deploy.words import known_word
from groupnl_deploy.workspace import atomic_directory, disk_errors, file_sha256

MANIFEST_FILE, REQUIREMENTS_FILE = "wheelhouse.json", "requirements.txt"
_COMMAND = "groupnl device wheelhouse --backend BACKEND --out DIR"


@dataclass(frozen=True)
class _Manifest:
    """`wheelhouse.json`."""

    set: WheelSet
    pip: Wheel
    schema_version: int = 1


@dataclass(frozen=True)
class Wheelhouse:
    """A wheelhouse that was found whole. `pip` is the wheel that installs the others."""

    folder: Path
    set: WheelSet
    pip: Wheel

    @property
    def files(self) -> tuple[Path, ...]:
        """Its wheels."""
        return tuple(self.folder / wheel.file for wheel in (*self.set.wheels, self.pip))

    @property
    def size_bytes(self) -> int:
        """Of the wheels, as they are sent."""
        return sum(file.stat().st_size for file in self.files)

    @property
    def is_certified(self) -> bool:
        """Whether just these bytes ran on the target."""
        return is_certified(self.set)


def is_certified(wheels: WheelSet) -> bool:
    """Whether just these bytes ran on the target."""
    known = certified_set(wheels.target, wheels.backend, wheels.python, str(wheels.main.version))
    return known is not None and known.digest == wheels.digest


def choose_set(
    target: str, backend: str, python: str, version: str | None, uncertified: bool, reporter: Reporter
) -> WheelSet:
    """The certified set; where there is none and `uncertified` is given, what this machine's pip finds.

    Raises `UsageError` where neither is to be had, and for a version that is known not to run there.
    """
    main = MAIN_PACKAGES[known_word("backend", backend, MAIN_PACKAGES)]
    found = certified_set(target, backend, require_python(python), version)
    refused = version is not None and certified(main, version, target).refused
    if found is None and uncertified and not refused:
        return resolve(wheel_target(target), backend, python, version, reporter)
    return require_certified_set(target, backend, python, version)


def make_wheelhouse(wheels: WheelSet, folder: Path, reporter: Reporter, installer: Wheel | None = None) -> Wheelhouse:
    """Download a set into a new folder, with the pip that installs it on a board that has none.

    Raises what `download` raises, and `UsageError` where the folder exists.
    """
    target, installer = wheel_target(wheels.target), installer or table().pip
    with atomic_directory(folder) as part, reporter.task("Downloading wheels") as task:
        wanted = (*wheels.wheels, installer)
        unpacked = 0
        for number, wheel in enumerate(wanted):
            task(number, len(wanted), f"{wheel.package} {wheel.version}")
            file = pip.download(wheel, target, wheels.python, part)
            unpacked += unpacked_bytes(file) if wheel != installer else 0
        whole = replace(wheels, unpacked_bytes=unpacked)
        with disk_errors(folder):
            (part / REQUIREMENTS_FILE).write_text(whole.requirements)
            (part / MANIFEST_FILE).write_text(to_json(_Manifest(whole, installer)))
    return read_wheelhouse(folder)


def read_wheelhouse(folder: Path) -> Wheelhouse:
    """A wheelhouse, each file held against its digest.

    Raises `UsageError` for a folder that is none, `VerificationFailed` where a file is missing or was altered.
    """
    again = f"Download it again: {_COMMAND}"
    if not folder.is_dir():
        what = "is a file, and a wheelhouse is a folder" if folder.exists() else "does not exist"
        raise UsageError(f"{folder} {what}.", f"Name the folder of a wheelhouse. Or download one: {_COMMAND}")
    try:
        manifest = from_json(_Manifest, (folder / MANIFEST_FILE).read_bytes(), MANIFEST_FILE)
    except OSError as error:
        raise UsageError(f"{folder} is no wheelhouse: it has no {MANIFEST_FILE}.", again) from error
    except StrictError as error:
        raise VerificationFailed(f"{folder} is no wheelhouse of this version: {error}.", again) from error
    found = Wheelhouse(folder, manifest.set, manifest.pip)
    for wheel in (*manifest.set.wheels, manifest.pip):
        file = folder / wheel.file
        if not file.is_file() or file_sha256(file) != wheel.sha256:
            what = "was altered" if file.is_file() else "is missing"
            raise VerificationFailed(f"{wheel.file} in {folder} {what}.", again)
    return found


def unpacked_bytes(wheel: Path) -> int:
    """What its files take on a disk. Raises `VerificationFailed` for a file that is no wheel."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            return sum(entry.file_size for entry in archive.infolist())
    except zipfile.BadZipFile as error:
        raise VerificationFailed(f"{wheel.name} is no wheel.", "Download it again.") from error
