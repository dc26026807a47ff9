"""What must be believed of a run for a number of it to be a result, and the marks behind the number. Pure."""

from dataclasses import fields

from groupnl_deploy.bench.check import Doubts
from groupnl_deploy.bench.stats import LatencyStats
from groupnl_deploy.bench.validity import doubted
from groupnl_deploy.report.row import ReportRow

_OF_TIME = {field.name for field in fields(LatencyStats)} | {"fps", "time_s", "first_inference_ms"}
_OF_TIME |= {"preprocess_ms", "postprocess_ms", "end_to_end_ms"}
_OF_ENERGY = ("_j", "_w", "_wh")  # how their names end


def doubts_of(name: str) -> Doubts | None:
    """Of a number by its name in a report; None where nothing spoils it."""
    if name.endswith(_OF_ENERGY):
        return "energy"
    return "time" if name in _OF_TIME else None


def marks(row: ReportRow, doubts: Doubts | None) -> str:
    """What stands behind a number: * for an emulated meter's, ! where it is invalid."""
    if doubts is None:
        return ""
    emulated = "*" if row.emulated and doubts == "energy" else ""
    return emulated + ("!" if doubted(row.checks, doubts) else "")


def stamps_of(*rows: ReportRow) -> dict[str, bool]:
    """What goes with a number of these rows in JSON: whether any joules are made up, and whether all rows are valid."""
    return {"emulated": any(row.emulated for row in rows), "valid": all(row.valid for row in rows)}
