"""Means of errors under corruptions: the paper's tables come out, and no part of a set passes for the whole."""

from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groupnl_deploy.errors import UsageError
from groupnl_deploy.evaluation.alexnet import ALEXNET_ERRORS, relative_to_alexnet
from groupnl_deploy.evaluation.robustness import (
    ALL,
    USUAL,
    category_mean,
    held_out_mean,
    mean_error,
    robustness_of,
    severities_text,
    which,
)
from groupnl_deploy.images.corrupted import CATEGORIES, CORRUPTIONS, EXTRA, SEVERITIES
from tests.evaluation.printed import TABLE_5, TABLE_6, TABLE_7, TABLE_17_GROUPNL, TABLE_17_VANILLA

# The paper prints other means of its own columns; the first number is the columns'.
MISPRINTED_6 = {"Mobi-V3": (58.581, 58.501)}
MISPRINTED_5 = {
    ("ResNet-18", "Vanilla CNN"): (72.66, 72.58),
    ("ResNet-101", "Vanilla CNN"): (73.74, 74.78),
    ("ResNet-101", "MonoCNN"): (73.00, 74.26),
    ("ResNet-101", "GroupNL"): (74.19, 75.04),
}
ALEXNET_MEANS = (
    *(0.886428, 0.894468, 0.922640, 0.819880, 0.826268, 0.785948, 0.798360, 0.866816),
    *(0.826572, 0.819324, 0.564592, 0.853204, 0.646056, 0.717840, 0.606500),
)
ALEXNETS = {name: dict(zip(SEVERITIES, row, strict=True)) for name, row in ALEXNET_ERRORS.items()}


@pytest.mark.parametrize(("network", "printed", "errors"), TABLE_6, ids=[row[0] for row in TABLE_6])
def test_table_6_is_the_plain_mean_of_nineteen(network, printed, errors):
    found = mean_error(dict(zip(ALL, errors, strict=True)))
    right, misprint = MISPRINTED_6.get(network, (printed, printed))
    assert (found.name, printed) == ("mCE of 19", misprint)
    assert round(found.value, 3) == pytest.approx(right, abs=0.00101)  # one in the last digit that is printed


@pytest.mark.parametrize("table", [TABLE_17_VANILLA, TABLE_17_GROUPNL], ids=["vanilla", "groupnl"])
def test_table_17_is_the_mean_over_severities_and_then_over_corruptions(table):
    errors = {name: {level: table[level][1][place] / 100 for level in SEVERITIES} for place, name in enumerate(ALL)}
    found = robustness_of(errors)
    assert list(found.corruption_errors.values()) == pytest.approx([error / 100 for error in table[0][1]], abs=1.5e-5)
    assert found.mean_error.value == pytest.approx(table[0][0] / 100, abs=1e-5)
    assert (found.mean_error.name, found.usual_error.name) == ("mCE of 19", "mCE of 15")
    assert found.usual_error.value == pytest.approx(fmean(table[0][1][:15]) / 100, abs=1e-5)
    for level in SEVERITIES:
        alone = robustness_of({name: {level: row[level]} for name, row in errors.items()}).mean_error
        assert alone.value == pytest.approx(table[level][0] / 100, abs=1e-5)
        assert (alone.name, alone.whole) == (f"mean error of 19 corruptions at severity {level}", False)


@pytest.mark.parametrize(("network", "method", "categories", "printed"), TABLE_5)
def test_table_5_is_the_plain_mean_of_four_categories(network, method, categories, printed):
    found = category_mean(dict(zip(CATEGORIES, categories, strict=True)))
    right, misprint = MISPRINTED_5.get((network, method), (printed, printed))
    assert (found.name, found.whole, printed) == ("mAcc", True, misprint)
    assert found.value == pytest.approx(right, abs=0.0101)


@pytest.mark.parametrize(("network", "method", "companies", "printed"), TABLE_7)
def test_table_7_is_the_plain_mean_of_what_was_held_out(network, method, companies, printed):
    found = held_out_mean(dict(zip(("Apple", "Facebook", "Google", "Samsung"), companies, strict=True)))
    assert found.value == pytest.approx(printed, abs=0.0101)
    assert found.name == "mean of 4 held out: Apple, Facebook, Google, Samsung"


def test_the_extra_four_are_filed_with_their_kind_and_told_apart():
    errors = {name: {1: 0.9 if name in EXTRA else 0.1} for name in ALL}
    found = robustness_of(errors)
    assert [(one.category, one.corruptions, one.of) for one in found.categories] == [
        *(("noise", 4, 4), ("blur", 5, 5), ("weather", 5, 5), ("digital", 5, 5)),
    ]
    assert found.categories[0].accuracy == pytest.approx((3 * 0.9 + 0.1) / 4)
    assert (found.usual_error.value, found.extra_error.value) == (pytest.approx(0.1), pytest.approx(0.9))
    # the mean of the categories is not that of the corruptions: noise has one fewer
    assert found.category_mean.value != pytest.approx(found.mean_accuracy)


