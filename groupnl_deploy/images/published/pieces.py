"""Where the bytes of a data set's files lie: whole files of a folder, or pieces of a tar that is not compressed.

Such a piece can be mapped into memory where it is.
"""

import tarfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from groupnl_deploy.errors import UsageError, VerificationFailed
from groupnl_deploy.images.listing import shown
from groupnl_deploy.images.published.files import require_no_stray

_PACKED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")


@dataclass(frozen=True)
class Piece:
    """Some bytes of a file.

    Args:
        name: what they are called, for people.
        path: of the file.
        start: where they begin in it.
        size: how many they are.
    """

    name: str
    path: Path
    start: int
    size: int

    def read(self) -> bytes:
        """All of them."""
        with self.path.open("rb") as stream:
            stream.seek(self.start)
            return stream.read(self.size)


def pieces_of_folder(folder: Path, wanted: Collection[str]) -> dict[str, Piece]:
    """Those of the wanted files that lie in a folder itself, by name."""
    there = {name: folder / name for name in wanted}
    return {
        name: Piece(shown(str(path)), path, 0, path.stat().st_size) for name, path in there.items() if path.is_file()
    }


def pieces_of_tar(path: Path, wanted: Collection[str], remedy: str) -> dict[str, Piece]:
    """Those of the wanted files that are in an archive, whatever folders they are in there.

    Raises `UsageError` for one that is compressed or none, `VerificationFailed` for one that is cut short.
    """
    require_no_stray(path, remedy)
    with path.open("rb") as stream:
        if stream.read(6).startswith(_PACKED):
            raise UsageError(
                f"{shown(str(path))} is compressed, and its files are read in place.", "Unpack it, and name the folder."
            )
    try:
        with tarfile.open(path, "r:") as archive:
            members = [member for member in archive if member.isreg() and not member.issparse()]
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise _cut_short(path, str(error), remedy) from error
    found, size = {}, path.stat().st_size
    for member in members:
        name = PurePosixPath(member.name).name
        if name in wanted:
            if member.offset_data + member.size > size:
                raise _cut_short(path, f"{name} goes on behind its end", remedy)
            found[name] = Piece(shown(f"{name} in {path}"), path, member.offset_data, member.size)
    return found


def missing(wanted: Collection[str], found: Mapping[str, Piece]) -> list[str]:
    """Names that are not there, in their order."""
    return [name for name in wanted if name not in found]


def _cut_short(path: Path, why: str, remedy: str) -> VerificationFailed:
    size = path.stat().st_size
    return VerificationFailed(
        f"{shown(str(path))} is cut short or damaged: {why.rstrip('.')}. It has {size:,} bytes.", remedy
    )
