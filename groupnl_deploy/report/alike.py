"""Which row of another network was measured under the same conditions. Pure."""

from collections.abc import Sequence

from groupnl_deploy.report.identity import RUNTIME_SETTINGS
from groupnl_deploy.report.repeats import Group
from groupnl_deploy.report.row import ReportRow

_CONDITIONS = (
    *("device", "board", "backend", "format", "level", "target", "opset", "batch", "width", "input_shape"),
    *("threads", *RUNTIME_SETTINGS, "governor", "meter", "emulated", "min_seconds"),
)


def conditions(row: ReportRow) -> tuple[object, ...]:
    """Equal for rows that differ in the network, its convolutions and the weights alone."""
    return tuple(getattr(row, name) for name in _CONDITIONS)


def partner(group: Group, candidates: Sequence[Group]) -> Group | None:
    """The one of the candidates that was measured as this group was; the only candidate in any case.

    None where several were, or none of several was.
    """
    if group in candidates:
        return group
    if len(candidates) == 1:
        return candidates[0]
    same = [one for one in candidates if conditions(one.row) == conditions(group.row)]
    return same[0] if len(same) == 1 else None
