"""A network that guesses is told from one that knows something."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groupnl_deploy.images.confusion import Confusion, count_confusion
from groupnl_deploy.training.near_chance import near_chance


def of(right: int, images: int = 360, classes: int = 10) -> Confusion:
    """As many images of every class, the first of them answered rightly."""
    labels = [index % classes for index in range(images)]
    answers = [label if index < right else (label + 1) % classes for index, label in enumerate(labels)]
    return count_confusion(labels, answers, [str(label) for label in range(classes)])


@pytest.mark.parametrize(
    ("right", "guesses"), [(35, True), (38, True), (47, True), (49, False), (107, False), (350, False)]
)
def test_ten_classes_of_360_images(right, guesses):
    assert (near_chance(of(right)) is not None) == guesses


def test_naming_the_commonest_class_is_no_knowledge():
    confusion = count_confusion([0] * 90 + [1] * 10, [0] * 100, ["often", "seldom"])
    assert confusion.chance == 0.9
    assert "always naming the commonest class is right in 90.0 %" in near_chance(confusion)


@given(st.integers(0, 359))
def test_more_right_answers_are_never_nearer_to_chance(right):
    assert of(right + 1).above_chance >= of(right).above_chance
