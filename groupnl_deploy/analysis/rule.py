"""A rule that B must not break against A, such as "energy_j>+3%": read strictly, and judged by an interval. Pure."""

import re
from dataclasses import dataclass
from typing import Literal

from groupnl_deploy.analysis.metrics import BY_NAME
from groupnl_deploy.analysis.paired import LEAST_PAIRS, Paired, pairs_to_decide
from groupnl_deploy.analysis.verdict import figures
from groupnl_deploy.errors import UsageError
from groupnl_deploy.words import counted, known_word

_FORM = re.compile(r"\s*(?P<name>\w+)\s*(?P<side>[<>])\s*(?P<sign>[+-])(?P<number>\d+(?:\.\d+)?)\s*%\s*", re.ASCII)
_NAME_ALONE = re.compile(r"\s*\w+\s*", re.ASCII)
_WRITE = 'Write the column, > or <, a sign and per cent, in quotation marks: --fail-if "p50_ms>+3%".'

_LARGEST_LIMIT = 1e6  # times as much

Outcome = Literal["broken", "kept", "not decided"]


@dataclass(frozen=True)
class Rule:
    """Broken where B's `metric` is above (or else below) `limit` times A's; `text` is as it was written."""

    text: str
    metric: str
    above: bool
    limit: float


@dataclass(frozen=True)
class Judgement:
    """What the pairs say of a rule. `says` is a sentence.

    "broken" and "kept": the whole interval of the ratio B/A lies on one side of the limit. `pairs_needed` is about how
    many would decide it where they do not, null where nobody can say. Of invalid runs no rule is decided.
    """

    rule: Rule
    outcome: Outcome
    says: str
    pairs_needed: int | None = None


def parse_rule(text: str) -> Rule:
    """The rule that somebody wrote. Raises `UsageError` for what is none, and for a column that there is not."""
    found = _FORM.fullmatch(text)
    if found is None:
        quoted = " The shell takes an unquoted > for itself." if _NAME_ALONE.fullmatch(text) else ""
        raise UsageError(f"“{text}” is no rule.{quoted}", _WRITE)
    name = known_word("column to compare", found["name"], BY_NAME)
    limit = 1 + float(found["sign"] + found["number"]) / 100
    if limit <= 0:
        raise UsageError(f"“{text}” is no rule: nothing is lower by 100 % or more.", _WRITE)
    if limit > _LARGEST_LIMIT:
        raise UsageError(f"“{text[:60]}” is no rule: so much more nobody measures.", _WRITE)
    return Rule(text, name, found["side"] == ">", limit)


def require_decidable(rules: tuple[Rule, ...], pairs: int) -> None:
    """Raise `UsageError` where so few pairs decide no rule, whatever they show."""
    if rules and pairs < LEAST_PAIRS:
        raise UsageError(
            f"{counted(pairs, 'pair')} cannot decide “{rules[0].text}”: fewer than {LEAST_PAIRS} may be chance though "
            "all of them agree (p above 0.05).",
            f"Compare {LEAST_PAIRS} pairs or more, or leave --fail-if out.",
        )


def judge(rule: Rule, found: Paired) -> Judgement:
    """What the interval says of the rule; it is of six pairs or more."""
    beyond, within = found.low > rule.limit, found.high < rule.limit
    interval = f"interval {figures(found.low)} to {figures(found.high)}"
    ratio = f"B/A is {figures(found.ratio)}, {interval}, limit {figures(rule.limit)}"
    if beyond or within:
        outcome: Outcome = "broken" if beyond == rule.above else "kept"
        return Judgement(rule, outcome, f"The rule “{rule.text}” is {outcome}: {ratio}.")
    needed = pairs_to_decide(found, rule.limit)
    more = "no number of pairs would" if needed is None else f"about {counted(needed, 'pair')} would, at this spread"
    return Judgement(
        rule, "not decided", f"The rule “{rule.text}” is not decided: {ratio}. To decide it {more}.", needed
    )


def undecided(rule: Rule) -> Judgement:
    """What is said of any rule where a run is invalid."""
    return Judgement(rule, "not decided", f"The rule “{rule.text}” is not decided: the runs are invalid.")
