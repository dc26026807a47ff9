"""Which file is in which part of a data set, by what is in the file and not by its name."""

from dataclasses import dataclass
from typing import Literal

Part = Literal["train", "test"]


@dataclass(frozen=True)
class SplitFile:
    """One file: the SHA-256 of its bytes, the index of its class name, and its part."""

    sha256: str
    label: int
    part: Part


@dataclass(frozen=True)
class Split:
    """Every file of a data set once, sorted by digest."""

    files: tuple[SplitFile, ...]
    schema_version: int = 1
