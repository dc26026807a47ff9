"""Which class was taken for which: right answers against those of a network, counted. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from groupnl_deploy.errors import UsageError

Matrix = tuple[tuple[int, ...], ...]
"""Images, by true class (rows) and by answer (columns)."""
Interval = tuple[float, float]

_Z = 1.959964  # 97.5 % of a normal distribution lie below so many standard deviations


@dataclass(frozen=True)
class ClassAccuracy:
    """One class: how many images of it there were, and how many were answered rightly. Null without an image.

    `interval` is Wilson's, of 95 %: of so few images the share is known no better.
    """

    name: str
    images: int
    right: int
    accuracy: float | None
    interval: Interval | None


@dataclass(frozen=True)
class ConfusedPair:
    """So many images of the class `true` were taken for `answered`."""

    true: str
    answered: str
    images: int


@dataclass(frozen=True)
class Confusion:
    """Counts of a test, and what follows from them.

    Args:
        class_names: by label.
        matrix: images by true class (rows) and answer (columns), as many of both as there are names.
    """

    class_names: tuple[str, ...]
    matrix: Matrix

    @cached_property
    def images(self) -> int:
        """How many there were."""
        return sum(map(sum, self.matrix))

    @cached_property
    def right(self) -> int:
        """How many were answered rightly."""
        return sum(row[label] for label, row in enumerate(self.matrix))

    @property
    def accuracy(self) -> float:
        """The share of right answers, from 0 to 1."""
        return self.right / self.images

    @property
    def interval(self) -> Interval:
        """Wilson's interval of 95 % of the accuracy."""
        return wilson_interval(self.right, self.images)

    @property
    def chance(self) -> float:
        """The accuracy, from 0 to 1, of always naming the class that most images are of."""
        return max(map(sum, self.matrix)) / self.images

    @property
    def above_chance(self) -> bool:
        """Whether all of the accuracy's interval lies above `chance`."""
        return self.interval[0] > self.chance

    @property
    def per_class(self) -> tuple[ClassAccuracy, ...]:
        """Every class, by label."""
        rows = enumerate(zip(self.class_names, self.matrix, strict=True))
        return tuple(_of_class(name, sum(row), row[label]) for label, (name, row) in rows)

    @property
    def confused(self) -> tuple[ConfusedPair, ...]:
        """Every two classes of which the one was taken for the other, the most images first."""
        names = self.class_names
        pairs = [
            ConfusedPair(names[label], names[answer], images)
            for label, row in enumerate(self.matrix)
            for answer, images in enumerate(row)
            if images and answer != label
        ]
        return tuple(sorted(pairs, key=lambda pair: -pair.images))

    def __str__(self) -> str:
        worst = min((one for one in self.per_class if one.accuracy is not None), key=lambda one: one.accuracy or 0.0)
        return (
            f"{100 * self.accuracy:.1f} % of {self.images:,} images, {interval_text(self.interval)}; "
            f"worst of {len(self.matrix)} classes: {worst.name}, {worst.right} of {worst.images}"
        )


def count_confusion(labels: Sequence[int], answers: Sequence[int], class_names: Sequence[str]) -> Confusion:
    """Count each pair of right answer and answer.

    Args:
        labels: the class of each image, an index of `class_names`.
        answers: what the network said of each, likewise.
        class_names: by label.

    Raises `UsageError` where there is no image, not one answer a label, or an index that no name has.
    """
    classes, images = len(class_names), len(labels)
    known = all(0 <= index < classes for index in (*labels, *answers))
    if not images or len(answers) != images or not known:
        raise UsageError(
            f"{images} labels and {len(answers)} answers of {classes} classes do not go together.",
            "Give each image one label and one answer, both the index of a class name.",
        )
    matrix = [[0] * classes for _ in range(classes)]
    for label, answer in zip(labels, answers, strict=True):
        matrix[label][answer] += 1
    return Confusion(tuple(class_names), tuple(map(tuple, matrix)))


def wilson_interval(right: int, images: int) -> Interval:
    """The shares of right answers, from 0 to 1, that `right` of `images` leave likely, at a level of 95 %.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", 1927. It holds for few images
    and for shares near 0 and 1, where the usual ± is wrong.
    """
    share, weight = right / images, _Z**2 / images
    middle, reach = share + weight / 2, _Z * math.sqrt(share * (1 - share) / images + weight / (4 * images))
    return max(0.0, (middle - reach) / (1 + weight)), min(1.0, (middle + reach) / (1 + weight))


def interval_text(interval: Interval) -> str:
    """For a sentence: “95 % interval 88.8 to 97.8 %”."""
    low, high = interval
    return f"95 % interval {100 * low:.1f} to {100 * high:.1f} %"


def _of_class(name: str, images: int, right: int) -> ClassAccuracy:
    if not images:
        return ClassAccuracy(name, 0, 0, None, None)
    return ClassAccuracy(name, images, right, right / images, wilson_interval(right, images))
