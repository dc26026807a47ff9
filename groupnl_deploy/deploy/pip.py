"""This machine's pip, told to look for another machine's wheels: what there is, and to bring it here.

It reads the user's own settings (index, proxy, certificates). Source distributions are never taken: nothing is built.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groupnl_deploy.deploy.wheels import Wheel, WheelTarget
from groupnl_deploy.errors import GroupNLError, UsageError, VerificationFailed

_NO_NETWORK = ("failed to establish a new connection", "name resolution", "max retries exceeded", "read timed out")
_NO_VERSION = "no matching distribution found"
_OTHER_BYTES = "do not match the hashes"
_NO_ROOM = "no space left"


@dataclass(frozen=True)
class Found:
    """A wheel that an index has, and the requirements that its metadata names."""

    wheel: Wheel
    requires: tuple[str, ...]


def look_up(requirement: str, target: WheelTarget, python: str) -> Found:
    """The newest wheel for the target that a requirement allows. Raises `UsageError` where there is none."""
    # pip asks for a folder to install to before it looks for another machine's wheels; nothing is installed.
    command = ["install", "--dry-run", "--ignore-installed", "--target", "unused", "--report", "-"]
    report = _pip([*command, *_only_for(target, python), requirement], f"{requirement} for {target.machine}")
    item: dict[str, Any] = json.loads(report)["install"][0]
    archive = item["download_info"]
    name = archive["url"].rpartition("/")[2].partition("#")[0].replace("%2B", "+")
    wheel = Wheel(name, archive["archive_info"]["hashes"]["sha256"])
    return Found(wheel, tuple(item["metadata"].get("requires_dist", ())))


def download(wheel: Wheel, target: WheelTarget, python: str, folder: Path) -> Path:
    """The wheel's file in `folder`. Raises `VerificationFailed` where the index has other bytes under its name."""
    listed = folder / f".{wheel.package}.txt"
    listed.write_text(f"{wheel.requirement}\n")
    try:
        command = ["download", "--dest", str(folder), *_only_for(target, python), "--require-hashes", "-r", str(listed)]
        _pip(command, f"{wheel.package} {wheel.version} for {target.machine}")
    finally:
        listed.unlink()
    return folder / wheel.file


def _only_for(target: WheelTarget, python: str) -> list[str]:
    """Wheels for that machine alone, one package at a time: pip would judge what it depends on by *this* machine."""
    platforms = [word for platform in target.platforms for word in ("--platform", platform)]
    abis = ["--implementation", "cp", "--abi", f"cp{python.replace('.', '')}", "--abi", "abi3", "--abi", "none"]
    return ["--no-deps", "--only-binary=:all:", "--python-version", python, *platforms, *abis]


def _pip(command: Sequence[str], what: str) -> str:
    """What it prints."""
    quiet = ["--quiet", "--no-input", "--disable-pip-version-check"]
    done = subprocess.run(
        [sys.executable, "-m", "pip", command[0], *quiet, *command[1:]], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise _refusal(done.stderr, what)
    return done.stdout


def _refusal(stderr: str, what: str) -> GroupNLError:
    said = stderr.lower()
    if "no module named pip" in said:
        return UsageError(
            "This Python has no pip, which looks for wheels and brings them.",
            f"Give it one: {sys.executable} -m ensurepip, or with uv: uv pip install pip",
        )
    if _OTHER_BYTES in said:
        return VerificationFailed(
            f"The index has {what} with another digest than the certified wheel.",
            "Use the public index, https://pypi.org/simple, in pip's settings; then try again.",
        )
    if any(words in said for words in _NO_NETWORK):
        return UsageError(
            "No index of packages can be reached from this machine.",
            "Check its network, and the index and proxy in pip's settings (pip config list); then try again.",
        )
    if _NO_VERSION in said:
        return UsageError(
            f"There is no wheel of {what} in the index.",
            "Look for one with: pip index versions NAME. Or choose another --version or --python.",
        )
    if _NO_ROOM in said:
        return UsageError("The disk here is full.", "Free some space, or name another folder with --out.")
    last = next((line for line in reversed(stderr.splitlines()) if line.startswith("ERROR:")), "it said nothing")
    return UsageError(f"pip did not get {what}: {last.removeprefix('ERROR: ')}", "See to what it says; then try again.")
