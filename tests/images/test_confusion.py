"""Answers against labels, counted."""

import pytest

from groupnl_deploy.errors import UsageError
from groupnl_deploy.images.confusion import ConfusedPair, Confusion, count_confusion, wilson_interval

NAMES = ("cat", "dog", "owl")


def test_rows_are_the_true_classes_and_columns_the_answers():
    found = count_confusion([0, 0, 0, 1, 1], [0, 1, 1, 1, 0], NAMES)
    assert found.matrix == ((1, 2, 0), (1, 1, 0), (0, 0, 0))
    assert (found.images, found.right, found.accuracy) == (5, 2, 0.4)
    assert [(one.name, one.images, one.right) for one in found.per_class] == [
        ("cat", 3, 1),
        ("dog", 2, 1),
        ("owl", 0, 0),
    ]
    assert found.confused == (ConfusedPair("cat", "dog", 2), ConfusedPair("dog", "cat", 1))


def test_a_class_without_an_image_has_no_accuracy():
    *_, owl = count_confusion([0], [0], NAMES).per_class
    assert owl.accuracy is None and owl.interval is None


def test_it_is_said_in_one_line_with_its_count_and_interval():
    found = Confusion(("cat", "dog"), ((50, 0), (5, 45)))
    assert str(found) == "95.0 % of 100 images, 95 % interval 88.8 to 97.8 %; worst of 2 classes: dog, 45 of 50"


@pytest.mark.parametrize(
    ("right", "images", "interval"),
    # R: prop.test(right, images, correct = FALSE)$conf.int
    [(95, 100, (0.8882, 0.9785)), (0, 10, (0.0, 0.2775)), (10, 10, (0.7225, 1.0)), (1, 2, (0.0945, 0.9055))],
)
def test_the_interval_is_wilsons(right: int, images: int, interval: tuple[float, float]):
    assert wilson_interval(right, images) == pytest.approx(interval, abs=1e-4)


@pytest.mark.parametrize(
    ("labels", "answers"), [([], []), ([0, 1], [0]), ([0, 3], [0, 0]), ([0, 1], [0, -1]), ([-1], [0])]
)
def test_what_does_not_go_together_is_refused(labels: list[int], answers: list[int]):
    with pytest.raises(UsageError, match="do not go together"):
        count_confusion(labels, answers, NAMES)
