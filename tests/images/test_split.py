"""Which own images are tested on: a fifth of each class, by what the files hold and the seed, and nothing else."""

from collections import Counter
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_agent.strict import from_json, to_json
from groupnl_deploy.errors import UsageError
from groupnl_deploy.images.split import Split, draw_split


def digests(count: int, of: str = "") -> list[str]:
    return [sha256(f"{of}{index}".encode()).hexdigest() for index in range(count)]


NAMES = ("cat", "dog")
FILES = [(digest, 0) for digest in digests(40, "cat")] + [(digest, 1) for digest in digests(7, "dog")]


def parts(split: Split) -> dict[str, str]:
    return {file.sha256: file.part for file in split.files}


@given(st.lists(st.integers(2, 60), min_size=2, max_size=5), st.integers(0, 2**32))
def test_a_fifth_of_each_class_and_one_at_least_is_on_either_side(counts: list[int], seed: int) -> None:
    files = [(digest, label) for label, count in enumerate(counts) for digest in digests(count, str(label))]
    split = draw_split(files, [str(label) for label in range(len(counts))], seed)
    to_test = Counter(file.label for file in split.files if file.part == "test")
    for label, count in enumerate(counts):
        assert 1 <= to_test[label] < count and abs(to_test[label] - count / 5) <= 0.8
    assert len(split.files) == sum(counts)


def test_the_draw_depends_on_contents_and_seed_alone():
    split = draw_split(FILES, NAMES, 3)
    assert draw_split(FILES[::-1], NAMES, 3) == split != draw_split(FILES, NAMES, 4)
    assert from_json(Split, to_json(split)) == split
    assert [file.sha256 for file in split.files] == sorted(digest for digest, _ in FILES)


def test_a_new_file_moves_few_others():
    before, after = (parts(draw_split(files, NAMES, 0)) for files in (FILES, [*FILES, (digests(1, "new")[0], 0)]))
    assert sum(before[digest] != after[digest] for digest in before) <= 1


def test_equal_files_are_on_one_side_and_of_two_classes_to_train_on():
    twice, both = FILES[3], digests(8, "both")
    files = [*FILES, twice, twice, *((digest, label) for digest in both for label in (0, 1))]
    for seed in range(5):
        split = draw_split(files, NAMES, seed)
        assert {parts(split)[digest] for digest in both} == {"train"}
        assert sum(file.sha256 == twice[0] for file in split.files) == 1


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([*FILES[:40], FILES[-1]], "“dog” has one image"),
        ([*FILES[:40], FILES[-1], FILES[-1]], "“dog” has one image"),
        ([*FILES, *((digest, 1) for digest, label in FILES if label == 0)], "Every image of the class “cat” also lies"),
    ],
    ids=["one", "one twice", "all in another class"],
)
def test_a_class_that_cannot_be_on_both_sides_is_refused(files, message):
    with pytest.raises(UsageError, match=message):
        draw_split(files, NAMES, 0)
