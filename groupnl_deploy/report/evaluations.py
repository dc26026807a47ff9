"""Evaluations of several networks side by side, as tables and for programs. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from device_agent.strict import to_dict
from groupnl_deploy.evaluation.alexnet import relative_to_alexnet
from groupnl_deploy.evaluation.record import EvaluationRecord
from groupnl_deploy.evaluation.robustness import CategoryAccuracy, NamedMean, Robustness, held_out_mean
from groupnl_deploy.images.corrupted import CORRUPTIONS, EXTRA
from groupnl_deploy.report.sections import Section
from groupnl_deploy.words import counted, first_few

_NONE = "–"
_ID = 8  # letters of an id that tell it from others
_MOST_NAMED = 4


def names_of(records: Sequence[EvaluationRecord]) -> tuple[str, ...]:
    """What each is called in a table: its label, with the beginning of its id where another has the same label."""
    labels = [record.subject.label for record in records]
    return tuple(
        label
        if labels.count(label) == 1
        else f"{label} #{(one.subject.artifact_sha256 or one.subject.checkpoint_sha256 or '')[:_ID]}"
        for label, one in zip(labels, records, strict=True)
    )


def headlines(record: EvaluationRecord) -> tuple[str, str]:
    """Above a picture of its errors: their mean, and which images they are of."""
    found = record.robustness
    said = "nothing whole" if found is None else f"{found.mean_error.name}: {100 * found.mean_error.value:.1f} %"
    clean = "" if record.clean is None else f", clean error {100 * (1 - record.clean.accuracy):.1f} %"
    return f"{said}{clean}", f"{record.images.dataset}, {record.images.origin}{record.images.share}"


def evaluation_sections(records: Sequence[EvaluationRecord], alexnet: bool = False) -> tuple[Section, ...]:
    """The means of every network; its error by corruption, of one network by severity as well.

    Raises `UsageError` where `alexnet` asks for what means nothing for these images.
    """
    corrupted = [record for record in records if record.errors]
    tables = [_means(records, alexnet)]
    if len(corrupted) == 1:
        tables.append(_by_severity(corrupted[0]))
    elif corrupted:
        tables.append(_by_corruption(corrupted))
    held_out = held_out_section(records)
    return (*tables, held_out) if held_out else tuple(tables)


def held_out_section(records: Sequence[EvaluationRecord]) -> Section | None:
    """The paper's Table 7: a line a network, a column for each thing that was held out of a training, their mean.

    What was held out stands behind the colon of a data set's name. None where fewer than two such things are there, or
    a network was evaluated twice on one of them.
    """
    rows: dict[str, dict[str, float]] = {}
    for record in records:
        data, _, thing = record.images.dataset.partition(":")
        if not thing or record.clean is None:
            continue
        row = rows.setdefault(f"{record.subject.label}, {data}", {})
        if thing in row:
            return None
        row[thing] = record.clean.accuracy
    across = tuple(dict.fromkeys(thing for row in rows.values() for thing in row))
    if len(across) < 2:
        return None
    means = {label: held_out_mean(row) for label, row in rows.items()}
    short = [label for label, row in rows.items() if len(row) < len(across)]
    return Section(
        name="held_out",
        title="Accuracy (%) on what was held out of the training",
        headings=(("Network", False), *((thing, True) for thing in across), ("Mean", True)),
        rows=tuple(
            (label, *(_percent(row.get(thing)) for thing in across), _percent(means[label].value))
            for label, row in rows.items()
        ),
        notes=tuple(f"The mean of {label} is of {len(rows[label])} of {len(across)}." for label in short),
        data={label: {"accuracies": row, "mean": to_dict(means[label])} for label, row in rows.items()},
    )


def evaluation_document(record: EvaluationRecord, alexnet: bool = False) -> dict[str, Any]:
    """A record and all that follows from it."""
    found = record.robustness
    clean = record.clean
    return {
        "record": to_dict(record),
        "clean_accuracy": None if clean is None else clean.accuracy,
        "clean_accuracy_in_five": None if clean is None else clean.accuracy_in_five,
        "errors": {name: {str(level): error for level, error in row.items()} for name, row in record.errors.items()},
        "robustness": None if found is None else to_dict(found) | {"mean_accuracy": found.mean_accuracy},
        "relative_to_alexnet": to_dict(_relative(record)) if alexnet else None,
        "measured": record.measured,
        "finished": record.finished,
    }


def evaluation_notes(records: Sequence[EvaluationRecord]) -> tuple[str, ...]:
    """Which images these numbers are of, where they come from, and what is not whole."""
    return tuple(dict.fromkeys(_notes(records)))


def _notes(records: Sequence[EvaluationRecord]) -> Iterator[str]:
    several = len({record.images for record in records}) > 1
    for name, record in zip(names_of(records), records, strict=True):
        yield f"{f'{name}: ' if several else ''}{record.images}."
        yield from (f"Note: {note}." for note in record.images.notes)
        if not record.finished:
            yield f"{name} ENDED EARLY: {len(record.corrupted)} of {record.asked} parts came to their end."
        found = record.robustness
        if found is not None and found.unfinished:
            yield f"{name}: in no mean, for not all severities are there: {first_few(found.unfinished, _MOST_NAMED)}."


def _means(records: Sequence[EvaluationRecord], alexnet: bool) -> Section:
    """A line a network. A mean's name heads its column, so means of different things never share one."""
    found = [_values(record, alexnet) for record in records]
    headings = tuple(dict.fromkeys(heading for row in found for heading in row))
    rows = [
        (name, *(row.get(heading, _NONE) for heading in headings))
        for name, row in zip(names_of(records), found, strict=True)
    ]
    return Section(
        name="evaluations",
        title="Accuracy and robustness, in per cent",
        headings=(("Network", False), *((heading, True) for heading in headings)),
        rows=tuple(rows),
        notes=(),
        data=None,
    )


