"""Whether files are the published ones to the byte, by their MD5: read whole, so only where somebody asks."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from groupnl_deploy.images.published.cifar_c import find_cifar_c
from groupnl_deploy.images.published.cifar_c_tables import CIFAR_C
from groupnl_deploy.images.published.pieces import Piece
from groupnl_deploy.progress import Reporter

_CHUNK = 1 << 20  # bytes


@dataclass(frozen=True)
class Verified:
    """A file: its name, the MD5 that was found and the one that was published."""

    name: str
    md5: str
    published: str

    @property
    def is_published(self) -> bool:
        """Whether it is the published one."""
        return self.md5 == self.published


def verify_files(name: str, path: Path, reporter: Reporter) -> tuple[Verified, ...]:
    """Every file of a CIFAR-10-C or CIFAR-100-C that is there. Raises as its `load_corrupted` for one that is not.

    Args:
        name: a key of `CIFAR_C`.
        path: where it lies, as users name it.
        reporter: told how far it is.
    """
    about = CIFAR_C[name]
    _, pieces = find_cifar_c(about, path)
    names = [word for word in about.md5 if f"{word}.npy" in pieces]
    found = []
    with reporter.task(f"read {about.title}") as task:
        for done, word in enumerate(names):
            task(done, len(names), f"{word}.npy")
            found.append(Verified(f"{word}.npy", _md5(pieces[f"{word}.npy"]), about.md5[word]))
    return tuple(found)


def _md5(piece: Piece) -> str:
    digest, left = hashlib.md5(usedforsecurity=False), piece.size
    with piece.path.open("rb") as stream:
        stream.seek(piece.start)
        while left and (chunk := stream.read(min(left, _CHUNK))):
            digest.update(chunk)
            left -= len(chunk)
    return digest.hexdigest()
