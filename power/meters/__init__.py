"""The registry of power meters: name → "module:Class", imported on use so that no reader's library is a must.

To add a meter, write one file with a class that satisfies `power.meters.base.Meter` and takes
`(port, sign)`, and add its line here.
"""

from collections.abc import Callable
from difflib import get_close_matches
from importlib import import_module
from typing import cast

from power.errors import MeterSettingError
from power.meters.base import Meter

METERS = {
    "km003c": "power.meters.km003c.serial:Km003cSerial",
}


def open_meter(name: str, port: str, sign: int = 1) -> Meter:
    """Open the meter called `name` on `port`; `sign` (+1 or -1) is applied to every current.

    Raises `MeterSettingError` for an unknown name or sign and `MeterUnreachable` when the port cannot be used.
    """
    if name not in METERS:
        nearest = get_close_matches(name, METERS, n=1)
        hint = f"Did you mean {nearest[0]!r}? " if nearest else ""
        raise MeterSettingError(
            f"There is no meter called {name!r}.", f"{hint}Known meters: {', '.join(sorted(METERS))}."
        )
    module, _, class_name = METERS[name].partition(":")
    opener = cast(Callable[[str, int], Meter], getattr(import_module(module), class_name))
    return opener(port, sign)
