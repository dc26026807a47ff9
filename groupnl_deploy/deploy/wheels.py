"""Sets of wheels: what pip is told to install on a board, to the byte. Pure.

A set belongs to one backend, one Python and one target. Its digest names the environment that is made of it.
"""

import hashlib
import re
from dataclasses import dataclass

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import Version

from device_agent.backend_table import BACKENDS, packages_of
from device_agent.machine import Machine
from groupnl_deploy.errors import UsageError
from groupnl_deploy.words import known_word

MAIN_PACKAGES = {name: entry.main for name, entry in BACKENDS.items() if entry.main is not None}
"""The package that a backend is named for, and whose version a user may choose."""

OLDEST_PYTHON = (3, 11)
_OLDEST_GLIBC, _GLIBC = 17, 36  # 2.36 is Debian 12's
_SHA256 = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class WheelTarget:
    """What a wheel must be built for: the kernel's word for the processor, on Linux with glibc.

    `oldest` is the least processor that the target stands for: what runs there runs on all that are newer.
    """

    name: str
    machine: str
    oldest: str

    @property
    def platforms(self) -> tuple[str, ...]:
        """The platform tags of wheels, newest first. pip derives none of them from another."""
        glibc = [f"manylinux_2_{minor}_{self.machine}" for minor in range(_GLIBC, _OLDEST_GLIBC - 1, -1)]
        return (*glibc, f"manylinux2014_{self.machine}")


TARGETS = {
    target.name: target
    for target in (
        WheelTarget("rpi4", "aarch64", "Cortex-A72 (Armv8.0), as in a Raspberry Pi 4"),
        WheelTarget("x86", "x86_64", "x86-64 of any age"),
    )
}


def wheel_target(name: str) -> WheelTarget:
    """The target of that name. Raises `UsageError` for a name that none has."""
    return TARGETS[known_word("target", name, TARGETS)]


def target_of(machine: Machine) -> WheelTarget | None:
    """The target that a board belongs to; None where no wheel of ours is for it."""
    if machine.system != "linux" or machine.libc != "glibc" or machine.bits != 64:
        return None
    return next((target for target in TARGETS.values() if target.machine == machine.machine), None)


def require_python(text: str) -> str:
    """A Python as "3.11". Raises `UsageError` for another word, or one that is too old for the agent."""
    found = re.fullmatch(r"(\d+)\.(\d+)", text)
    if not found or (int(found[1]), int(found[2])) < OLDEST_PYTHON:
        raise UsageError(
            f"“{text}” is no Python that wheels can be had for here: 3.11 or newer, without its last number.",
            "Ask the board: python3 --version. Raspberry Pi OS 12 has 3.11, 13 has 3.13.",
        )
    return text


@dataclass(frozen=True)
class Wheel:
    """A wheel by its file name, of which pip reads name, version and what it is for, and the digest of its bytes."""

    file: str
    sha256: str

    def __post_init__(self) -> None:
        try:
            parse_wheel_filename(self.file)
        except InvalidWheelFilename as error:
            raise ValueError(f"{self.file!r} is no wheel's name") from error
        if not _SHA256.fullmatch(self.sha256):
            raise ValueError(f"{self.sha256!r} is no SHA-256")

    @property
    def package(self) -> str:
        """Its name, as pip compares names."""
        return canonicalize_name(self.file.partition("-")[0])

    @property
    def version(self) -> Version:
        """Its version."""
        return parse_wheel_filename(self.file)[1]

    @property
    def requirement(self) -> str:
        """A line for pip: this version, and no other bytes."""
        return f"{self.package}=={self.version} --hash=sha256:{self.sha256}"


@dataclass(frozen=True)
class WheelSet:
    """All that a backend needs, each package once.

    Args:
        target: the name of a `WheelTarget`.
        backend: of `BACKENDS`.
        python: "3.11".
        unpacked_bytes: of all files in the wheels: what an environment takes on the board's disk, at least. Null where
            nobody has seen the wheels yet.
        wheels: sorted by file name.
    """

    target: str
    backend: str
    python: str
    unpacked_bytes: int | None
    wheels: tuple[Wheel, ...]

    def __post_init__(self) -> None:
        packages = [wheel.package for wheel in self.wheels]
        main = MAIN_PACKAGES.get(self.backend)
        if main not in packages or len({*packages}) != len(packages) or self.target not in TARGETS:
            raise ValueError(f"a set for {self.backend} needs {main} and each other package once")

    @property
    def main(self) -> Wheel:
        """The wheel that the backend is named for."""
        return next(wheel for wheel in self.wheels if wheel.package == MAIN_PACKAGES[self.backend])

    @property
    def requirements(self) -> str:
        """The text of a requirements file that pip accepts with `--require-hashes`."""
        return "".join(f"{wheel.requirement}\n" for wheel in self.wheels)

    @property
    def digest(self) -> str:
        """What the set is: equal for equal bytes."""
        return hashlib.sha256(self.requirements.encode()).hexdigest()

    def __str__(self) -> str:
        return f"{self.main.package} {self.main.version} for Python {self.python} on {self.target}"


def backend_packages(backend: str) -> tuple[str, ...]:
    """The names of the packages that a backend imports. Raises `UsageError` for a backend that has none of its own."""
    return packages_of(known_word("backend", backend, MAIN_PACKAGES))
