"""What pushes and benchmarks of before, or of others, left on the device. Pure."""

from collections.abc import Iterator

from device_agent.sizes import size_text
from groupnl_deploy.deploy.examined import Examined, Finding
from groupnl_deploy.words import command_line

_LONG_S = 6 * 3600.0  # no benchmark takes so long
_DAY_S = 86_400.0  # what the next push removes is older


def agents(found: Examined) -> Iterator[Finding]:
    """Other agents that run."""
    for one in () if found.leftovers is None else found.leftovers.agents:
        if one.age_s < _LONG_S:
            yield Finding(
                "note", f"another agent runs (process {one.process}, for {one.age_s:.0f} s): somebody is at work"
            )
        else:
            yield Finding(
                "warning",
                f"an agent has been running for {one.age_s / 3600:.0f} h (process {one.process})",
                f"If nobody waits for it, end it there: `kill {one.process}`",
            )


def parts(found: Examined) -> Iterator[Finding]:
    """What pushes sent that never came to their end."""
    if found.leftovers is None:
        return
    old = [one for one in found.leftovers.parts if one.age_s > _DAY_S]
    if not old:
        return
    size = size_text(sum(one.size_bytes for one in old))
    yield Finding(
        "warning",
        f"{len(old)} parts of pushes that never ended take {size}",
        f"The next push removes them, and so does `{command_line('device', 'prune', found.name)}`",
    )


def results(found: Examined) -> Iterator[Finding]:
    """Benchmarks whose host was lost: their results wait for one."""
    fetch = f"Fetch it: `{command_line('bench', '--device', found.name, '--fetch')}`"
    for one in found.benches:
        what = f"the benchmark {one.bench_id}" + (f" of {one.label} with {one.backend}" if one.label else "")
        if one.state == "running" and not one.attached:
            yield Finding("note", f"{what} goes on without its host, for about {one.left_s or 0.0:.0f} s more", fetch)
        elif one.state == "finished":
            yield Finding("note", f"{what} ended without its host and waits to be fetched", fetch)
        elif one.state == "damaged":
            yield Finding("warning", f"{what} has a damaged result", "Bench again; it goes seven days after it ended")
        elif one.state == "not_kept":
            yield Finding("warning", f"the result of {what} was refused by the disk: {one.why}", "Bench again")
