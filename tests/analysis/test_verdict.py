"""What is said of pairs, word by word."""

import pytest

from groupnl_deploy.analysis.metrics import BY_NAME
from groupnl_deploy.analysis.paired import compare_pairs
from groupnl_deploy.analysis.verdict import figures, p_text, percent, standing, verdict_sentence

SPREAD = (1.00, 1.01, 0.99, 1.02, 0.98, 1.00, 1.01, 0.99)


def said(metric: str, ratio: float, pairs: int = 8) -> str:
    found = compare_pairs((10.0,) * pairs, [10 * ratio * each for each in SPREAD[:pairs]])
    return verdict_sentence(BY_NAME[metric], found, found.p)


def test_faster_is_told_as_how_many_times_as_fast():
    assert said("p50_ms", 1 / 1.25) == (
        "B is 1.250 times as fast as A by its p50 latency (95 % interval 1.238 to 1.263, 8 pairs, p = 0.0078)."
    )


def test_slower_is_told_as_how_many_times_as_long():
    assert said("p50_ms", 1.25).startswith("B takes 1.250 times as long as A by its p50 latency (95 % interval 1.2")


def test_any_other_metric_is_told_with_whether_that_is_better():
    assert said("energy_j", 0.9).startswith("B's gross energy is 0.8999 times A's, which is better (95 % interval ")
    assert said("fps", 0.9).startswith("B's FPS is 0.8999 times A's, which is worse (95 % interval ")


def test_no_difference_shown_tells_how_large_one_might_be():
    told = said("p50_ms", 1.001)
    assert told.startswith("No difference shown: B's p50 latency is 1.001 times A's (95 % interval 0.9")
    assert told.endswith("If there is one, it is likely between −0.91 % and +1.1 %.")


def test_what_only_one_question_alone_would_show_is_unsure():
    found = compare_pairs((10.0,) * 8, [12 * each for each in SPREAD])
    told = verdict_sentence(BY_NAME["p50_ms"], found, 0.06)
    assert told.startswith(
        "Unsure: B's p50 latency is 1.200 times A's (95 % interval 1.188 to 1.212, 8 pairs, p = 0.06 "
    )


def test_a_range_is_called_one():
    assert said("p50_ms", 1.25, 5) == (
        "No verdict. In 5 pairs B's p50 latency was 1.225 to 1.275 times A's. This is the range and no interval; "
        "from 6 pairs on a difference can be shown."
    )
    assert said("p50_ms", 1.25, 1).startswith("No verdict. In one pair B's p50 latency was 1.250 times A's.")


@pytest.mark.parametrize(
    ("metric", "ratio", "p", "expected"),
    [
        ("p50_ms", 0.9, 0.05, "better"),
        ("p50_ms", 1.1, 0.01, "worse"),
        ("fps", 1.1, 0.01, "better"),
        ("fps", 1.1, 0.06, "unsure"),
        ("fps", 1.0, 0.06, "no difference shown"),
        ("fps", 1.1, None, "range only"),
    ],
)
def test_how_b_stands(metric, ratio, p, expected):
    found = compare_pairs((1.0,) * 8, (ratio,) * 8)
    assert standing(BY_NAME[metric], found, p) == expected


def test_numbers_in_words():
    assert [figures(x) for x in (1.0, 0.084321, 123.456, 12345.6, 0.0)] == [
        "1.000",
        "0.08432",
        "123.5",
        "12346",
        "0.000",
    ]
    assert (p_text(0.001953), p_text(0.43), p_text(3e-6)) == ("p = 0.002", "p = 0.43", "p < 0.0001")
    assert [percent(x) for x in (1.0182, 0.991, 2.935, 1.0)] == ["+1.8 %", "−0.9 %", "+194 %", "+0 %"]
