"""What a training would take on a device, from what its steps took there. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from groupnl_deploy.report.row import ReportRow
from groupnl_deploy.training_estimate.steps import Part


@dataclass(frozen=True)
class MeasuredStep:
    """A step on the device.

    Args:
        name: as in `steps.Step`.
        run: the folder of its benchmark.
        label: short text for people.
        images: at once.
        seconds: of one, the mean of the window.
        joules: of one, gross: all that the board takes meanwhile; None without a meter.
        memory_mb: the highest resident memory, in 1e6 bytes; None where the device does not tell.
        problems: why none of it may be believed; empty for a sound one.
    """

    name: str
    run: str
    label: str
    images: int
    seconds: float
    joules: float | None
    memory_mb: float | None
    problems: tuple[str, ...]


@dataclass(frozen=True)
class PhaseEstimate:
    """A phase of the training: passes over the images, steps, seconds, and joules where there was a meter."""

    name: str
    passes: int
    steps: int
    seconds: float
    joules: float | None


@dataclass(frozen=True)
class Estimate:
    """`estimate.json`.

    Args:
        device: by its name.
        board: what it is.
        label: of the backbone.
        threads: that a step is computed with.
        batch_size: training images a step.
        images: in an epoch.
        meter: its word; None without.
        emulated_meter: it made its joules up.
        steps: as they were measured.
        phases: of the training.
    """

    device: str
    board: str
    label: str
    threads: int
    batch_size: int
    images: int
    meter: str | None
    emulated_meter: bool
    steps: tuple[MeasuredStep, ...]
    phases: tuple[PhaseEstimate, ...]
    schema_version: int = 1

    @property
    def seconds(self) -> float:
        """Of the whole training."""
        return sum(one.seconds for one in self.phases)

    @property
    def joules(self) -> float | None:
        """Of the whole training."""
        return _sum(one.joules for one in self.phases)

    @property
    def unsound(self) -> tuple[MeasuredStep, ...]:
        """The steps whose benchmarks are invalid."""
        return tuple(one for one in self.steps if one.problems)


def measured_step(name: str, images: int, row: ReportRow) -> MeasuredStep:
    """From the row of its benchmark."""
    assert row.fps is not None, "an emulated board was refused"
    return MeasuredStep(name, row.run, row.model, images, 1 / row.fps, row.energy_j, row.memory_mb, row.problems)


def phases_estimated(parts: Sequence[Part], steps: Mapping[str, MeasuredStep]) -> tuple[PhaseEstimate, ...]:
    """Every phase, in its order; `steps` are by name."""
    names = dict.fromkeys(part.phase for part in parts)
    return tuple(_phase(name, [part for part in parts if part.phase == name], steps) for name in names)


def _phase(name: str, parts: Sequence[Part], steps: Mapping[str, MeasuredStep]) -> PhaseEstimate:
    took = [(part.count, steps[part.step.name]) for part in parts]
    joules = _sum(None if one.joules is None else count * one.joules for count, one in took)
    return PhaseEstimate(
        name,
        sum(part.passes for part in parts),
        sum(count for count, _ in took),
        sum(count * one.seconds for count, one in took),
        joules,
    )


def _sum(numbers: Iterable[float | None]) -> float | None:
    found = list(numbers)
    known = [one for one in found if one is not None]
    return sum(known) if len(known) == len(found) else None