def _values(record: EvaluationRecord, alexnet: bool) -> dict[str, str]:
    """By heading, in the order of the columns."""
    clean, found = record.clean, record.robustness
    values = {"Clean top-1": _percent(None if clean is None else clean.accuracy)}
    if clean is not None and clean.accuracy_in_five is not None:
        values["Clean top-5"] = _percent(clean.accuracy_in_five)
    if found is None:
        return values
    values |= {_capital(mean.name): _percent(mean.value) for mean in _errors(found)}
    if alexnet and (relative := _relative(record)) is not None:
        values[relative.name] = _percent(relative.value)
    values |= {_category(one): _percent(one.accuracy) for one in found.categories}
    if found.category_mean is not None:
        values[_capital(found.category_mean.name)] = _percent(found.category_mean.value)
    return values


def _errors(found: Robustness) -> list[NamedMean]:
    return [mean for mean in (found.mean_error, found.usual_error, found.extra_error) if mean is not None]


def _relative(record: EvaluationRecord) -> NamedMean | None:
    if record.images.origin is None or not record.finished:
        return None
    return relative_to_alexnet(record.errors, record.images.dataset, record.images.origin)


def _category(one: CategoryAccuracy) -> str:
    """Such as “Noise”, and “Noise (2 of 4)” where not all of its corruptions were measured."""
    return one.category.capitalize() + ("" if one.whole else f" ({one.corruptions} of {one.of})")


def _by_severity(record: EvaluationRecord) -> Section:
    """Of one network: the error of each corruption at each severity, and the mean over them."""
    levels = sorted({level for row in record.errors.values() for level in row})
    found = record.robustness
    means = {} if found is None else found.corruption_errors
    rows = [
        (
            _corruption(name),
            CORRUPTIONS[name],
            *(_percent(row.get(level)) for level in levels),
            _percent(means.get(name)),
        )
        for name, row in record.errors.items()
    ]
    numbered = tuple((f"Severity {level}", True) for level in levels)
    return Section(
        name="errors",
        title=f"Error (%) of {record.subject.label} by corruption and severity",
        headings=(("Corruption", False), ("Category", False), *numbered, ("Corruption error", True)),
        rows=tuple(rows),
        notes=_extra_note(record.errors),
        data=None,
    )


def _by_corruption(records: Sequence[EvaluationRecord]) -> Section:
    """Of several networks: the corruption errors, a column for each."""
    each = [{} if record.robustness is None else record.robustness.corruption_errors for record in records]
    present = [name for name in CORRUPTIONS if any(name in errors for errors in each)]
    rows = [
        (_corruption(name), CORRUPTIONS[name], *(_percent(errors.get(name)) for errors in each)) for name in present
    ]
    what = {record.robustness.severities for record in records if record.robustness}
    over = (
        f"the mean over {counted(len(next(iter(what))), 'severity', 'severities')}"
        if len(what) == 1
        else "the mean over severities"
    )
    return Section(
        name="errors",
        title=f"Corruption error (%), {over}",
        headings=(("Corruption", False), ("Category", False), *((name, True) for name in names_of(records))),
        rows=tuple(rows),
        notes=(*_extra_note(present), "By severity: --heatmap OUT.PNG, --json."),
        data=None,
    )


def _corruption(name: str) -> str:
    return f"{name} +" if name in EXTRA else name


def _extra_note(names: Sequence[str] | Mapping[str, object]) -> tuple[str, ...]:
    if not set(names) & set(EXTRA):
        return ()
    return ("+ is one of the extra four, which the usual fifteen leave out and the paper counts in.",)


def _percent(value: float | None) -> str:
    return _NONE if value is None else f"{100 * value:.2f}"


def _capital(text: str) -> str:
    return text if text.startswith("m") and text[1:2].isupper() else text[:1].upper() + text[1:]
