"""Making a virtual environment by pip, and what can be in the way of it, each with what mends it.

Debian's Python comes without pip and without what puts it into an environment (`python3-venv`), and refuses to install
anything into itself (PEP 668). So the environment is made without pip, which then runs from its own wheel, where that
was sent along.
"""

import errno
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from device_agent.command import Done, run_command
from device_agent.deaths import death_of
from device_agent.disk import refusal
from device_agent.errors import AgentError
from device_agent.loading import load

_LOAD_S = 300.0

_VENV = (
    "no_venv",
    "sudo apt install python3-venv on the board, or provision with --offline WHEELHOUSE, which brings pip",
)
# What pip says, in small letters: the fault's code, what happened, what mends it.
_PIP_SAID = (
    (
        ("failed to establish a new connection", "name resolution", "network is unreachable", "timed out"),
        "no_network",
        "The board reaches no index of packages.",
        "Give it network; or here: groupnl device wheelhouse --backend BACKEND --out DIR, then provision with "
        "--offline DIR.",
    ),
    (
        ("certificate verify failed",),
        "no_network",
        "The board cannot verify who the index of packages is.",
        "Set its clock (timedatectl); or provision with --offline WHEELHOUSE.",
    ),
    (
        ("do not match the hashes",),
        "digest_mismatch",
        "The index gave the board other bytes than the set's.",
        "Use the public index in the board's pip settings (pip config list), or provision with --offline WHEELHOUSE.",
    ),
    (
        ("no matching distribution found",),
        "wrong_wheels",
        "pip on the board takes none of the wheels: they are for another Python, processor or C library.",
        "Make one for its Python (python3 --version there): groupnl device wheelhouse --python VERSION --out DIR",
    ),
)


class NotProvisioned(AgentError):
    """An environment could not be made; the one that was there before is in use still."""

    def __init__(self, code: str, message: str, remedy: str) -> None:
        super().__init__(message, remedy)
        self.code = code


def make_environment(folder: Path) -> Path:
    """An empty virtual environment of the running Python; its program. Raises `NotProvisioned` or `DiskRefused`."""
    made = _run([sys.executable, "-m", "venv", "--without-pip", str(folder)], folder.parent)
    if made.exit_code != 0:
        if "No module named" in made.output:
            raise NotProvisioned("no_venv", "Python on the board has no module venv.", f"{_VENV[1]}.")
        raise _refused("Python on the board could not make a virtual environment", made, folder.parent)
    return folder / "bin" / "python"


def install(python: Path, requirements: Path, wheels: Path | None, pip: Path | None) -> None:
    """Have pip install exactly these requirements; from `wheels`, by the pip in its wheel, or from the index.

    Raises `NotProvisioned` with what pip said, or `DiskRefused`.
    """
    exact = ["--require-hashes", "--no-deps", "--only-binary=:all:", "--requirement", str(requirements)]
    quiet = ["--no-input", "--disable-pip-version-check", "--no-cache-dir", "--progress-bar", "off"]
    if wheels is not None and pip is not None:
        command = [f"{pip}/pip", "--isolated", "install", "--no-index", "--find-links", str(wheels)]
    else:
        given = _run([str(python), "-m", "ensurepip"], requirements.parent)
        if given.exit_code != 0:
            raise NotProvisioned("no_venv", "Python on the board cannot give an environment its pip.", f"{_VENV[1]}.")
        command = ["-m", "pip", "install"]
    done = _run([str(python), *command, *quiet, *exact], requirements.parent)
    if done.exit_code != 0:
        raise _refused("pip on the board failed", done, requirements.parent)


def require_loads(python: Path, package: str) -> str:
    """The version that a package has once it is loaded, in a child. Raises `NotProvisioned` where it does not load."""
    done = load(str(python), package, python.parent, _LOAD_S, _environment(python.parent))
    if done.exit_code == 0:
        return done.version or ""
    if done.exit_code is None:
        raise NotProvisioned(
            "too_long",
            f"{package} was installed, and was not imported within {_LOAD_S:.0f} s.",
            "See what keeps the device busy (top shows it), then provision again.",
        )
    death = death_of(done.exit_code, done.ran_out)
    if death is not None:
        raise NotProvisioned(
            death.code,
            f"{package} was installed, and then its import {death.what}.",
            "Leave --version out, so that a version is taken that ran on such a board.",
        )
    ended = Done(done.exit_code, done.said, done.ran_out)
    raise _refused(f"{package} was installed and does not load", ended, python.parent)


def _run(argv: Sequence[str], folder: Path) -> Done:
    return run_command(argv, folder, environment=_environment(folder))


def _environment(folder: Path) -> dict[str, str]:
    """A download or an unpacked wheel may be larger than a /tmp in memory."""
    settings = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {**settings, "TMPDIR": str(folder)}


def _refused(what: str, ended: Done, folder: Path) -> AgentError:
    said = ended.output.lower()
    if "no space left" in said:
        return refusal(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder)), folder)
    for words, code, message, remedy in _PIP_SAID:
        if any(word in said for word in words):
            return NotProvisioned(code, message, remedy)
    death = death_of(ended.exit_code or 0, ended.ran_out)
    if death is not None:
        return NotProvisioned(death.code, f"{what}: it {death.what}.", death.remedy)
    lines = [line.strip() for line in ended.output.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()] or lines
    last = errors[-1][:200] if errors else "it said nothing"
    return NotProvisioned("not_provisioned", f"{what}: {last}", "See to what it says; then provision again.")
