"""Whether a backend can run there: the userland, the packages that are missing, and how the others load. Pure."""

import signal
from collections.abc import Iterator

from device_agent.backend_table import BACKENDS
from device_agent.deaths import death_of
from device_agent.messages.doctor import LOADING_S, BackendFound, PackageTried
from groupnl_deploy.deploy.devices_file import LOCAL
from groupnl_deploy.deploy.examined import Examined, Finding, Severity
from groupnl_deploy.deploy.getting_packages import is_uncertified, packages_command
from groupnl_deploy.deploy.wheels import MAIN_PACKAGES, target_of

_ANOTHER_CARD = (
    "Write the 64-bit Raspberry Pi OS on the card (Raspberry Pi Imager offers it for a Pi 3 and newer); a 64-bit "
    "kernel under 32-bit programs is not enough"
)
_ANOTHER_SYSTEM = "Use a system with glibc there, such as the 64-bit Raspberry Pi OS"


def userland(found: Examined) -> Iterator[Finding]:
    """System and Python, and whether they are of 64 bits."""
    machine, board = found.readiness.machine, found.readiness.board
    where = f"{board.model or machine.machine}, {board.system}, Python {board.python}"
    if machine.bits == 64:
        yield Finding("fine", f"{where}, 64-bit")
        return
    severity: Severity = "note" if any(_complete(one) for one in found.readiness.backends) else "error"
    yield Finding(
        severity, f"a {machine.bits}-bit userland ({where}): there is no onnxruntime and no torch for it", _ANOTHER_CARD
    )


def packages(found: Examined) -> Iterator[Finding]:
    """Which backends have what they import."""
    computing = [one for one in found.readiness.backends if BACKENDS[one.runtime.backend].computes]
    none_works = not any(_complete(one) for one in computing)
    for one in found.readiness.backends:
        backend = one.runtime.backend
        if one.dead_environment:
            yield _dead(found, backend)
        elif not one.missing:
            yield Finding("fine", f"{backend}: {_versions(one)}")
        else:
            unusable = backend in found.wanted if found.wanted else none_works and BACKENDS[backend].computes
            yield _missing(found, one, "error" if unusable else "note")


def loading(found: Examined) -> Iterator[Finding]:
    """How the packages that are there took being imported."""
    for tried in found.tried:
        what = f"{tried.package} {tried.version or ''}".rstrip()
        if tried.exit_code == 0:
            yield Finding("fine", f"{what} loads")
        else:
            yield Finding(
                "error",
                f"{tried.package}, which the backend {tried.backend} needs, {_end(tried)}",
                _another(found, tried),
            )


def _complete(one: BackendFound) -> bool:
    return not one.missing and not one.dead_environment


def _versions(one: BackendFound) -> str:
    found = [f"{name} {version or '(version unknown)'}" for name, version in one.runtime.packages.items()]
    return f"{', '.join(found)}, by {one.python}"


def _missing(found: Examined, one: BackendFound, severity: Severity) -> Finding:
    backend, machine = one.runtime.backend, found.readiness.machine
    none = f"there is no {MAIN_PACKAGES.get(backend, 'numpy')} for it, which the backend {backend} needs"
    if machine.bits != 64:
        return Finding(severity, f"{machine.bits}-bit userland: {none}", _ANOTHER_CARD)
    if machine.libc == "musl":
        return Finding(severity, f"a system with the C library musl: {none}", _ANOTHER_SYSTEM)
    what = f"the backend {backend} lacks {', '.join(one.missing)} (looked for by {one.python})"
    return Finding(severity, what, provision_remedy(found, backend))


def provision_remedy(found: Examined, backend: str) -> str:
    """How a backend gets all of its packages, whatever the system's own Python allows."""
    readiness, entry = found.readiness, BACKENDS[backend]
    uncertified = is_uncertified(readiness.machine, readiness.board.python, backend)
    command = packages_command(found.name, backend, uncertified=uncertified)
    if found.name == LOCAL:
        return f"`{command}` installs all that it needs beside groupnl"
    if target_of(readiness.machine) is None:
        return f"In a virtual environment there: `{readiness.python} -m pip install {entry.packages}`"
    refused = "; the system's own pip would refuse (PEP 668)" if readiness.pip_refused else ""
    return f"`{command}` makes an environment with all that it needs{refused}"


def _dead(found: Examined, backend: str) -> Finding:
    what = f"the environment that was provisioned for {backend} has lost its Python, as an upgrade of the system does"
    return Finding("error", what, provision_remedy(found, backend))


def _end(tried: PackageTried) -> str:
    if tried.exit_code is None:
        return f"was not imported within {LOADING_S:.0f} s"
    death = death_of(tried.exit_code)
    if death is not None:
        name = signal.Signals(tried.exit_code - 128).name
        return f"does not load: its process {death.what}{'' if name in death.what else f' ({name})'}"
    last = tried.last_words.splitlines()[-1] if tried.last_words else f"exit code {tried.exit_code}"
    return f"does not load: {last}"


def _another(found: Examined, tried: PackageTried) -> str:
    return f"Another version helps: {provision_remedy(found, tried.backend)}"
