"""The KM003C's own USB interface: two bulk endpoints, and the encrypted packets that unlock its queue.

The only file that imports pyusb and the package `km003c` (okhsunrog, which builds and reads the encrypted packets);
both come with the extra `usb`. Tried on no real meter.
"""

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import km003c
import usb.core
import usb.util

from power.errors import MeterSettingError, MeterUnreachable
from power.meters.access import INSTALL_LIBUSB, NO_LIBUSB, USE_UDEV
from power.meters.base import closed
from power.meters.usb_ids import PRODUCTS, VENDOR

VENDOR_CLASS = 0xFF  # interface numbers differ between firmware versions, classes do not
SOCKETS = Path("/sys/bus/usb/devices")
# Whatever else a meter understands can restart, misconfigure or break it.
ALLOWED_COMMANDS = frozenset({0x02, 0x03, 0x0C, 0x0E, 0x0F, 0x44, 0x4C})
READ_BYTES = 4096  # as the vendor's program asks for: more than any reply, and whole packets of 64
WRITE_TIMEOUT_MS = 500


def device_at(port: str, backend: Any = None) -> Any:
    """The meter (a pyusb device) in a socket, such as `/sys/bus/usb/devices/1-1.2` or just `1-1.2`.

    `backend` is pyusb's, None for the installed libusb. Raises `MeterUnreachable` when none is there.
    """
    with _usb_errors(port):
        for device in usb.core.find(find_all=True, backend=backend, idVendor=VENDOR):
            if device.idProduct in PRODUCTS and Path(socket_path(device)).name == Path(port).name:
                return device
    raise MeterUnreachable(
        f"There is no KM003C in the USB socket {port}.",
        "Plug the meter in and see the sockets with: groupnl power list.",
    )


def socket_path(device: Any) -> str:
    """Where Linux shows the device: the bus and the sockets on the way to it, the same after plugging in again."""
    return str(SOCKETS / f"{device.bus}-{'.'.join(str(number) for number in device.port_numbers or ())}")


def serial_number(device: Any) -> str | None:
    """The device's own, None where it has none or may not be asked.

    It is asked for by a standard request of USB, as the system asks every device that is plugged in.
    """
    with contextlib.suppress(usb.core.USBError, ValueError, NotImplementedError):
        return device.serial_number or None
    return None


def is_emulated(device: Any) -> bool:
    """Whether it is reached through anything but pyusb's own ways to real devices."""
    return not type(device.backend).__module__.startswith("usb.backend.")


class Km003cCipher:
    """The encrypted packets, as `power.meters.km003c.usb_unlock.Cipher` describes them."""

    def memory_request(self, address: int, size_bytes: int, request_id: int) -> bytes:
        """The packet that asks for a piece of memory."""
        return bytes(km003c.build_memory_read_packet(address, size_bytes, request_id))

    def authentication(self, hardware_id: bytes, request_id: int) -> bytes:
        """The packet that asks for the queue to be unlocked."""
        return bytes(km003c.build_streaming_auth_packet(hardware_id, request_id))

    def decrypted(self, data: bytes) -> bytes:
        """What a piece of memory says; a whole number of cipher blocks."""
        return bytes(km003c.decrypt_memory_payload(data))


class UsbPipe:
    """The bulk endpoints of the meter's own interface, held until `close`; the kernel's driver is put aside.

    `device` is pyusb's. Raises `MeterUnreachable` when the interface cannot be had.
    """

    def __init__(self, device: Any) -> None:
        self._device = device
        self._port = socket_path(device)
        self._detached = False
        self.is_open = True
        try:
            with _usb_errors(self._port):
                interface = _vendor_interface(device)
                self._number = interface.bInterfaceNumber
                self._in = _endpoint(interface, usb.util.ENDPOINT_IN)
                self._out = _endpoint(interface, usb.util.ENDPOINT_OUT)
                self._claim()
        except BaseException:  # Ctrl-C too: the kernel's driver must have its meter back
            self.close()
            raise

    def write(self, packet: bytes) -> None:
        """Send one packet. Raises `MeterSettingError` for a command that no reader has a use for."""
        if packet[0] not in ALLOWED_COMMANDS:
            raise MeterSettingError(
                f"The command 0x{packet[0]:02x} is never sent to a meter.", "Use the vendor's program for settings."
            )
        self._must_be_open()
        with _usb_errors(self._port):
            self._device.write(self._out, packet, WRITE_TIMEOUT_MS)

    def read(self, timeout_s: float) -> bytes | None:
        """One transfer, None when none came within the time. Raises `MeterUnreachable`."""
        self._must_be_open()
        with _usb_errors(self._port):
            try:
                return bytes(self._device.read(self._in, READ_BYTES, max(1, round(timeout_s * 1e3))))
            except usb.core.USBTimeoutError:
                return None

    def close(self) -> None:
        """Release the interface and give it back to the kernel's driver; harmless when called again."""
        self.is_open = False
        with contextlib.suppress(usb.core.USBError):
            usb.util.dispose_resources(self._device)
        with contextlib.suppress(usb.core.USBError):
            if self._detached:
                self._detached = False
                self._device.attach_kernel_driver(self._number)
                usb.util.dispose_resources(self._device)  # attaching opened it again

    def _claim(self) -> None:
        with contextlib.suppress(NotImplementedError):  # a system without kernel drivers to put aside
            if self._device.is_kernel_driver_active(self._number):
                self._device.detach_kernel_driver(self._number)
                self._detached = True
        usb.util.claim_interface(self._device, self._number)

    def _must_be_open(self) -> None:
        if not self.is_open:
            raise closed(f"The meter at {self._port}")


def _vendor_interface(device: Any) -> Any:
    for interface in device.get_active_configuration():
        if interface.bInterfaceClass == VENDOR_CLASS:
            return interface
    raise ValueError("it has no interface of the vendor's class")


def _endpoint(interface: Any, direction: int) -> int:
    for endpoint in interface:
        if usb.util.endpoint_direction(endpoint.bEndpointAddress) == direction:
            return int(endpoint.bEndpointAddress)
    raise ValueError("an endpoint is missing")


_REASONS = {
    errno.EACCES: ("No permission to use the USB device {port}.", USE_UDEV),
    errno.EBUSY: (
        "Another program uses the USB device {port}.",
        "Close the other program; if it is the kernel's sensor driver, read it with --meter km003c-hwmon instead.",
    ),
    errno.ENODEV: ("The meter at {port} is gone.", "Plug the meter in again and check its cable."),
}
_REASONS[errno.EPERM] = _REASONS[errno.EACCES]
_REASONS[errno.EIO] = _REASONS[errno.ENOENT] = _REASONS[errno.ENODEV]


@contextlib.contextmanager
def _usb_errors(port: str) -> Iterator[None]:
    """Turn what pyusb raises into `MeterUnreachable`."""
    try:
        yield
    except usb.core.NoBackendError as error:
        raise MeterUnreachable(NO_LIBUSB, INSTALL_LIBUSB) from error
    except (usb.core.USBError, ValueError, NotImplementedError) as error:
        otherwise = ("The meter at {port} cannot be used: {error}.", "Plug the meter in again.")
        message, remedy = _REASONS.get(getattr(error, "errno", None) or 0, otherwise)
        raise MeterUnreachable(message.format(port=port, error=error), remedy) from error
