"""What the system says of a serial port → what a person can do about it."""

import contextlib
import errno
import termios
from collections.abc import Iterator

from power.errors import MeterUnreachable
from power.meters.access import JOIN_DIALOUT
from power.meters.usb_ids import VENDOR_HEX

Reason = tuple[str, str]

NO_SUCH_PORT: Reason = (
    "There is no port {port}.",
    "Plug the meter in and look for its port under /dev/serial/by-id.",
)
NO_PERMISSION: Reason = (
    "No permission to open {port}.",
    JOIN_DIALOUT,
)
BUSY: Reason = (
    "Another program uses {port}.",
    "Stop the other program; keep ModemManager, which probes unknown ports, away with a udev rule that sets "
    f'ENV{{{{ID_MM_DEVICE_IGNORE}}}}="1" for USB vendor {VENDOR_HEX}.',
)
NOT_SERIAL: Reason = (
    "{port} is not a serial port.",
    "Give the meter's port; it is listed under /dev/serial/by-id.",
)
UNPLUGGED: Reason = (
    "The meter on {port} is gone.",
    "Plug the meter in again and check its cable, then repeat the measurement.",
)
NO_ANSWER: Reason = (
    "The meter on {port} does not answer.",
    "Check that the port is a KM003C's and plug the meter in again.",
)
TAKES_NOTHING: Reason = (
    "The device on {port} takes no requests.",
    "Unplug the meter, plug it in again, and check that the port is a KM003C's.",
)
_REASONS: dict[int, Reason] = {
    errno.ENOENT: NO_SUCH_PORT,
    errno.ENOTDIR: NO_SUCH_PORT,
    errno.EACCES: NO_PERMISSION,
    errno.EPERM: NO_PERMISSION,
    errno.EBUSY: BUSY,
    errno.EAGAIN: BUSY,
    errno.ENOTTY: NOT_SERIAL,
    errno.EISDIR: NOT_SERIAL,
    errno.EIO: UNPLUGGED,
    errno.ENODEV: UNPLUGGED,
    errno.ENXIO: UNPLUGGED,
}


def unreachable(reason: Reason, port: str) -> MeterUnreachable:
    """The error of a reason."""
    message, remedy = reason
    return MeterUnreachable(message.format(port=port), remedy.format(port=port))


@contextlib.contextmanager
def port_errors(port: str, otherwise: Reason) -> Iterator[None]:
    """Turn what pyserial, the system and termios raise into `MeterUnreachable`, unknown numbers into `otherwise`."""
    try:
        yield
    except (OSError, termios.error, ValueError) as error:  # ValueError: a name that no port can have
        raise unreachable(_REASONS.get(_error_number(error), otherwise), port) from error


def _error_number(error: BaseException | None) -> int:
    """The system's error number, which pyserial often leaves in the exception it was handling; 0 if none."""
    while error is not None:
        if error.args and isinstance(error.args[0], int):
            return error.args[0]
        error = error.__context__
    return 0
