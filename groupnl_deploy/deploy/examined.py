"""What was found out about a device, and one rule's opinion of it."""

from dataclasses import dataclass
from typing import Literal

from device_agent.messages.doctor import Leftovers, PackageTried, Readiness
from device_agent.messages.spool import BenchState

Severity = Literal["fine", "note", "warning", "error"]


@dataclass(frozen=True)
class Examined:
    """The facts that the checks judge.

    Args:
        name: the device's, as commands take it.
        readiness: what it told of itself.
        ahead_s: how far its clock is ahead of this machine's.
        wanted: backends that will be benchmarked there; a doctor wants none in particular.
        needed_bytes: that its disk must take.
        tried: how packages took being imported; of a doctor alone.
        leftovers: what others left there; of a doctor alone.
        benches: benchmarks that run there or wait to be fetched; of a doctor alone.
    """

    name: str
    readiness: Readiness
    ahead_s: float
    wanted: tuple[str, ...] = ()
    needed_bytes: int = 0
    tried: tuple[PackageTried, ...] = ()
    leftovers: Leftovers | None = None
    benches: tuple[BenchState, ...] = ()


@dataclass(frozen=True)
class Finding:
    """What is so and, where it is not fine, what to do; neither has a full stop. `check` is named by the registry."""

    severity: Severity
    what: str
    remedy: str | None = None
    check: str = ""
