"""The runs that lie in a sweep's folder, each read once."""

from dataclasses import dataclass, field
from pathlib import Path

from groupnl_deploy.bench.run_set import SET_FILE, load_set, set_aside
from groupnl_deploy.energy_sweep.measured import Window, window_of
from groupnl_deploy.energy_sweep.plan import SweepPlan
from groupnl_deploy.progress import Reporter
from groupnl_deploy.words import counted
from groupnl_deploy.workspace import RUN_FILE

_RUNS = "runs"


@dataclass
class KeptRuns:
    """What the runs of a plan say; one has some hundred thousand latencies, so reading all takes a while."""

    plan: SweepPlan
    out: Path
    reporter: Reporter
    _read: dict[str, Window] = field(default_factory=dict)

    def is_there(self, run: str) -> bool:
        """Whether it is whole."""
        return (self.out / _RUNS / run / RUN_FILE).is_file()

    def window(self, run: str) -> Window:
        """What it says. A run is replaced by `set_aside_unsound` alone."""
        if run not in self._read:
            self._read[run] = window_of(self.out / _RUNS / run, self.plan)
        return self._read[run]

    def windows(self) -> list[tuple[str, Window]]:
        """Of every run that is whole, with the label of its network, in the order of the set."""
        if not (self.out / SET_FILE).is_file():
            return []
        kept = load_set(self.out)
        labels = {member.name: Path(member.artifact).name for member in kept.members}
        there = [run for run in kept.order if self.is_there(run)]
        if all(run in self._read for run in there):
            return [(labels[member_name(run)], self._read[run]) for run in there]
        found = []
        with self.reporter.task("read the runs that are there") as tell:
            for number, run in enumerate(there):
                tell(number, len(there), run)
                found.append((labels[member_name(run)], self.window(run)))
        return found

    def set_aside_unsound(self) -> None:
        """What cannot be in a fit makes room to be measured again; nothing is deleted."""
        unsound = [one.run for _, one in self.windows() if one.problems]
        kept = set_aside(self.out, unsound)
        for run in unsound:
            del self._read[run]
        if unsound:
            said = f"{counted(len(unsound), 'run')} that {'is' if len(unsound) == 1 else 'are'} invalid"
            self.reporter.note(f"{said} moved to {kept}, to be measured again.")


def member_name(run: str) -> str:
    """The name of a set's member, of that of one of its runs."""
    return run.rpartition("-run")[0]
