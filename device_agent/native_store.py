"""The libraries of native operators on a device: which this agent accepts, where they lie, how one gets there.

Below the root: `native/<sha256>`, named by its digest, whole always; and `native/groupnl_native.py`, with which a
program of the user's own loads them.
"""

import json
import pkgutil
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Literal

from device_agent import durable
from device_agent.errors import UPDATE_BOTH, BadRequest, DigestMismatch, NativeDamaged
from device_agent.file_digest import FileDigest
from device_agent.machine import this_machine
from device_agent.manifest import MANIFEST_FILE, NativeOperators
from device_agent.native import LIBRARIES_FILE, PUSH_AGAIN, Libraries, NativeLibrary
from device_agent.native_choice import NativeChoice, choose
from device_agent.parts import Part
from device_agent.strict import from_json

LOADER = "groupnl_native.py"

State = Literal["whole", "missing", "altered"]


def known_libraries() -> tuple[NativeLibrary, ...]:
    """Those that this bundle holds the records of; none where the agent runs from a folder of sources."""
    with suppress(FileNotFoundError):
        data = pkgutil.get_data("device_agent", LIBRARIES_FILE)
        return from_json(Libraries, data or b"", LIBRARIES_FILE).libraries
    return ()


def choose_here(native: NativeOperators, runtime: str | None, threads: int) -> NativeChoice:
    """What of native models runs on this machine. Raises `CannotRunNative`."""
    return choose(native, known_libraries(), this_machine(), runtime, threads)


def folder_of(root: Path) -> Path:
    """Where the libraries lie below the agent's root."""
    return root / "native"


def state_of(folder: Path, library: NativeLibrary) -> State:
    """How the library lies in the folder."""
    if not (folder / library.sha256).exists():
        return "missing"
    return "altered" if _digest(library).damage(folder) else "whole"


def is_whole(folder: Path, sha256: str) -> bool:
    """Whether a library that this agent knows lies there as it was sent."""
    return any(one.sha256 == sha256 and state_of(folder, one) == "whole" for one in known_libraries())


def require_whole(folder: Path, library: NativeLibrary) -> Path:
    """The library's path. Raises `NativeDamaged`."""
    state, path = state_of(folder, library), folder / library.sha256
    if state != "whole":
        what = "is missing" if state == "missing" else "was altered: its SHA-256 is not its name"
        raise NativeDamaged(f"The native library {path} {what}.", PUSH_AGAIN)
    return path


def place(root: Path, sha256: str, pieces: Iterable[bytes]) -> None:
    """Write a library under a temporary name, verify it, flush it, give it its name; of what is refused nothing stays.

    Raises `BadRequest` for a library that this agent does not know, `NativeDamaged` for other bytes.
    """
    library = next((one for one in known_libraries() if one.sha256 == sha256), None)
    if library is None:
        raise BadRequest(f"This agent knows no library {sha256[:12]}.", UPDATE_BOTH)
    folder = folder_of(root)
    folder.mkdir(exist_ok=True)
    written = folder / f"{sha256}.part"
    part = Part(written, _digest(library))
    try:
        part.receive(0, pieces)
        durable.flush(written)
        _clear(root, folder / sha256)
        written.replace(folder / sha256)
    except BaseException as error:
        part.discard()
        if isinstance(error, DigestMismatch):
            raise NativeDamaged(error.message, error.remedy) from error
        raise
    durable.flush(folder)


def _clear(root: Path, path: Path) -> None:
    """Move a folder, which no file replaces, to where the next sweep finds it."""
    if path.is_dir():
        (root / "incoming").mkdir(exist_ok=True)
        path.rename(root / "incoming" / f"{path.name}.damaged")


def place_loader(root: Path) -> None:
    """Put this bundle's loader beside the libraries, unless it is there."""
    data, path = pkgutil.get_data("device_agent", "native.py") or b"", folder_of(root) / LOADER
    path.parent.mkdir(exist_ok=True)
    if not path.is_file() or path.read_bytes() != data:
        durable.write_whole(path, data)


def sweep_libraries(root: Path, remove: Callable[[Path], None]) -> None:
    """Remove the libraries that nothing needs: this agent does not know them, and no artifact here is a native one.

    While there is one, everything stays: which library a program of the user's own loads, nobody knows.
    """
    known = {one.sha256 for one in known_libraries()}
    folder = folder_of(root)
    ours = folder.is_dir() and not folder.is_symlink()  # behind a link lie things of others
    unknown = [path for path in folder.iterdir() if path.name not in known] if ours else []
    if unknown and not any(map(_is_native, (root / "artifacts").glob(f"*/{MANIFEST_FILE}"))):
        for path in unknown:
            remove(path)


def _is_native(manifest: Path) -> bool:
    """Whether an artifact may need a library; what cannot be read may."""
    try:
        return json.loads(manifest.read_bytes()).get("native") is not None
    except (OSError, ValueError, AttributeError):
        return True


def _digest(library: NativeLibrary) -> FileDigest:
    return FileDigest(library.sha256, library.sha256, library.bytes)
