"""The emissions.csv of codecarbon: kWh since a run began. What its power columns say is of the moment of writing."""

from dataclasses import replace

import numpy as np

from power.errors import TraceFormatError
from power.formats.counter import joules_of_counter
from power.formats.format import Format
from power.reading.asked import Asked
from power.reading.head import Head, Header
from power.reading.measured import Measured
from power.reading.plan import Plan, table_plan

_COLUMNS = {"duration": "s", "energy_consumed": "kWh"}
_RUN = {"run": "run_id"}
_PARTS = {name: name for name in ("cpu_energy", "gpu_energy", "ram_energy")}  # which make the whole


def _plan(head: Head, header: Header | None, asked: Asked) -> Plan | None:
    if header is None or not header.has(*_COLUMNS, "emissions"):
        return None
    # Rows that were appended lack the columns that were empty then, behind those that count.
    plan = table_plan(
        head,
        header,
        asked,
        header.in_units(_COLUMNS),
        title=FORMAT.title,
        extra=_RUN | _PARTS,
        texts=tuple(_RUN),
        ragged=True,
    )
    return replace(plan, meter=FORMAT.word, finish=_one_run, ordered=False)


def _one_run(measured: Measured) -> Measured:
    """From the run's beginning, when it had counted nothing.

    Raises `TraceFormatError` for several runs in one file, and for rows whose cells are shifted.
    """
    runs = np.unique(measured.extra.get("run", np.empty(0)))
    if len(runs) > 1 or np.any(np.diff(measured.t_s) < 0.0):
        raise TraceFormatError(
            f"{measured.name} holds {max(len(runs), 2)} runs of codecarbon, which are no one curve.",
            f"Keep the rows of one run_id: (head -1 FILE; grep {runs[0] if len(runs) else 'RUN_ID'} FILE) > one.csv.",
        )
    parts_kwh = [measured.extra[name] for name in _PARTS if name in measured.extra]
    energy_j = measured.quantities["energy"]
    if len(parts_kwh) == len(_PARTS) and not np.allclose(3.6e6 * sum(parts_kwh), energy_j, rtol=0.01, atol=1e-6):
        raise TraceFormatError(
            f"{measured.name}: the energies of its parts do not add up to energy_consumed, as if a row lacks a cell.",
            "Keep the rows that have as many cells as there are names, or measure anew.",
        )
    begun = measured.rows(np.concatenate(([0], np.arange(len(measured)))))
    t_s = np.concatenate(([0.0], measured.t_s))
    energy_j = np.concatenate(([0.0], energy_j))
    remark = "codecarbon counts joules by models of parts that it cannot measure, such as memory."
    counted = replace(begun, t_s=t_s, quantities={"energy": energy_j}, remarks=(*measured.remarks, remark))
    return joules_of_counter(counted)


FORMAT = Format(
    "codecarbon",
    "an emissions.csv of codecarbon",
    "https://github.com/mlco2/codecarbon (codecarbon/output_methods/emissions_data.py)",
    _plan,
)
