"""Watts that stand beside volts and amperes: rounded, or a proof that a column is something else. Pure.

The joules are those of volts times amperes, and watts beside them are left out. They are a check: programs round them,
and some write them without the current's sign. Where they differ by more, a column is in another unit than its name
says or of another supply, and nothing tells which.
"""

from collections.abc import Iterator, Mapping

import numpy as np

from power.errors import TraceFormatError
from power.reading.names import Quantity
from power.trace import Samples

ROUNDED = 0.02  # share of the power that rounding in coarse steps may make, as in an INA219
ROWS_THAT_AGREE = 0.9
EXACT = 1e-6  # share of the largest power; what differs by less is not worth a word


def remarks_on_power(name: str, found: Mapping[Quantity, Samples]) -> Iterator[str]:
    """What to say of the watts of a file, (n,), beside its volts and amperes; a row may have none (NaN).

    Raises `TraceFormatError` where they contradict each other.
    """
    if not {"voltage", "current", "power"} <= found.keys() or np.isnan(found["power"]).all():
        return
    has_watts = ~np.isnan(found["power"])
    found = {kind: values[has_watts] for kind, values in found.items()}
    said_w, made_w = np.abs(found["power"]), np.abs(found["voltage"] * found["current"])
    largest_w = float(np.max(made_w))
    allowed_w = ROUNDED * np.maximum(made_w, 0.05 * largest_w) + _step(found["power"])
    allowed_w += _step(found["voltage"]) * np.abs(found["current"]) + _step(found["current"]) * np.abs(found["voltage"])
    agree = np.abs(said_w - made_w) <= allowed_w
    if np.mean(agree) < ROWS_THAT_AGREE:
        raise _refusal(name, said_w, made_w)
    largest = float(np.max(np.abs(said_w - made_w)))
    if largest > EXACT * largest_w:
        yield f"Its column of watts was left out: they differ from volts times amperes by up to {largest:.3g} W."


def _step(values: Samples) -> float:
    """The last digit that numbers have, as far as the first of them show."""
    digits = [f"{value:.9f}".rstrip("0").partition(".")[2] for value in values[:1000].tolist()]
    return float(10.0 ** -max(map(len, digits), default=0))


def _refusal(name: str, said_w: Samples, made_w: Samples) -> TraceFormatError:
    row = int(np.argmax(np.abs(said_w - made_w)))
    ratio = float(np.median(said_w[made_w > 0] / made_w[made_w > 0])) if np.any(made_w > 0) else 0.0
    return TraceFormatError(
        f"{name}: its watts are none of its volts times its amperes: {said_w[row]:.6g} W stand beside "
        f"{made_w[row]:.6g} W, usually {ratio:.4g} times as much. A column is in another unit than was taken for it, "
        "or of another supply.",
        "Say which columns count: --columns t=NAME,v=NAME,i=NAME with their --units, or the watts alone with "
        "--columns t=NAME,p=NAME.",
    )