def test_a_part_of_the_set_never_passes_for_the_whole():
    three = {name: dict.fromkeys(SEVERITIES, 0.5) for name in ("gaussian_noise", "fog", "saturate")}
    found = robustness_of(three)
    assert found.mean_error.name == "mean error of 3 corruptions (gaussian_noise, fog, saturate)"
    assert found.usual_error.name == "mean error of 2 usual corruptions (gaussian_noise, fog)"
    assert (found.category_mean, found.mean_error.whole) == (None, False)
    usual = robustness_of({name: dict.fromkeys(SEVERITIES, 0.5) for name in USUAL})
    assert (usual.mean_error.name, usual.usual_error, usual.category_mean.name) == ("mCE of 15", None, "mAcc of 15")


@pytest.mark.parametrize(
    ("without", "said"),
    [
        (("saturate",), "18 corruptions (all but saturate)"),
        (("fog", "saturate"), "17 corruptions (all but fog, saturate)"),
        (EXTRA, "15 corruptions (the usual)"),
        ([name for name in ALL if CORRUPTIONS[name] != "noise" and name != "fog"], "5 corruptions (noise, fog)"),
        ((), "19 corruptions"),
    ],
)
def test_which_corruptions_a_mean_is_of_is_said_so_that_equal_words_are_equal_sets(without, said):
    assert which([name for name in ALL if name not in without]) == said


def test_eighteen_of_nineteen_are_never_called_mce():
    lacking = robustness_of({name: dict.fromkeys(SEVERITIES, 0.5) for name in ALL if name != "fog"})
    assert lacking.mean_error.name == "mean error of 18 corruptions (all but fog)"
    assert lacking.usual_error.name == "mean error of 14 usual corruptions (all but fog)"
    assert lacking.category_mean.name == "mean of the four categories, of 18 corruptions (all but fog)"
    assert not lacking.category_mean.whole


def test_a_corruption_that_was_cut_short_is_in_no_mean():
    found = robustness_of({"fog": {1: 0.2, 2: 0.4}, "snow": {1: 1.0}})
    assert found.corruption_errors == {"fog": pytest.approx(0.3)}
    assert found.unfinished == ("snow",)
    assert found.mean_error.name == "mean error of 1 corruption (fog) at severities 1, 2"
    assert robustness_of({"fog": {1: 0.2}, "snow": {2: 0.4}}) is None is robustness_of({})


def test_severities_in_words():
    assert [severities_text(one) for one in ((3,), (1, 2), (1, 3, 5), (5, 1, 2, 3, 4))] == [
        *("severity 3", "severities 1, 2", "severities 1, 3, 5", "severities 1 to 5"),
    ]


@given(st.lists(st.floats(0, 1), min_size=95, max_size=95))
def test_the_mean_is_that_of_all_ninety_five_and_the_accuracies_what_errors_leave(values):
    numbers = iter(values)
    errors = {name: {level: next(numbers) for level in SEVERITIES} for name in ALL}
    found = robustness_of(errors)
    assert found.mean_error.value == pytest.approx(fmean(values))
    weighted = sum(one.accuracy * one.corruptions for one in found.categories) / len(CORRUPTIONS)
    assert weighted == pytest.approx(found.mean_accuracy, abs=1e-9)


def test_alexnet_is_as_good_as_alexnet():
    assert tuple(fmean(row) for row in ALEXNET_ERRORS.values()) == pytest.approx(ALEXNET_MEANS)
    assert fmean(ALEXNET_MEANS) == pytest.approx(0.788993, abs=1e-6)
    found = relative_to_alexnet(ALEXNETS, "imagenetc", "published")
    assert (found.value, found.name) == (pytest.approx(1.0), "mCE of 15 relative to AlexNet")
    halved = {name: {level: error / 2 for level, error in row.items()} for name, row in ALEXNETS.items()}
    assert relative_to_alexnet(halved | {"saturate": {1: 1.0}}, "imagenetc", "published").value == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("errors", "dataset", "origin", "says"),
    [
        (ALEXNETS, "cifar10c", "published", "these images are of cifar10c, published"),
        (ALEXNETS, "imagenet", "generated", "these images are of imagenet, generated"),
        ({**ALEXNETS, "fog": {1: 0.2}}, "imagenetc", "published", "fog is not there at all of them"),
    ],
)
def test_relative_to_alexnet_is_refused_for_anything_else(errors, dataset, origin, says):
    with pytest.raises(UsageError, match=says):
        relative_to_alexnet(errors, dataset, origin)
