"""A record of something measured on disk: JSON, and beside it the file's SHA-256 as `sha256sum` writes it.

The digest finds damage and careless edits. It is no seal: who alters a record on purpose can make its digest again.
"""

from pathlib import Path
from typing import TypeVar

from device_agent.strict import StrictError, from_json, to_json
from groupnl_deploy.errors import VerificationFailed
from groupnl_deploy.workspace import file_sha256, sha256_hex, write_atomically

Record = TypeVar("Record")
DIGEST = ".sha256"
_COPY = "Take both files from a copy of the folder that is whole; where there is none, measure again."


def digest_file(path: Path) -> Path:
    """The file that has the digest of a record."""
    return path.with_name(f"{path.name}{DIGEST}")


def write_record(path: Path, record: object) -> None:
    """Write a record and its digest into a folder that nobody reads yet."""
    data = to_json(record).encode()
    path.write_bytes(data)
    digest_file(path).write_bytes(_line(sha256_hex(data), path))


def add_record(path: Path, record: object) -> None:
    """Write a record and its digest into a folder that people look into: both of them, whole, or none.

    Raises `UsageError` or `DiskFull`.
    """
    data = to_json(record).encode()
    write_atomically(digest_file(path), _line(sha256_hex(data), path))
    try:
        write_atomically(path, data)
    except BaseException:
        digest_file(path).unlink(missing_ok=True)
        raise


def amend_record(path: Path, record: object) -> None:
    """Put a record in the place of the one that is there. Raises `UsageError` or `DiskFull`.

    Meanwhile both digests stand beside it, so that a power cut leaves a record that fits one of them.
    """
    data = to_json(record).encode()
    old, new = _line(file_sha256(path), path), _line(sha256_hex(data), path)
    write_atomically(digest_file(path), old + new)
    write_atomically(path, data)
    write_atomically(digest_file(path), new)


def read_record(kind: type[Record], path: Path, remedy: str) -> Record:
    """A record from its file. Raises `VerificationFailed`; `remedy` is for one that is damaged or of another version.

    Where its digest stands beside it, it is held against that first.
    """
    try:
        return from_json(kind, _read(path), str(path))
    except OSError as error:
        raise VerificationFailed(f"{path} cannot be read: {error.strerror}.", "See to the file or its disk.") from error
    except StrictError as error:
        raise VerificationFailed(f"{error}.", remedy) from error


def _read(path: Path) -> bytes:
    known, data = _digests(path), path.read_bytes()
    if known is None:
        return data
    known |= _digests(path) or set()  # it may have been amended in between
    if sha256_hex(data) not in known:
        raise VerificationFailed(
            f"{path} is not as it was written: {digest_file(path).name} beside it has another SHA-256. One of the two "
            "was altered or damaged.",
            _COPY,
        )
    return data


def _digests(path: Path) -> set[str] | None:
    """Those that stand beside a record, None without the file; a file without any is one that nothing fits."""
    try:
        lines = digest_file(path).read_text(encoding="ascii", errors="replace").splitlines()
    except FileNotFoundError:
        return None
    return {line.partition(" ")[0] for line in lines}


def _line(sha256: str, path: Path) -> bytes:
    return f"{sha256}  {path.name}\n".encode()
