"""Rules as people write them, and what pairs say of them."""

import math

import pytest

from groupnl_deploy.analysis.paired import compare_pairs
from groupnl_deploy.analysis.rule import Rule, judge, parse_rule, require_decidable
from groupnl_deploy.errors import UsageError


def of_logs(*logs: float):
    return compare_pairs([1.0] * len(logs), [math.exp(value) for value in logs])


STEADY = of_logs(0.050, 0.051, 0.052, 0.053, 0.054, 0.055, 0.056, 0.057)  # 5.1 to 5.9 %


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("energy_j>+3%", Rule("energy_j>+3%", "energy_j", True, 1.03)),
        ("fps<-5%", Rule("fps<-5%", "fps", False, 0.95)),
        (" p50_ms > +0.5 % ", Rule(" p50_ms > +0.5 % ", "p50_ms", True, 1.005)),
        ("memory_mb>+0%", Rule("memory_mb>+0%", "memory_mb", True, 1.0)),
        ("p50_ms>-10%", Rule("p50_ms>-10%", "p50_ms", True, 0.9)),
    ],
)
def test_what_is_a_rule(text, rule):
    assert parse_rule(text) == rule


@pytest.mark.parametrize(
    "text",
    [
        "",
        "energy_j",
        "energy_j>3%",
        "energy_j>+3",
        "energy_j>=+3%",
        "energy_j>+3%%",
        "p50_ms>+٣%",
        ">+3%",
        "p50_ms>+" + "9" * 400 + "%",
    ],
)
def test_what_is_none_is_answered_with_one(text):
    with pytest.raises(UsageError, match="is no rule") as refused:
        parse_rule(text)
    assert '--fail-if "p50_ms>+3%"' in refused.value.remedy
    assert ("shell" in refused.value.message) == (text == "energy_j")


def test_a_column_that_there_is_not_is_answered_with_the_nearest():
    with pytest.raises(UsageError, match="There is no column to compare “energy”") as refused:
        parse_rule("energy>+3%")
    assert refused.value.remedy == "Did you mean “energy_j”?"


def test_less_than_nothing_is_refused():
    with pytest.raises(UsageError, match="lower by 100 %"):
        parse_rule("fps<-100%")


def test_five_pairs_decide_nothing():
    rules = (parse_rule("p50_ms>+3%"),)
    require_decidable(rules, 6)
    require_decidable((), 1)
    with pytest.raises(UsageError, match="5 pairs cannot decide “p50_ms>\\+3%”"):
        require_decidable(rules, 5)


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("p50_ms>+3%", "broken"),
        ("p50_ms>+10%", "kept"),
        ("fps<-3%", "kept"),
        ("fps<+10%", "broken"),
        ("p50_ms>+5.5%", "not decided"),
    ],
)
def test_the_whole_interval_decides(text, outcome):
    judged = judge(parse_rule(text), STEADY)
    assert judged.outcome == outcome and outcome in judged.says
    assert (judged.pairs_needed is not None) == (outcome == "not decided")


def test_what_is_not_decided_says_how_many_pairs_would():
    judged = judge(parse_rule("p50_ms>+5.4%"), STEADY)
    assert judged.pairs_needed is not None and f"about {judged.pairs_needed} pairs would" in judged.says
    exactly = judge(Rule("p50_ms>+0%", "p50_ms", True, 1.0), of_logs(*(0.0,) * 8))
    assert exactly.outcome == "not decided" and "no number of pairs would" in exactly.says
