"""What one rule says of one run: sound, invalid, or not judged, with the number, its limit and the reason. Pure."""

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["sound", "invalid", "not judged"]
Doubts = Literal["time", "energy"]


@dataclass(frozen=True)
class Check:
    """The verdict of a rule. `value` and `limit` are in the rule's own unit; null where it had nothing to compare.

    `says` is the reason, for a verdict that is not "sound"; `remedy` is what to do before benching again. `doubts`
    tells what an invalid run's reader must not believe: "time" is every speed and, because joules are counted per
    inference, every energy too.
    """

    rule: str
    doubts: Doubts
    verdict: Verdict
    value: float | None = None
    limit: float | None = None
    says: str | None = None
    remedy: str | None = None


def not_judged(rule: str, doubts: Doubts, says: str, limit: float | None = None) -> Check:
    """For lack of evidence, which `says` names. It is shown, but makes no run invalid."""
    return Check(rule, doubts, "not judged", None, limit, says)


def judged(rule: str, doubts: Doubts, sound: bool, value: float | None, limit: float, says: str, remedy: str) -> Check:
    """Sound, or invalid for the reason that it `says`."""
    if sound:
        return Check(rule, doubts, "sound", value, limit)
    return Check(rule, doubts, "invalid", value, limit, says, remedy)


def at_most(rule: str, doubts: Doubts, value: float, limit: float, says: str, remedy: str) -> Check:
    """Invalid where `value` is above `limit`."""
    return judged(rule, doubts, value <= limit, value, limit, says, remedy)
