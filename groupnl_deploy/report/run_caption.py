"""What a picture of a run says of it, for whoever meets the picture alone: what ran on what, joules and their error."""

import textwrap

from groupnl_deploy.bench.check import Doubts
from groupnl_deploy.bench.energy import RunEnergy
from groupnl_deploy.bench.validity import doubted
from groupnl_deploy.report.energy_table import bound_text
from groupnl_deploy.report.row import ReportRow

LONGEST_LINE = 130  # characters


def run_title(row: ReportRow) -> str:
    """Two lines: backend and device, and the network."""
    untrained = " [untrained]" if row.trained is False else ""
    return f"{row.backend} on {row.device}\n{row.model}{untrained}"


def run_caption(row: ReportRow) -> str:
    """The rest of what it was, and what the steady window took, in lines as wide as a picture."""
    shape = row.inputs or "x".join(map(str, row.input_shape))
    opset = "" if row.opset is None else f", opset {row.opset}"
    how = f"{row.format}, level {row.level}{opset}, input {shape}, {row.threads} threads, {row.versions}, {row.board}"
    return "\n".join(line for said in (f"{how}.", _joules(row)) for line in textwrap.wrap(said, LONGEST_LINE))


def _joules(row: ReportRow) -> str:
    speed = f"{row.iterations} inferences"
    if row.latency is not None:
        speed += f", p50/p99 {row.latency.p50_ms:.2f}/{row.latency.p99_ms:.2f} ms"
    if row.energy is None or row.energy_j is None or row.net_energy_j is None:
        return f"Steady window: {speed}{_doubt(row, 'time')}; no joules."
    steady = row.energy.steady
    gross_mj, net_mj = (_marked(1e3 * joules, row) for joules in (row.energy_j, row.net_energy_j))
    return (
        f"Steady window: {speed}{_doubt(row, 'time')}, {_marked(steady.energy_j, row)} J in {steady.duration_s:.2f} s; "
        f"per inference {gross_mj} mJ gross, {net_mj} mJ net of idle; {_error(row.energy)}."
    )


def _marked(value: float, row: ReportRow) -> str:
    return f"{value:.4g}{'*' if row.emulated else ''}{_doubt(row, 'energy')}"


def _doubt(row: ReportRow, what: Doubts) -> str:
    """The mark of an invalid number, as in tables."""
    return "!" if doubted(row.checks, what) else ""


def _error(energy: RunEnergy) -> str:
    """The bound of the net, which holds every window's."""
    bound_j = energy.net.edge_error_j
    return "error of the edges not known" if bound_j is None else f"error of the edges {_at_most(bound_j)}"


def _at_most(bound_j: float) -> str:
    text = bound_text(bound_j)
    return f"{text} J" if text.startswith("<") else f"at most {text} J"
