"""Which wheels may go on which board: sets that ran there, and versions that are known to die. Data with evidence.

A wheel that installs may still end Python with an illegal instruction: its builders' machines have newer processors
than the board. So a set is *certified* for a target once `tests/pi/certify.py` has run all of it on the target's oldest
processor: imports in a child, a model of the layers that matter, answers equal to this machine's. `certified.toml`
keeps the digests of the very files. What nobody ran is unknown, and needs the user's word.
"""

import functools
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from device_agent.strict import from_dict
from groupnl_deploy.deploy.wheels import MAIN_PACKAGES, Wheel, WheelSet, wheel_target
from groupnl_deploy.errors import UsageError

TABLE = Path(__file__).with_name("tables") / "certified.toml"

State = Literal["certified", "dies", "cuda", "unknown"]


@dataclass(frozen=True)
class Verdict:
    """What is known of a version on a target. "dies": by a signal or on import; "cuda": its wheel is built for CUDA."""

    state: State
    evidence: str

    @property
    def refused(self) -> bool:
        """Whether it is known not to work there."""
        return self.state in ("dies", "cuda")


@dataclass(frozen=True)
class Finding:
    """Versions that must not go on a target, as pip writes them (">=2.11"), and how that is known."""

    target: str
    package: str
    versions: str
    state: Literal["dies", "cuda"]
    evidence: str


@dataclass(frozen=True)
class CertifiedSet:
    """A set that ran, and how that is known."""

    evidence: str
    set: WheelSet


@dataclass(frozen=True)
class Table:
    """The whole file. `pip` installs the others on a board whose Python has none: it runs from its own wheel."""

    schema_version: int
    pip: Wheel
    findings: tuple[Finding, ...]
    sets: tuple[CertifiedSet, ...]


@functools.cache
def table() -> Table:
    """The table of this version of groupnl."""
    return from_dict(Table, tomllib.loads(TABLE.read_text()), TABLE.name)


def certified(package: str, version: str, target: str) -> Verdict:
    """What is known of this version of a package on a target. Raises `UsageError` for a target that is none."""
    wheel_target(target)
    name, wanted = canonicalize_name(package), _version(version)
    for finding in table().findings:
        if (finding.target, finding.package) == (target, name) and _concerns(finding, wanted):
            return Verdict(finding.state, finding.evidence)
    for one in table().sets:
        ran = {(wheel.package, wheel.version.public) for wheel in one.set.wheels}
        if one.set.target == target and (name, wanted.public) in ran:
            return Verdict("certified", one.evidence)
    return Verdict("unknown", f"nobody has run {package} {version} on {target} yet")


def certified_set(target: str, backend: str, python: str, version: str | None = None) -> WheelSet | None:
    """The set that ran there with this version of the backend's package, else with the newest; None where none did.

    Raises `UsageError` for a target that is none.
    """
    wheel_target(target)
    found = [
        one.set
        for one in table().sets
        if (one.set.target, one.set.backend, one.set.python) == (target, backend, python)
        and (version is None or one.set.main.version.public == _version(version).public)
    ]
    return max(found, key=lambda one: one.main.version, default=None)


def require_certified_set(target: str, backend: str, python: str, version: str | None = None) -> WheelSet:
    """`certified_set`. Raises `UsageError` with what is known, and what there is instead, where there is none."""
    found = certified_set(target, backend, python, version)
    if found is not None:
        return found
    package = MAIN_PACKAGES[backend]
    others = sorted(
        {
            f"{one.set.main.version} for Python {one.set.python}"
            for one in table().sets
            if (one.set.target, one.set.backend) == (target, backend)
        }
    )
    instead = f"Certified for {target}: {package} {', '.join(others)}. " if others else ""
    if version is not None:
        verdict = certified(package, version, target)
        if verdict.refused:
            raise UsageError(
                f"{package} {version} does not run on {target}: {verdict.evidence}.",
                f"{instead}Leave --version out for the newest of these.",
            )
    what = package if version is None else f"{package} {version}"
    raise UsageError(
        f"No set of wheels with {what} is certified for {target} with Python {python}.",
        f"{instead}To take what nobody has run there, add --uncertified.",
    )


def _concerns(finding: Finding, version: Version) -> bool:
    """Whether it is about this version; a build that calls itself +cpu is not one for CUDA."""
    for_cpu = finding.state == "cuda" and version.local == "cpu"
    return not for_cpu and SpecifierSet(finding.versions).contains(version.public, prereleases=True)


def _version(version: str) -> Version:
    try:
        return Version(version)
    except InvalidVersion as error:
        raise UsageError(f"“{version}” is no version of a package.", "Write it as pip does: 1.24.4.") from error
