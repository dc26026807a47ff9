"""The lines of a training's log: what each holds, as JSON and as CSV, and how a log is read again. Pure.

`log.jsonl` begins with a line about the training; then come its steps, thinned out, and behind the steps of each epoch
a line for the epoch. `log.csv` has the epochs alone. JSON knows no NaN: a number that is none is null.
"""

import csv
import io
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

from device_agent.strict import StrictError, from_dict, to_dict
from groupnl_deploy.workspace import sha256_hex

LOG_FILE, TABLE_FILE, DIGEST_FILE = "log.jsonl", "log.csv", "log.sha256"

MOST_STEPS = 20_000
"""Lines of steps in a log, whatever the training: about 3 MB. An epoch's last step always has one."""


@dataclass(frozen=True)
class Head:
    """What a log is of: a network's label, the digest of its job, and how long the training is to be.

    Every step whose number in its epoch divides by `every` has a line, and the last one of an epoch.
    """

    training: str
    job: str
    epochs: int
    steps: int
    every: int
    schema_version: int = 1

    @classmethod
    def of(cls, training: str, job: str, epochs: int, steps: int) -> "Head":
        """With as many steps left out as keep `MOST_STEPS`; more epochs than that have a line of a step each."""
        return cls(training, job, epochs, steps, max(1, math.ceil(epochs * steps / MOST_STEPS)))

    def has_line(self, step: int) -> bool:
        """Whether a step of an epoch, counted from 1, is written down."""
        return step % self.every == 0 or step == self.steps


@dataclass(frozen=True)
class StepLine:
    """Up to a step: how many images of its epoch were trained on, and the seconds since the epoch began.

    `loss` is the mean over the images since the line before, `rate` the step's learning rate.
    """

    epoch: int
    step: int
    images: int
    loss: float | None
    rate: float | None
    images_per_s: float | None
    seconds: float


@dataclass(frozen=True)
class EpochLine:
    """A whole epoch: the mean loss of its training images, and loss and top-1 (0 to 1) on the test images behind it.

    `rate` is the learning rate of its last step; `seconds` are of training and evaluation.
    """

    epoch: int
    train_loss: float | None
    test_loss: float | None
    test_accuracy: float | None
    rate: float | None
    images_per_s: float | None
    seconds: float


Line = Head | StepLine | EpochLine
_KINDS: dict[str, type[Line]] = {"training": Head, "step": StepLine, "epoch": EpochLine}
_WORDS = {kind: word for word, kind in _KINDS.items()}


def as_json(line: Line) -> str:
    """One line of `log.jsonl`, its end included."""
    values = {name: _told(value) for name, value in to_dict(line).items()}
    return json.dumps({"kind": _WORDS[type(line)]} | values, ensure_ascii=True, allow_nan=False) + "\n"


def _told(value: object) -> object:
    """Seven digits are more than anybody reads from a log."""
    if isinstance(value, float):
        return float(f"{value:.7g}") if math.isfinite(value) else None
    return value


def as_table(epochs: Iterable[EpochLine]) -> str:
    """`log.csv`: a heading and a row an epoch; what is not known is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(field.name for field in fields(EpochLine))
    writer.writerows([_told(value) for value in to_dict(epoch).values()] for epoch in epochs)
    return text.getvalue()


def lines_of(text: bytes) -> tuple[Line, ...]:
    """The lines of a log. One that was cut off while it was written, or cannot be read, is left out."""
    return tuple(line for part in text.splitlines() if (line := _line(part)) is not None)


def _line(part: bytes) -> Line | None:
    try:
        data = json.loads(part)
        return from_dict(_KINDS[data.pop("kind")], data)
    except (ValueError, LookupError, AttributeError, TypeError, RecursionError, StrictError):
        return None


def head_of(lines: Sequence[Line]) -> Head | None:
    """What a log says of itself; None where its first line is lost."""
    return lines[0] if lines and isinstance(lines[0], Head) else None


def before(lines: Iterable[Line], epoch: int, step: int) -> tuple[StepLine | EpochLine, ...]:
    """What a log holds of the time before a step of an epoch: what the training did until it goes on there."""
    return tuple(
        line
        for line in lines
        if (isinstance(line, StepLine) and (line.epoch, line.step) < (epoch, step))
        or (isinstance(line, EpochLine) and line.epoch < epoch)
    )


def epochs_of(lines: Iterable[Line]) -> tuple[EpochLine, ...]:
    """The whole epochs of a log."""
    return tuple(line for line in lines if isinstance(line, EpochLine))


def log_files(lines: Sequence[Line]) -> dict[str, bytes]:
    """The files of a log that is at its end, by name; the last has the digests of the others."""
    found = {
        LOG_FILE: "".join(map(as_json, lines)).encode(),
        TABLE_FILE: as_table(epochs_of(lines)).encode(),
    }
    digests = "".join(f"{sha256_hex(data)}  {name}\n" for name, data in found.items())
    return found | {DIGEST_FILE: digests.encode()}
