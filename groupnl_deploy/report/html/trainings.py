"""Loss and accuracy of the trainings that the runs' networks come from, epoch by epoch. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from groupnl_deploy.report.build import Report
from groupnl_deploy.report.html.markup import Markup, element, joined
from groupnl_deploy.report.html.svg import Frame, Scale, axes, dot, picture, room
from groupnl_deploy.report.html.tags import Tag
from groupnl_deploy.report.training_lines import Point, accuracies, in_words, unbroken
from groupnl_deploy.training.read_log import TrainingCurves
from groupnl_deploy.words import first_few

_FRAME = Frame()
_MOST_TAGS = 6
_DOTTED = 40  # up to so many epochs, each is marked
_HINT = "Solid lines are of training images, as they were augmented; dashed ones of test images."


@dataclass(frozen=True)
class _Training:
    """A training with the tags of the runs that are of it; it has the colour of the first."""

    tags: tuple[Tag, ...]
    curves: TrainingCurves

    @property
    def colour(self) -> str:
        return self.tags[0].colour

    @property
    def words(self) -> str:
        names = first_few(list(dict.fromkeys(tag.text for tag in self.tags)), _MOST_TAGS)
        return f"{names}: {in_words(self.curves)}"


@dataclass(frozen=True)
class _Curve:
    colour: str
    points: tuple[Point, ...]
    dashed: bool = True


def training_charts(report: Report, tags: Sequence[Tag]) -> Markup:
    """Two charts and what each colour is; nothing where no checkpoint with a log is at hand."""
    trainings, problems = _trainings(report, tags), _problems(report)
    losses = [curve for one in trainings for curve in _losses(one)]
    accuracy = [_Curve(one.colour, tuple(accuracies(one.curves.lines))) for one in trainings]
    figures = [_figure("Loss", "Loss (nats)", losses), _figure("Accuracy", "Top-1 on test images (%)", accuracy)]
    named = [element("li", element("span", class_=f"swatch {one.colour}"), one.words) for one in trainings]
    drawn = [element("div", figures, class_="figures"), element("p", _HINT, class_="small")] if trainings else []
    said = [element("li", problem, class_="spoilt") for problem in problems]
    return joined(drawn, element("ul", named, said, class_="notes")) if drawn or said else Markup("")


def _trainings(report: Report, tags: Sequence[Tag]) -> list[_Training]:
    found: dict[str, tuple[list[Tag], TrainingCurves]] = {}
    for tag, detail in zip(tags, report.details, strict=True):
        if detail.training is not None and detail.training.curves is not None:
            found.setdefault(detail.training.checkpoint, ([], detail.training.curves))[0].append(tag)
    return [_Training(tuple(of), curves) for of, curves in found.values()]


def _problems(report: Report) -> list[str]:
    said = (detail.training.problem for detail in report.details if detail.training is not None)
    return list(dict.fromkeys(problem for problem in said if problem is not None))


def _losses(one: _Training) -> Iterator[_Curve]:
    lines = one.curves.lines
    yield _Curve(one.colour, tuple((line.epoch, line.train_loss) for line in lines), dashed=False)
    yield _Curve(one.colour, tuple((line.epoch, line.test_loss) for line in lines))


def _figure(title: str, upward_words: str, curves: Sequence[_Curve]) -> Markup | None:
    known = [(epoch, value) for curve in curves for epoch, value in curve.points if value is not None]
    if not known:
        return None
    epochs, values = zip(*known, strict=True)
    across = _FRAME.across(min(epochs) - 0.5, max(epochs) + 0.5, whole=True)
    upward = _FRAME.upward(*room(values))
    words = f"{title} of each epoch. {upward_words}, from {min(values):.4g} to {max(values):.4g}"
    lines = [_drawn(curve, across, upward) for curve in curves]
    drawn = picture(_FRAME, words, axes(_FRAME, across, upward, ("Epoch", upward_words)), lines)
    return element("figure", element("figcaption", element("strong", title)), drawn)


def _drawn(curve: _Curve, across: Scale, upward: Scale) -> Iterator[Markup]:
    kind = f"curve {curve.colour}{' dashed' if curve.dashed else ''}"
    for piece in unbroken(curve.points):
        places = [(dot(across.at(epoch)), dot(upward.at(value))) for epoch, value in piece]
        yield element("path", class_=kind, d="M" + " L".join(f"{x} {y}" for x, y in places))
        if len(curve.points) <= _DOTTED or len(piece) == 1:
            for (x, y), (epoch, value) in zip(places, piece, strict=True):
                said = element("title", f"epoch {epoch}: {value:.4g}")
                yield element("circle", said, class_=f"fill {curve.colour}", cx=x, cy=y, r="2.6")
