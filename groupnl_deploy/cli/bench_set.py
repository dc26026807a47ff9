"""Several benchmarks of one command line: a set, measured in turns and kept in one folder."""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from groupnl_deploy.cli import console
from groupnl_deploy.words import command_line

if TYPE_CHECKING:
    from device_agent.settings import Settings
    from groupnl_deploy.bench.meter import MeterPlan
    from groupnl_deploy.bench.run_set import Member
    from groupnl_deploy.bench.set_members import Wanted
    from groupnl_deploy.progress import Reporter


@dataclass(frozen=True)
class Manner:
    """How every benchmark of a command line is made. See `bench_device`."""

    device: str
    plan: "MeterPlan | None"
    wait_s: float
    retry_for_s: float
    data: str | None = None
    profile: bool = False

    def require_possible(self, backends: Iterable[str], settings: "Sequence[Settings]", out: Path | None) -> None:
        """Refuse now, of all of it, what can be told before the device is asked; `out` must not exist.

        The meter is asked too: what is exported, pushed and waited for would be for nothing without it.
        """
        from groupnl_deploy.bench.bench_device import require_possible
        from groupnl_deploy.bench.meter import require_answer

        for backend in backends:
            for each in settings:
                require_possible(backend, each, self.plan, out, self.profile)
        if self.plan is not None:
            require_answer(self.plan)

    def bench(self, artifact: str | None, backend: str, settings: "Settings", out: Path | None) -> Path:
        """One of them; returns the run's folder."""
        from groupnl_deploy.campaign.bench_job import bench_cell
        from groupnl_deploy.campaign.cell import Cell

        return bench_cell(
            Cell(device=self.device, backend=backend, settings=settings),
            artifact,
            self.plan,
            out,
            console.TerminalReporter(),
            wait_s=self.wait_s,
            data=self.data,
            retry_for_s=self.retry_for_s,
            profile=self.profile,
        )


def bench_set(
    wanted: "Sequence[Wanted]",
    settings: "Sequence[Settings]",
    repeats: int,
    out: Path | None,
    manner: Manner,
    plan: str | None = None,
) -> tuple[Path, list[Path]]:
    """Measure all of it, `repeats` times; the set's folder, and those of its runs. See `make_set`.

    `plan` is said before the first run, when nothing is left to be refused.
    """
    from groupnl_deploy.bench.run_set import continued, drawn, make_set
    from groupnl_deploy.bench.set_members import members_of

    out = out or Path("runs") / f"{datetime.now(UTC).strftime('%Y%m%d-%H%M%S')}-set"
    new_place(out)
    reporter: Reporter = console.TerminalReporter()
    members = members_of(manner.device, wanted, settings, reporter, manner.retry_for_s)

    def bench_one(member: "Member", folder: Path) -> None:
        manner.bench(member.artifact, member.backend, member.settings, folder)

    drawn_now = drawn(manner.device, command_line(*sys.argv[1:]), members, repeats)
    if plan and not continued(out, drawn_now).made:
        console.say(plan)
    return out, make_set(out, drawn_now, bench_one, reporter.note)


def new_place(out: Path | None) -> Path | None:
    """`out` where it is to be new, None where the unfinished set there may go on. Raises `UsageError` if it exists."""
    from groupnl_deploy.bench.run_set import unfinished
    from groupnl_deploy.workspace import require_absent

    if out is None or unfinished(out) is not None:
        return None
    require_absent(out)
    return out
