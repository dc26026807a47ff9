"""The files of a published data set by their names, be they in a folder or in a tar archive, compressed or not."""

import lzma
import tarfile
import zlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from groupnl_deploy.errors import UsageError, VerificationFailed
from groupnl_deploy.images.listing import shown
from groupnl_deploy.images.published.known import KnownFile, file_md5, require_md5
from groupnl_deploy.images.published.stray import stray
from groupnl_deploy.words import first_line

ARCHIVES = (".tar.gz", ".tgz", ".tar")
MOST_BYTES = 1 << 30
"""Of the files that are taken out of a compressed archive: a few kilobytes can be made to unpack to terabytes."""
_SEEN = 512
_CHUNK = 1 << 20
_DAMAGED = (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, OSError, ValueError)


@dataclass(frozen=True)
class Files:
    """Files in one place.

    Args:
        where: the folder or the archive.
        sizes: in bytes, by name.
        held: what was taken out of an archive.
    """

    where: Path
    sizes: Mapping[str, int]
    held: dict[str, bytes] | None = field(default=None, repr=False)

    def take(self, name: str) -> bytes:
        """All of a file, once: an archive's copy is given away, so that no file is in memory twice."""
        return (self.where / name).read_bytes() if self.held is None else self.held.pop(name)

    def path(self, name: str) -> str:
        """Where a file is, for people."""
        return shown(f"{self.where}/{name}" if self.held is None else f"{name} in {self.where}")


def is_archive(path: Path) -> bool:
    """Whether its name is that of a tar archive."""
    return path.name.lower().endswith(ARCHIVES)


def in_folder(folder: Path, wanted: Collection[str]) -> Files:
    """Those of the wanted files that lie in a folder itself."""
    there = {name: folder / name for name in wanted}
    return Files(folder, {name: path.stat().st_size for name, path in there.items() if path.is_file()})


def in_archive(path: Path, wanted: Collection[str], known: Collection[KnownFile], remedy: str) -> Files:
    """Those of the wanted files that are in a tar archive, whatever folders they are in there.

    Args:
        path: of the archive.
        wanted: names of files.
        known: archives as they were published. One of their size must have their MD5.
        remedy: where to get it.

    Raises `UsageError` for what is no archive, `VerificationFailed` for one that is damaged or cut short.
    """
    require_no_stray(path, remedy)
    size = path.stat().st_size
    for archive in known:
        if archive.size_bytes == size:
            require_md5(str(path), archive, file_md5(path), remedy)
    try:
        held = _read(path, frozenset(wanted))
    except _DAMAGED as error:
        if isinstance(error, OSError) and error.filename:
            raise
        published = "; ".join(map(str, known))
        raise VerificationFailed(
            f"{shown(str(path))} is cut short or damaged: {first_line(error)}. It has {size:,} bytes; published are "
            f"{published}.",
            remedy,
        ) from error
    return Files(path, {name: len(data) for name, data in held.items()}, held)


def require_no_stray(path: Path, remedy: str) -> None:
    """Raise `UsageError` for a file that something else lies in place of."""
    with path.open("rb") as stream:
        found = stray(stream.read(_SEEN))
    if found is not None:
        raise UsageError(f"{shown(str(path))} {found.what}.", f"{found.remedy} {remedy}")


def _read(path: Path, wanted: frozenset[str]) -> dict[str, bytes]:
    """In one pass: to go back in a compressed file is to begin again."""
    held, left = {}, MOST_BYTES
    with tarfile.open(path) as archive:
        for member in archive:
            name = PurePosixPath(member.name).name
            if not member.isreg() or name not in wanted:
                continue
            left -= member.size
            stream = archive.extractfile(member)
            if left < 0 or stream is None:
                raise ValueError(f"{name} has {member.size:,} bytes in there")
            held[name] = stream.read()
        _require_whole(archive)
    return held


def _require_whole(archive: tarfile.TarFile) -> None:
    """Read to the end, where gzip has its checksum: a tar's own end comes before it."""
    assert archive.fileobj is not None
    left = MOST_BYTES
    while chunk := archive.fileobj.read(_CHUNK):
        left -= len(chunk)
        if left < 0:
            raise ValueError(f"over {MOST_BYTES:,} bytes follow the end of the archive")
