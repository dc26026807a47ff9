"""GEARnn (arXiv 2410.07691): a narrow network is trained, grows once, is trained on, and then on altered views.

Each phase leaves an ordinary checkpoint, and the next one begins with it. What is there is not made again: the same
command goes on in the phase, and at the step, in which it was left.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

from device_agent.strict import StrictError, from_json, to_json
from groupnl_deploy.errors import InvalidSetting, UsageError, VerificationFailed
from groupnl_deploy.growth.step import GrowthSettings, GrowthStep
from groupnl_deploy.images.datasets import load_dataset
from groupnl_deploy.images.source import DataSource
from groupnl_deploy.models.registry import create_model
from groupnl_deploy.models.spec import ModelSpec
from groupnl_deploy.progress import Reporter
from groupnl_deploy.training.beside import resume_folder
from groupnl_deploy.training.checkpoint import checkpoint_id, load_checkpoint
from groupnl_deploy.training.from_timm import require_timm
from groupnl_deploy.training.growing import GROWTH_FILE, GrowthRecord, PhaseRecord, grow_checkpoint
from groupnl_deploy.training.history import EpochLine
from groupnl_deploy.training.loop import TrainResult
from groupnl_deploy.training.read_log import training_curves
from groupnl_deploy.training.recipe import Recipe
from groupnl_deploy.training.resume import difference
from groupnl_deploy.training.running import Running
from groupnl_deploy.training.state import TrainingJob
from groupnl_deploy.training.train import Beside, Trained, train_checkpoint
from groupnl_deploy.words import counted, first_line
from groupnl_deploy.workspace import require_absent

PhaseWord = Literal["first", "grow", "second", "robust"]
VARIANTS = (1, 2)


@dataclass(frozen=True, kw_only=True)
class Gearnn:
    """How a network is trained by GEARnn.

    Args:
        growth: of the growth step.
        variant: 1 trains on altered views throughout; 2 on plain images, and on views in a phase of its own.
        e1: epochs of the backbone, before growth.
        e2: of the grown network.
        er: of the phase on views; 0 leaves it out. Variant 1 has none.
        views: W, D and J of the views, see `Recipe.augmix`.
        jsd: what their divergence counts, see `Recipe.jsd`.

    Raises `InvalidSetting`.
    """

    growth: GrowthSettings
    variant: int = 2
    e1: int = 40
    e2: int = 40
    er: int = 40
    views: tuple[int, int, int] = (1, 3, 4)
    jsd: float = 12.0

    def __post_init__(self) -> None:
        if self.variant not in VARIANTS:
            raise InvalidSetting(f"{{variant}} is {self.variant}.", "There are {variant} 1 and 2.", "variant")
        for name in ("e1", "e2"):
            if getattr(self, name) < 1:
                raise InvalidSetting(
                    f"{{{name}}} is {getattr(self, name)}: its phase would train nothing.",
                    f"Give {{{name}}} 1 or more epochs; {{er}} alone may be 0.",
                    name,
                    "er",
                )
        if self.er < 0:
            raise InvalidSetting(f"{{er}} is {self.er}.", "Give {er} 0 or more epochs.", "er")


@dataclass(frozen=True)
class Phase:
    """One step of the way: its name, where its checkpoint goes, and the recipe; None for growth."""

    name: PhaseWord
    out: Path
    recipe: Recipe | None

    def __str__(self) -> str:
        if self.recipe is None:
            return self.name
        views = " on views" if self.recipe.augmix else ""
        return f"{self.name}, {counted(self.recipe.epochs, 'epoch')}{views}"


def phases_of(settings: Gearnn, recipe: Recipe, out: Path) -> tuple[Phase, ...]:
    """The way, whose last phase writes `out` and each other one a folder beside it.

    Args:
        settings: how many epochs, on what.
        recipe: of all trainings, but for their epochs and views.
        out: the checkpoint of the whole.
    """
    on_views = replace(recipe, augmix=settings.views, jsd=settings.jsd)
    plain = on_views if settings.variant == 1 else recipe
    way: list[tuple[PhaseWord, Recipe | None]] = [
        ("first", plain.of_epochs(settings.e1)),
        ("grow", None),
        ("second", plain.of_epochs(settings.e2)),
    ]
    if settings.variant == 2 and settings.er:
        way.append(("robust", on_views.of_epochs(settings.er)))
    places = [out.with_name(f"{out.name}.{name}") for name, _ in way[:-1]] + [out]
    return tuple(Phase(name, place, one) for (name, one), place in zip(way, places, strict=True))


@dataclass(frozen=True)
class _Work:
    """What all phases share; see `train_gearnn`."""

    source: DataSource
    settings: Gearnn
    reporter: Reporter
    workers: int | None
    running: Running

    def train(self, phase: Phase, spec: ModelSpec, before: Path | None, beside: Beside | None = None) -> Trained:
        """The checkpoint of a phase that is a training, with further files."""
        assert phase.recipe is not None
        # A phase that was not begun has nothing to go on from, whatever is asked of the whole.
        running = replace(self.running, resume=self.running.resume and resume_folder(phase.out).exists())
        made = partial(train_checkpoint, init=before, workers=self.workers, running=running, beside=beside)
        return made(spec, phase.recipe, self.source, phase.out, self.reporter)


def train_gearnn(
    spec: ModelSpec,
    recipe: Recipe,
    source: DataSource,
    out: Path,
    settings: Gearnn,
    reporter: Reporter,
    *,
    workers: int | None = None,
    running: Running | None = None,
) -> Trained:
    """Train the network of a spec by GEARnn to the checkpoint folder `out`, with `growth.json` in it.

    The phases before leave `OUT.first`, `OUT.grow` and, where views follow, `OUT.second`.

    Args:
        spec: the backbone.
        recipe: how each phase is trained, but for its epochs and views.
        source: on which images.
        out: the folder to write.
        settings: the phases and the growth.
        reporter: told how far it is.
        workers: processes that read images; None is as many as pay.
        running: where and how trainings are run.

    Raises as `train_checkpoint` and `grow_checkpoint` do; `UsageError` where a folder of a phase is of another one.
    """
    require_absent(out)
    GrowthStep(spec, create_model(spec), settings.growth)  # what cannot grow is told before the hours of a training
    work = _Work(source, settings, reporter, workers, running or Running())
    way = phases_of(settings, recipe, out)
    if work.running.resume:
        _require_begun(way)
    for phase in way:
        if phase.recipe is not None:
            require_timm(phase.recipe)
    done: list[PhaseRecord] = []
    before: Path | None = None
    for number, phase in enumerate(way[:-1], start=1):
        reporter.note(f"Phase {number} of {len(way)}: {phase}.")
        done.append(_train(work, phase, spec, before) if before is None or phase.recipe else _grow(work, phase, before))
        before = phase.out
    reporter.note(f"Phase {len(way)} of {len(way)}: {way[-1]}.")
    return _finish(work, way, done)


def _train(work: _Work, phase: Phase, spec: ModelSpec, before: Path | None) -> PhaseRecord:
    """The checkpoint of a phase, unless it is there."""
    if before is not None:
        spec = load_checkpoint(before).spec
    if phase.out.exists():
        _require_same(phase, spec, work.source, before)
        work.reporter.note(f"{phase.out} is there and is kept.")
    else:
        work.train(phase, spec, before)
    accuracy = load_checkpoint(phase.out).accuracy
    return _of_training(phase.name, accuracy or 0.0, training_curves(phase.out).lines)


def _grow(work: _Work, phase: Phase, before: Path) -> PhaseRecord:
    """The grown checkpoint, unless it is there."""
    growth = work.settings.growth
    if phase.out.exists():
        record = growth_of(phase.out)
        if (record.source, record.settings) != (checkpoint_id(before), growth):
            raise _is_other(phase.out, "growth")
        work.reporter.note(f"{phase.out} is there and is kept.")
    else:
        _, record = grow_checkpoint(before, phase.out, growth, work.reporter, data=work.source.path)
    return PhaseRecord("grow", growth.epochs, record.optimise_s + record.score_s, record.accuracy_after)


def _finish(work: _Work, way: Sequence[Phase], done: Sequence[PhaseRecord]) -> Trained:
    """The last phase, whose checkpoint has the record of all."""
    last, before = way[-1], way[-2].out
    grown = growth_of(next(phase.out for phase in way if phase.recipe is None))

    def with_growth(result: TrainResult, epochs: Sequence[EpochLine]) -> Mapping[str, bytes]:
        mine = _of_training(last.name, result.evaluation.accuracy, epochs)
        return {GROWTH_FILE: to_json(replace(grown, phases=(*done, mine))).encode()}

    return work.train(last, load_checkpoint(before).spec, before, with_growth)


def _of_training(name: PhaseWord, accuracy: float, epochs: Sequence[EpochLine]) -> PhaseRecord:
    return PhaseRecord(name, len(epochs), sum(one.seconds for one in epochs), accuracy)


def growth_of(folder: Path) -> GrowthRecord:
    """The record of a growth in a checkpoint's folder. Raises `VerificationFailed` where it is damaged or not there."""
    try:
        return from_json(GrowthRecord, (folder / GROWTH_FILE).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, StrictError) as error:
        raise VerificationFailed(
            f"{folder / GROWTH_FILE} cannot be read: {first_line(error)}.",
            f"Remove {folder}; the same command grows the network again.",
        ) from error


def _require_same(phase: Phase, spec: ModelSpec, source: DataSource, before: Path | None) -> None:
    """Raise `UsageError` where what is there was trained otherwise."""
    found = load_checkpoint(phase.out)
    if found.recipe is None or found.data is None or phase.recipe is None:
        raise _is_other(phase.out, "training")
    data = load_dataset(source).record
    there = TrainingJob(found.spec, found.recipe, found.data, found.init)
    wanted = TrainingJob(spec, phase.recipe, data, None if before is None else checkpoint_id(before))
    if found.data != data:
        raise _is_other(phase.out, "data set")
    if there != wanted:
        raise _is_other(phase.out, difference(there, wanted))


def _require_begun(way: Sequence[Phase]) -> None:
    if not any(phase.out.exists() or resume_folder(phase.out).exists() for phase in way):
        raise UsageError(
            f"There is nothing to resume: no phase of {way[-1].out} was begun.",
            "Leave --resume out to begin, or name the --out of the training that was interrupted.",
        )


def _is_other(folder: Path, what: str) -> UsageError:
    return UsageError(
        f"{folder} is there, and is of another {what}.",
        f"Give the options that it was made with, name another --out, or remove {folder} and what was made after it.",
    )
