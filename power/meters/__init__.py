"""The registry of power meters: name → "module:Class", imported on use so that no reader's library is a must.

To add a meter, write one file with a class that is a `power.meters.base.Meter` and takes `(port, sign)`, its
own options by keyword, and add its line here. Where it can be found, `power.meters.found` says how.
"""

from collections.abc import Callable
from difflib import get_close_matches
from importlib import import_module
from inspect import Parameter, signature
from typing import Any, cast

from power.errors import MeterSettingError
from power.meters.base import Meter

METERS = {
    "km003c": "power.meters.km003c.serial:Km003cSerial",
    "km003c-hwmon": "power.meters.km003c.hwmon:Km003cHwmon",
    "km003c-usb": "power.meters.km003c.usb:Km003cUsb",
    "hwmon": "power.meters.hwmon:HwmonMeter",
    "replay": "power.meters.replay:ReplayMeter",
    "synthetic": "power.meters.synthetic:SyntheticMeter",
}


def open_meter(name: str, port: str | None = None, sign: int = 1, **options: Any) -> Meter:
    """Open the meter called `name` on `port`; `sign` (+1 or -1) is applied to every current.

    Without a port the only meter of that name that is attached is taken. `options` are the meter's own, such as
    `rate_hz` of km003c-usb.

    Raises `MeterSettingError` for an unknown name, sign or option and for a library that is not installed, and
    `MeterUnreachable` when the port cannot be used, or when none was given and not exactly one is there.
    """
    if name not in METERS:
        nearest = get_close_matches(name, METERS, n=1)
        hint = f"Did you mean {nearest[0]!r}? " if nearest else ""
        raise MeterSettingError(
            f"There is no meter called {name!r}.", f"{hint}Known meters: {', '.join(sorted(METERS))}."
        )
    opener = _opener(name)
    _check_options(name, opener, options)
    if port is None:
        from power.meters.found import only_port  # it knows all meters, and so would be imported with each

        port = only_port(name)
    return opener(port, sign, **options)


def _opener(name: str) -> Callable[..., Meter]:
    module, _, class_name = METERS[name].partition(":")
    try:
        return cast(Callable[..., Meter], getattr(import_module(module), class_name))
    except ModuleNotFoundError as error:
        raise MeterSettingError(
            f"The meter {name} needs the package {error.name}, which is not installed.",
            "Install the extra: pip install 'groupnl-deploy[usb]'.",
        ) from error


def _check_options(name: str, opener: Callable[..., Meter], options: dict[str, Any]) -> None:
    known = [word.name for word in signature(opener).parameters.values() if word.kind is Parameter.KEYWORD_ONLY]
    for option in options:
        if option == "rate_hz" and option not in known:
            raise MeterSettingError(
                f"The meter {name} cannot be told how often to measure.",
                "Leave --meter-rate out: it exists for km003c-usb alone. Over the KM003C's serial port only GET_DATA "
                "may be sent, and the kernel's drivers offer nothing else.",
            )
        if option not in known:
            raise MeterSettingError(
                f"The meter {name} has no option {option!r}.", f"It takes: {', '.join(known) or 'no options'}."
            )
