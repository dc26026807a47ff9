"""Several networks under corruptions, each asked the same images, and what is kept of it when it ends early."""

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from groupnl_deploy.errors import GroupNLError
from groupnl_deploy.evaluation.chosen import ChosenImages, Part, with_notes
from groupnl_deploy.evaluation.contender import Contender, created_now, score_of
from groupnl_deploy.evaluation.record import CorruptedScore, EvaluationRecord, Score
from groupnl_deploy.evaluation.subject import Subject
from groupnl_deploy.progress import Reporter, Task
from groupnl_deploy.training.evaluate import Answer, Evaluation, Told, ask
from groupnl_deploy.version import __version__
from groupnl_deploy.words import duration_text

_KNOWN_AFTER_S = 5.0  # before that, what is left is a guess that jumps


CutShort = Callable[[tuple[EvaluationRecord, ...]], None]
"""Given the records of what had come to its end, one at least."""


@dataclass
class _Answered:
    """What a network has answered so far."""

    clean: Score | None = None
    corrupted: list[CorruptedScore] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @classmethod
    def behind(cls, record: EvaluationRecord | None) -> "_Answered":
        """What it had answered when it ended early."""
        return cls() if record is None else cls(record.clean, list(record.corrupted), list(record.images.notes))

    @property
    def images(self) -> int:
        """Of all that it has answered."""
        return sum(one.score.images for one in self.corrupted) + (self.clean.images if self.clean else 0)

    def has(self, part: Part) -> bool:
        """Whether it has answered it."""
        if part.corruption is None:
            return self.clean is not None
        return any((one.corruption, one.severity) == (part.corruption, part.severity) for one in self.corrupted)

    def add(self, part: Part, evaluation: Evaluation, notes: tuple[str, ...]) -> None:
        score = score_of(evaluation)
        self.notes += notes
        if part.corruption is None:
            self.clean = score
        else:
            self.corrupted.append(CorruptedScore(part.corruption, part.severity, score))


class EndedEarly(KeyboardInterrupt):
    """Ctrl-C, with the records of what had come to its end by then; none where nothing had."""

    def __init__(self, records: tuple[EvaluationRecord, ...]) -> None:
        super().__init__()
        self.records = records


def evaluate_side_by_side(
    contenders: Sequence[Contender],
    images: ChosenImages,
    reporter: Reporter,
    batch_size: int | None = None,
    cut_short: CutShort = lambda records: None,
    before: Sequence[EvaluationRecord | None] = (),
) -> tuple[EvaluationRecord, ...]:
    """Ask every network all parts, part by part, so that an end at any time leaves what can be compared.

    `before` are what the networks answered before the same evaluation ended early; they are not asked that again.

    Raises `EndedEarly` at Ctrl-C, and what answering raises, such as a device that is not reached any more; `cut_short`
    is given what had come to its end by then, before that is raised.
    """
    answered = [_Answered.behind(one) for one in before or [None] * len(contenders)]
    alone = _devices_of_one(contenders)
    try:
        with contextlib.ExitStack() as devices, reporter.task(f"evaluate {_named(contenders)}") as task:
            held = [
                devices.enter_context(one.subject.answering()) if one.record.device in alone else None
                for one in contenders
            ]
            told = _Told(task, images.total * len(contenders) - sum(one.images for one in answered))
            for opened in images.parts:
                part = opened()
                found = [
                    (of, *_asked(one.subject, answer, part, told, batch_size))
                    for one, answer, of in zip(contenders, held, answered, strict=True)
                    if not of.has(part)
                ]
                for of, evaluation, notes in found:
                    of.add(part, evaluation, notes)
    except KeyboardInterrupt as error:
        raise EndedEarly(_records(contenders, images, answered)) from error
    except GroupNLError:
        if records := _records(contenders, images, answered):
            cut_short(records)
        raise
    return _records(contenders, images, answered)


def _devices_of_one(contenders: Sequence[Contender]) -> set[str]:
    """Devices that answer for one network alone, which they need not load again for each part.

    Who answers holds the device's lock, so of several on one device each has it in its turn.
    """
    named = [one.record.device for one in contenders if one.record.device is not None]
    return {name for name in named if named.count(name) == 1}


def _asked(
    subject: Subject, held: Answer | None, part: Part, told: "_Told", batch_size: int | None
) -> tuple[Evaluation, tuple[str, ...]]:
    images, notes = part.for_subject(subject)
    with contextlib.nullcontext(held) if held is not None else subject.answering() as answer:
        evaluation = ask(answer, images, batch_size=batch_size, tell=told.of(f"{part}, {subject.label}"))
    told.ended(len(images.chosen))
    return evaluation, notes


def _records(
    contenders: Sequence[Contender], images: ChosenImages, answered: Sequence[_Answered]
) -> tuple[EvaluationRecord, ...]:
    now = created_now()
    return tuple(
        EvaluationRecord(
            one.record, with_notes(images.record, found.notes), found.clean, tuple(found.corrupted), now, __version__
        )
        for one, found in zip(contenders, answered, strict=True)
        if found.clean is not None or found.corrupted
    )


def _named(contenders: Sequence[Contender]) -> str:
    return contenders[0].subject.label if len(contenders) == 1 else f"{len(contenders)} networks"


class _Told:
    """Progress over all parts and networks, with the time that is left."""

    def __init__(self, task: Task, total: int) -> None:
        self._task, self._total, self._before = task, total, 0
        self._began_s = time.monotonic()

    def of(self, what: str) -> Told:
        """What a part of it is told by, which counts its own images."""
        return lambda done, total: self._tell(done, what)

    def ended(self, images: int) -> None:
        """A part of so many images came to its end."""
        self._before += images

    def _tell(self, done_of_part: int, what: str) -> None:
        done, passed_s = self._before + done_of_part, time.monotonic() - self._began_s
        left_s = passed_s / done * (self._total - done)
        left = f", about {duration_text(left_s)} left" if passed_s > _KNOWN_AFTER_S else ""
        self._task(done, self._total, f"{what}: {done:,}/{self._total:,} images{left}")
