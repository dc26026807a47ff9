"""A file that is recorded: by its name in a folder, its SHA-256 and its size. Standard library only."""

import hashlib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class FileDigest:
    """One file of an artifact or a checkpoint: its name in the folder, its SHA-256, its size."""

    name: str
    sha256: str
    bytes: int

    @staticmethod
    def of(path: Path) -> "FileDigest":
        """Describe a file that exists."""
        with path.open("rb") as stream:
            return FileDigest(path.name, hashlib.file_digest(stream, "sha256").hexdigest(), path.stat().st_size)

    @property
    def is_plain(self) -> bool:
        """Whether its name is one in a folder: no path, and nothing that plays with a terminal."""
        return self.name not in ("", ".", "..") and self.name.isprintable() and "/" not in self.name

    def is_there(self, directory: Path) -> bool:
        """Whether `directory` has a file of this name and size."""
        path = directory / self.name
        return path.is_file() and path.stat().st_size == self.bytes

    def damage(self, directory: Path) -> str | None:
        """What is wrong with the file of this name in `directory`, as a sentence; None when it is whole."""
        path = directory / self.name
        if not self.is_plain:
            return f"{self.name!r} is not a plain file name."
        if not path.is_file():
            return f"{path} is missing."
        found = FileDigest.of(path)
        if found.bytes != self.bytes:
            return f"{path} has {found.bytes} bytes, but {self.bytes} are recorded."
        return None if found.sha256 == self.sha256 else f"{path} was altered: its SHA-256 is not the recorded one."
