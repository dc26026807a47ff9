"""Is a device fit for what it is wanted for? The checks, what each of them stops, and how the device is asked.

A push and a benchmark ask the cheap half before anything is sent; `groupnl device doctor` asks all of it.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from device_agent.backend_table import BACKENDS
from device_agent.messages.doctor import AskLeftovers, AskReadiness, PackageTried, Readiness, TryPackage
from device_agent.messages.spool import ListBenches
from groupnl_deploy.deploy import doctor_board as board
from groupnl_deploy.deploy import doctor_leftovers as left
from groupnl_deploy.deploy import doctor_packages as runtime
from groupnl_deploy.deploy import doctor_storage as storage
from groupnl_deploy.deploy.doctor_certified import certificates
from groupnl_deploy.deploy.examined import Examined, Finding
from groupnl_deploy.errors import DeviceFault, DeviceUnreachable, DiskFull, GroupNLError
from groupnl_deploy.remote.agent import open_agent
from groupnl_deploy.remote.client import AgentClient
from groupnl_deploy.remote.connect import connect
from groupnl_deploy.remote.device import Device

Purpose = Literal["push", "bench", "campaign", "evaluate"]
Note = Callable[[str], None]


@dataclass(frozen=True)
class Check:
    """A rule on the facts, and what its findings mean to whoever is about to push or to benchmark.

    Args:
        name: what it looks at.
        rule: its findings, none where it has no say.
        stops: before what its errors are raised, as `error`.
        warns: before what its errors and warnings are said.
    """

    name: str
    rule: Callable[[Examined], Iterable[Finding]]
    stops: tuple[Purpose, ...] = ()
    warns: tuple[Purpose, ...] = ()
    error: type[GroupNLError] = DeviceFault


_MEASURED: tuple[Purpose, ...] = ("bench", "campaign")
_COMPUTED: tuple[Purpose, ...] = (*_MEASURED, "evaluate")
_ALL: tuple[Purpose, ...] = ("push", *_COMPUTED)

# The registry of checks: a new one is a function of what was examined and a line here.
CHECKS: tuple[Check, ...] = (
    Check("system", runtime.userland),
    Check("space", storage.space, stops=_MEASURED, error=DiskFull),
    Check("access", storage.access, stops=_COMPUTED),
    Check("memory", board.memory),
    Check("clock", board.clock, warns=("push", *_MEASURED)),
    Check("power", board.power, warns=_MEASURED),
    Check("temperature", board.temperature, warns=_MEASURED),
    Check("governor", board.governor),
    Check("packages", runtime.packages, stops=_COMPUTED, warns=("push",), error=DeviceUnreachable),
    Check("certified", certificates, warns=_ALL),
    Check("loading", runtime.loading),
    Check("agents", left.agents),
    Check("leftovers", left.parts),
    Check("results", left.results),
)


@dataclass(frozen=True)
class Diagnosis:
    """All that was found on a device; `failed` is why it could not be asked all of it."""

    device: str
    findings: tuple[Finding, ...]
    found: Examined | None = None
    failed: GroupNLError | None = None

    @property
    def exit_code(self) -> int:
        """0 where nothing is worse than a warning; else 1, or the code of what kept the device from answering."""
        if self.failed is not None:
            return self.failed.exit_code
        return int(any(one.severity == "error" for one in self.findings))


def findings(found: Examined) -> tuple[Finding, ...]:
    """What every check has to say, in the order of `CHECKS`."""
    return tuple(replace(one, check=check.name) for check in CHECKS for one in check.rule(found))


def require_fit(
    agent: AgentClient,
    name: str,
    purpose: Purpose,
    note: Note,
    *,
    backends: Sequence[str] = (),
    needed_bytes: int = 0,
    sent: bool = False,
    one_is_enough: bool = False,
) -> Readiness:
    """Ask the cheap half; raise what would stop a push or benchmark, and say what would spoil it.

    Args:
        agent: of the device.
        name: the device's, as commands take it.
        purpose: what is about to begin.
        note: is told what stops nothing.
        backends: that will run there.
        needed_bytes: that the device's disk must take.
        sent: whether `AskReadiness` of these backends was sent already, and its answer is the next to come.
        one_is_enough: whether only that backend counts by which the device tries an artifact.

    Raises:
        DiskFull, DeviceFault, DeviceUnreachable: the first of what would stop it.
    """
    request = AskReadiness(tuple(backends))
    if not sent:
        agent.send(request)
    found = replace(_answered(agent, name, request), wanted=request.backends, needed_bytes=needed_bytes)
    if one_is_enough:
        found = _with_one(found)
    judged = [(check, one) for check in CHECKS for one in check.rule(found)]
    for check, one in judged:
        if one.severity == "error" and purpose in check.stops:
            raise check.error(f"{name}: {one.what}.", f"{one.remedy}.")
    for check, one in judged:
        if one.severity in ("warning", "error") and purpose in check.warns:
            note(f"{name}: {one.what}. {one.remedy}.")
    return found.readiness


def _with_one(found: Examined) -> Examined:
    """As the device chooses: `device_agent.environments.serving`."""
    there = found.readiness.backends
    one = next((one for one in there if one.runtime.environment is not None or not one.missing), there[0])
    return replace(found, readiness=replace(found.readiness, backends=(one,)), wanted=(one.runtime.backend,))


def examine(device: Device, note: Note = lambda text: None) -> Diagnosis:
    """Reach a device and ask it everything. What keeps it from answering is a finding, and nothing is raised."""
    began_s, reached = time.monotonic(), list[Finding]()
    try:
        with connect(device) as transport:
            reached.append(Finding("fine", f"reached in {time.monotonic() - began_s:.1f} s", check="link"))
            with open_agent(transport) as agent:
                found = _examined(agent, device.name, note)
    except GroupNLError as error:
        failed = Finding("error", error.message.rstrip("."), error.remedy.rstrip("."), "agent" if reached else "link")
        return Diagnosis(device.name, (*reached, failed), failed=error)
    return Diagnosis(device.name, (*reached, *findings(found)), found)


def _examined(agent: AgentClient, name: str, note: Note) -> Examined:
    request = AskReadiness(tuple(backend for backend, entry in BACKENDS.items() if entry.computes))
    agent.send(request)
    found = _answered(agent, name, request)
    leftovers, benches = agent.ask(AskLeftovers()), agent.ask(ListBenches()).benches
    there: dict[tuple[str, str], str] = {}  # what two backends share is tried once
    for one in found.readiness.backends:
        for package in one.runtime.packages.keys() - set(one.missing):
            there.setdefault((one.python, package), one.runtime.backend)
    tried = tuple(_tried(agent, name, backend, package, note) for (_, package), backend in sorted(there.items()))
    return replace(found, tried=tried, leftovers=leftovers, benches=benches)


def _tried(agent: AgentClient, name: str, backend: str, package: str, note: Note) -> PackageTried:
    note(f"{name} imports {package} …")
    return agent.ask(TryPackage(backend, package))


def _answered(agent: AgentClient, name: str, request: AskReadiness) -> Examined:
    readiness = agent.answer_to(request)
    return Examined(name, readiness, readiness.clock_s - time.time())
