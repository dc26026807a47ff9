"""Which file is in which part of a data set, by what is in the file and not by its name."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from groupnl_deploy.errors import UsageError

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

    files: tuple[SplitFile, ...] = field(repr=False)
    schema_version: int = 1

    @classmethod
    def of(cls, files: Iterable[SplitFile]) -> "Split":
        """Of files in any order; equal ones count once."""
        return cls(tuple(sorted(set(files), key=lambda file: (file.sha256, file.label, file.part))))

    def fits(self, class_names: Sequence[str]) -> bool:
        """Whether every label is the index of a class name."""
        return all(0 <= file.label < len(class_names) for file in self.files)


def draw_split(files: Collection[tuple[str, int]], class_names: Sequence[str], seed: int) -> Split:
    """A fifth of each class to test on, drawn by the seed from what the files hold: no name, order or date counts.

    Equal files are on one side, and those that are filed under several classes are trained on. A file that is added
    or removed moves few others.

    Args:
        files: SHA-256 and label of each.
        class_names: by label.
        seed: of the draw.

    Raises `UsageError` for a class that cannot be on both sides.
    """
    labels = defaultdict(set)
    for sha256, label in files:
        labels[sha256].add(label)
    by_class: dict[int, list[str]] = defaultdict(list)
    for sha256, of_file in labels.items():
        if len(of_file) == 1:
            by_class[next(iter(of_file))].append(sha256)
    different = Counter(label for of_file in labels.values() for label in of_file)
    to_test: set[str] = set()
    for label, name in enumerate(class_names):
        _require_two(name, different[label], len(by_class[label]))
        drawn = sorted(by_class[label], key=lambda sha256: hashlib.sha256(f"{seed} {sha256}".encode()).digest())
        to_test.update(drawn[: min(_a_fifth(different[label]), different[label] - 1)])
    return Split.of(SplitFile(sha256, label, "test" if sha256 in to_test else "train") for sha256, label in files)


def _a_fifth(count: int) -> int:
    return max(1, (2 * count + 5) // 10)


def _require_two(name: str, different: int, unambiguous: int) -> None:
    """One image to train on, and one to test on that shows no other class."""
    if different < 2:
        raise UsageError(
            f"The class “{name}” has one image, and one is needed to train on and another to test on.",
            "Give it more images (equal files count as one), or take the class out.",
        )
    if not unambiguous:
        raise UsageError(
            f"Every image of the class “{name}” also lies in another class.",
            "Leave each image in the class that it shows; `groupnl data check DIR` names them.",
        )
