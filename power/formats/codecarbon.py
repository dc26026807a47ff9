"""The emissions.csv of codecarbon: kWh since a run began. What its power columns say is of the moment of writing."""

from dataclasses import replace

import numpy as np

from power.errors import TraceFormatError
from power.formats.counter import joules_of_counter
from power.formats.format import Format
from power.reading.asked import Asked
from power.reading.head import Head, Header
from power.reading.measured import Measured
from power.reading.names import UNITS, Named
from power.reading.plan import Plan, table_plan

_COLUMNS = {"duration": "s", "energy_consumed": "kWh"}
_RUN = {"run": "run_id"}


def _plan(head: Head, header: Header | None, asked: Asked) -> Plan | None:
    if header is None or not header.has(*_COLUMNS, "emissions"):
        return None
    columns = [
        Named(place, name, UNITS[unit].quantity, UNITS[unit])
        for name, unit in _COLUMNS.items()
        if (place := header.place(name)) is not None
    ]
    plan = table_plan(head, header, asked, columns, title=FORMAT.title, extra=_RUN, texts=tuple(_RUN))
    return replace(plan, meter=FORMAT.word, finish=_one_run, ordered=False)


def _one_run(measured: Measured) -> Measured:
    """From the run's beginning, when it had counted nothing. Raises `TraceFormatError` for several runs in one file."""
    runs = np.unique(measured.extra.get("run", np.empty(0)))
    if len(runs) > 1 or np.any(np.diff(measured.t_s) < 0.0):
        raise TraceFormatError(
            f"{measured.name} holds {max(len(runs), 2)} runs of codecarbon, which are no one curve.",
            "Keep the rows of one run_id in the file: head -1 FILE; grep RUN_ID FILE.",
        )
    begun = measured.rows(np.concatenate(([0], np.arange(len(measured)))))
    t_s = np.concatenate(([0.0], measured.t_s))
    energy_j = np.concatenate(([0.0], measured.quantities["energy"]))
    remark = "codecarbon counts joules by models of parts that it cannot measure, such as memory."
    counted = replace(begun, t_s=t_s, quantities={"energy": energy_j}, remarks=(*measured.remarks, remark))
    return joules_of_counter(counted)


FORMAT = Format(
    "codecarbon",
    "an emissions.csv of codecarbon",
    "https://github.com/mlco2/codecarbon (codecarbon/output_methods/emissions_data.py)",
    _plan,
)
