"""Every row beside one of them: how many times as long it takes, as much energy, as much memory. Pure."""

from collections.abc import Sequence

from groupnl_deploy.bench.check import Doubts
from groupnl_deploy.errors import UsageError
from groupnl_deploy.report.alike import partner
from groupnl_deploy.report.marks import marks, stamps_of
from groupnl_deploy.report.repeats import Group
from groupnl_deploy.report.row import ReportRow
from groupnl_deploy.report.sections import Section
from groupnl_deploy.words import known_word

# The name of the ratio, the heading, the number, what must be believed.
_RATIOS: tuple[tuple[str, str, str, Doubts | None], ...] = (
    ("time_ratio", "p50 ×", "p50_ms", "time"),
    ("energy_ratio", "Energy ×", "energy_j", "energy"),
    ("memory_ratio", "Memory ×", "memory_mb", None),
)
RATIOS = tuple(name for name, *_ in _RATIOS)
"""The names of the ratios in CSV and JSON."""
_MEANS = "Each ratio is the row's number over that of {}: 0.8 is a fifth less. p50 is the latency."
_NONE_ALIKE = "“–”: {} names several rows, and none of them, or several, were measured as that row was."


def baselines(groups: Sequence[Group], label: str) -> tuple[Group | None, ...]:
    """The baseline of each group: the row that `label` names, or of several the one that was measured alike.

    Args:
        groups: of the report.
        label: a run, a row of repeats, a model's label or a convolution, which may name a row for each backend or
            device; or the beginning of the names of runs, up to a hyphen or as far as one row alone begins so.

    Raises `UsageError` for one that names nothing.
    """
    candidates = _candidates(groups, label)
    return tuple(partner(group, _of_network(group, candidates)) for group in groups)


def _candidates(groups: Sequence[Group], label: str) -> list[Group]:
    named: dict[str, list[Group]] = {}
    for group in groups:
        for name in dict.fromkeys((*group.runs, group.label, group.row.model, group.row.convolution or "")):
            if name:
                named.setdefault(name, []).append(group)
    if label in named:
        return named[label]
    beginning = [group for group in groups if any(run.startswith(label) for run in group.runs)]
    whole = [group for group in beginning if any(run.startswith(f"{label}-") for run in group.runs)]
    if label and len(beginning) == 1:
        return beginning
    if label and whole and len(whole) < len(groups):
        return whole
    if label and beginning:
        known = ", ".join(dict.fromkeys(group.row.convolution or group.row.model for group in groups))
        raise UsageError(
            f"The names of {len(beginning)} rows begin with “{label}”.", f"Name one run, or all of one kind: {known}."
        )
    return named[known_word("row", label, named)]


def _of_network(group: Group, candidates: Sequence[Group]) -> Sequence[Group]:
    """Those of the group's own network where there are any."""
    return [one for one in candidates if one.row.network == group.row.network] or candidates


def ratios(group: Group, base: Group | None) -> dict[str, float | None]:
    """Each of `RATIOS`; None where either row has no such number."""
    return {name: None if base is None else _ratio(group.row, base.row, number) for name, _, number, _ in _RATIOS}


def _ratio(row: ReportRow, base: ReportRow, name: str) -> float | None:
    above, below = (_number(one, name) for one in (row, base))
    return None if above is None or not below else above / below


def _number(row: ReportRow, name: str) -> float | None:
    if name == "p50_ms":
        return None if row.latency is None else row.latency.p50_ms
    found: float | None = getattr(row, name)
    return found


def baseline_section(groups: Sequence[Group], label: str) -> Section:
    """The table of ratios."""
    bases = baselines(groups, label)
    pairs = list(zip(groups, bases, strict=True))
    notes = [_MEANS.format(label)]
    if None in bases:
        notes.append(_NONE_ALIKE.format(label))
    return Section(
        name="baseline",
        title=f"Beside {label}",
        headings=(("Row", False), ("Over", False), *((heading, True) for _, heading, _, _ in _RATIOS)),
        rows=tuple(_line(group, base) for group, base in pairs),
        notes=tuple(notes),
        data={
            "label": label,
            "rows": [
                {
                    "row": group.label,
                    "over": base and base.label,
                    **ratios(group, base),
                    **stamps_of(group.row, *([base.row] if base else [])),
                }
                for group, base in pairs
            ],
        },
    )


def _line(group: Group, base: Group | None) -> tuple[str, ...]:
    found = ratios(group, base)
    cells = (_cell(found[name], group, base, doubts) for name, _, _, doubts in _RATIOS)
    return (group.label, base.label if base else "–", *cells)


def _cell(value: float | None, group: Group, base: Group | None, doubts: Doubts | None) -> str:
    """With the marks of both."""
    if value is None or base is None:
        return "–"
    both = marks(group.row, doubts) + marks(base.row, doubts)
    return f"{value:.3f}{''.join(dict.fromkeys(both))}"
