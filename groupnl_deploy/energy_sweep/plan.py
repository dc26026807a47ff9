"""What a sweep measures, where and how: kept in its folder, so that the same command goes on and another is refused."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from device_agent.settings import Settings
from device_agent.strict import to_json
from groupnl_deploy.bench.run_set import Member, named
from groupnl_deploy.energy_model.layer import LayerShape
from groupnl_deploy.energy_model.sweep import KEY_FIELDS, Key, Quantity
from groupnl_deploy.energy_sweep.layers import COPIES, cells_of, label_of, text_of, weights_bytes
from groupnl_deploy.errors import UsageError
from groupnl_deploy.record import add_record, read_record
from groupnl_deploy.words import counted, duration_text
from groupnl_deploy.workspace import require_absent

PLAN_FILE = "plan.json"
BACKEND = "onnxruntime"
_BESIDE_S = 5.0  # the agent's start, import and load: about
_DAMAGED = "Name another folder with --out, or take the file from a copy of the folder."


@dataclass(frozen=True)
class SweepPlan:
    """All that decides what is measured.

    Args:
        device: its name in the inventory.
        key: what the costs hold for.
        shapes: the layers; `group_counts` says with which groups.
        settings: of each benchmark.
        repeats: windows of each layer with each number of groups.
        meter: the word of the power meter; None where time stands in for energy.
        emulated: the meter is.
        copies: of the layer in a graph.
        schema_version: version of this record on disk.
    """

    device: str
    key: Key
    shapes: tuple[LayerShape, ...]
    settings: Settings
    repeats: int
    meter: str | None
    emulated: bool
    copies: int = COPIES
    schema_version: int = 1

    @property
    def quantity(self) -> Quantity:
        """What stands for the cost of a layer."""
        return "time" if self.meter is None else "energy"

    @property
    def cells(self) -> tuple[tuple[LayerShape, int], ...]:
        """Every layer with every number of groups."""
        return tuple(cells_of(self.shapes))

    @property
    def labels(self) -> dict[str, tuple[LayerShape, int]]:
        """The cells by what their networks are called."""
        return {label_of(shape, groups): (shape, groups) for shape, groups in self.cells}

    @property
    def run_s(self) -> float:
        """How long one benchmark takes at least; of a slow layer longer."""
        work = self.settings.workload
        return 2 * work.idle_s + work.warmup_s + work.min_seconds + _BESIDE_S

    def member(self, label: str, artifact_sha256: str) -> Member:
        """The cell of this label as one thing that a set measures; its folder is told from the sweep's."""
        return named(label, f"artifacts/{label}", artifact_sha256, BACKEND, self.settings)

    def said(self, runs: int) -> tuple[str, ...]:
        """What is measured, and how long so many runs of it take, in sentences."""
        cells = len(self.cells)
        what = "Time stands in for energy, as no meter is named." if self.meter is None else f"Meter: {self.meter}."
        return (
            f"{counted(len(self.shapes), 'layer')} with their numbers of groups are {cells} networks of {self.copies} "
            f"copies each, measured {counted(self.repeats, 'time')} on {self.key}. {what}",
            f"{counted(runs, 'run')} of {duration_text(self.run_s)} or more: {duration_text(runs * self.run_s)} at "
            f"least. The networks take {weights_bytes(self.shapes) / 1e6:.0f} MB here and on {self.device}.",
        )


def kept_plan(folder: Path) -> SweepPlan | None:
    """The plan of the sweep in a folder; None where there is none. Raises `VerificationFailed` for a damaged one."""
    path = folder / PLAN_FILE
    return read_record(SweepPlan, path, _DAMAGED) if path.is_file() else None


def begin_or_go_on(folder: Path, wanted: SweepPlan) -> None:
    """Keep the plan in a new folder, or see that the one that is there is the same.

    Raises `UsageError` with the difference for another one, and where the folder is no sweep's.
    """
    kept = kept_plan(folder)
    if kept is None:
        require_absent(folder)
        folder.mkdir(parents=True)
        add_record(folder / PLAN_FILE, wanted)
    elif kept != wanted:
        raise UsageError(
            f"{folder} holds a sweep of something else: {'; '.join(differences(kept, wanted))}.",
            "Give what it was begun with, and it goes on; or name another folder with --out.",
        )


def differences(kept: SweepPlan, wanted: SweepPlan) -> list[str]:
    """What two plans differ in, one sentence's part each, with both values."""
    pairs = [
        ("device", kept.device, wanted.device),
        *((name.replace("_", " "), getattr(kept.key, name), getattr(wanted.key, name)) for name in KEY_FIELDS),
        ("layers", _listed(kept.shapes), _listed(wanted.shapes)),
        ("repeats", kept.repeats, wanted.repeats),
        ("meter", _meter(kept), _meter(wanted)),
        ("copies", kept.copies, wanted.copies),
        *(
            (name.replace("_", " "), value, getattr(wanted.settings.workload, name))
            for name, value in vars(kept.settings.workload).items()
        ),
    ]
    found = [f"{name} {_shown(mine)} there, {_shown(other)} asked for" for name, mine, other in pairs if mine != other]
    return found or [f"{to_json(kept.settings)} there, {to_json(wanted.settings)} asked for"]


def _listed(shapes: Sequence[LayerShape]) -> str:
    return ",".join(map(text_of, shapes))


def _meter(plan: SweepPlan) -> str:
    return "none" if plan.meter is None else f"{plan.meter}{' (emulated)' if plan.emulated else ''}"


def _shown(value: object) -> str:
    return "not fixed" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
