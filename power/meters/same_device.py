"""Pure: whether what is plugged in now is the device that was."""

from power.errors import AnotherMeter


def require_same_serial_number(port: str, before: str | None, now: str | None) -> None:
    """Raise `AnotherMeter` where the device that was on `port` and the one now on it have different numbers.

    Where one of the numbers is not known, nothing speaks against its being the same.
    """
    if before and now and before != now:
        raise another_meter(port, f": its serial number is {now}, and that of the one before is {before}")


def another_meter(port: str, how_it_shows: str = "") -> AnotherMeter:
    """The error of a device that is not the one before."""
    return AnotherMeter(
        f"Another meter came back on {port}{how_it_shows}.", "Plug in the meter that the recording began with."
    )
