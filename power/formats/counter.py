"""A counter of joules, read at each row → the mean power since the row before, exactly. Pure."""

from dataclasses import replace

import numpy as np

from power.errors import TraceFormatError
from power.reading.measured import Measured

OFTEN = 0.05  # share of rows at which no counter is set back


def joules_of_counter(measured: Measured) -> Measured:
    """Watts of a counter's rises. Rows of one time count once, with what they counted last.

    Where the counter falls it was set back, as at midnight or at a new start, and what it had counted meanwhile is not
    known: a hole. Raises `TraceFormatError` where there are not two times, and where it falls so often, or rises never,
    that each row counts for itself.
    """
    own = np.diff(measured.t_s, append=np.inf) > 0.0
    rows = measured.rows(own)
    energy_j, t_s = rows.quantities["energy"], rows.t_s
    if len(t_s) < 2:
        raise TraceFormatError(
            f"{measured.name} has one reading of a counter of joules, and power takes two.",
            "Log the counter more often than once.",
        )
    rise_j = np.diff(energy_j)
    fell = np.concatenate(([False], rise_j < 0.0))
    if np.count_nonzero(fell) > OFTEN * len(fell) + 1 or (not rise_j.any() and energy_j[0]):
        raise TraceFormatError(
            f"{measured.name}: its column of energy does not add up, as a counter does: it falls at "
            f"{np.count_nonzero(fell)} of {len(fell)} rows and rises at {np.count_nonzero(rise_j > 0)}.",
            "If each row has the energy since the row before, add them up in a column of their own, from which rows "
            "can be told apart, and name that one.",
        )
    power_w = np.concatenate(([0.0], np.maximum(rise_j, 0.0) / np.diff(t_s)))
    power_w[0] = power_w[1]
    remarks = measured.remarks
    if fell.any():
        remarks += (f"Its counter of joules was set back {int(np.count_nonzero(fell))} times: a hole each.",)
    return replace(rows, quantities={"power": power_w}, breaks=rows.breaks | fell, remarks=remarks).of_means()
