"""An emulated USB with meters in its sockets, in the form that pyusb wants from its backends.

So pyusb itself runs over it as over libusb: finding, claiming, putting the kernel's driver aside, bulk transfers in
packets of 64 bytes. It raises the library's own errors, which are given to it, so that this file imports none.
"""

import errno
import struct
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace

from power.meters.usb_ids import VENDOR
from tests.rigs.emulated_usb_meter import EmulatedUsbMeter

PACKET_BYTES = 64
IN, OUT = 0x81, 0x01
BULK = 2
GET_DESCRIPTOR, STRING = 6, 3  # USB 2.0, tables 9-4 and 9-5
SERIAL_NUMBER, ENGLISH = 3, 0x0409  # the string's place among the device's, and its only language
VENDOR_CLASS, CDC_CLASS, CDC_DATA_CLASS, HID_CLASS = 0xFF, 0x02, 0x0A, 0x03
NEWER_LAYOUT = (VENDOR_CLASS, CDC_CLASS, CDC_DATA_CLASS, HID_CLASS)
OLDER_LAYOUT = (VENDOR_CLASS, HID_CLASS, CDC_CLASS, CDC_DATA_CLASS)
# Fields of the descriptors that pyusb copies and nobody here looks at.
_UNUSED = (
    *("bLength", "bDescriptorType", "bcdUSB", "bDeviceSubClass", "bDeviceProtocol", "bMaxPacketSize0", "bcdDevice"),
    *("iManufacturer", "iProduct", "speed", "wTotalLength", "iConfiguration", "bMaxPower"),
    *("bInterfaceSubClass", "bInterfaceProtocol", "iInterface", "bAlternateSetting", "bInterval", "bRefresh"),
    *("bSynchAddress", "bmAttributes", "extra_descriptors", "bDeviceClass"),
)


@dataclass
class EmulatedSocket:
    """A socket of bus 1 with a meter in it; its state may be changed while the meter is in use.

    `interfaces` are the classes of the meter's interfaces by their numbers. `kernel_driver` says whether `powerz`
    is bound to the vendor's. An empty `serial_number` is a device without one. `open_error` and `claim_error` are
    the numbers (`EACCES`, `EBUSY`) that the system refuses with, 0 for none. A `silent` meter takes what is sent,
    and none of its answers arrive.
    """

    meter: EmulatedUsbMeter
    port: int = 1
    product: int = 0x0063
    serial_number: str = "007965"
    interfaces: tuple[int, ...] = NEWER_LAYOUT
    kernel_driver: bool = True
    open_error: int = 0
    claim_error: int = 0
    plugged: bool = True
    silent: bool = False
    opened: bool = False
    claimed: bool = False
    rest: bytes | None = None  # of a transfer that is not over yet; empty where only its end is missing


class EmulatedUsbBus:
    """A backend for pyusb, as `usb.backend.IBackend` describes it; `wait` lets a time-out pass on the clock."""

    def __init__(
        self,
        sockets: list[EmulatedSocket],
        wait: Callable[[float], None],
        error: Callable[[str, int | None, int], OSError],
        timeout_error: Callable[[str, int | None, int], OSError],
    ) -> None:
        self.sockets = sockets
        self._wait = wait
        self._error = error
        self._timeout_error = timeout_error

    def enumerate_devices(self) -> list[EmulatedSocket]:
        """What is plugged in."""
        return [socket for socket in self.sockets if socket.plugged]

    def get_device_descriptor(self, dev: EmulatedSocket) -> SimpleNamespace:
        """Vendor, product, and where it is."""
        place = {"bus": 1, "address": dev.port + 1, "port_number": dev.port, "port_numbers": (1, dev.port)}
        number = SERIAL_NUMBER if dev.serial_number else 0
        ids = {"idVendor": VENDOR, "idProduct": dev.product, "iSerialNumber": number}
        return _descriptor(bNumConfigurations=1, **ids, **place)

    def get_configuration_descriptor(self, dev: EmulatedSocket, config: int) -> SimpleNamespace:
        """The only configuration."""
        _must_exist(config == 0)
        return _descriptor(bConfigurationValue=1, bNumInterfaces=len(dev.interfaces))

    def get_interface_descriptor(self, dev: EmulatedSocket, intf: int, alt: int, config: int) -> SimpleNamespace:
        """One interface; only the vendor's has endpoints here."""
        _must_exist(alt == 0 and intf < len(dev.interfaces))
        kind = dev.interfaces[intf]
        ends = 2 if kind == VENDOR_CLASS else 0
        return _descriptor(bInterfaceNumber=intf, bInterfaceClass=kind, bNumEndpoints=ends)

    def get_endpoint_descriptor(
        self, dev: EmulatedSocket, ep: int, intf: int, alt: int, config: int
    ) -> SimpleNamespace:
        """One of the two bulk endpoints."""
        address = (OUT, IN)[ep]
        return _descriptor(bEndpointAddress=address, wMaxPacketSize=PACKET_BYTES, bmAttributes=BULK)

    def get_configuration(self, dev_handle: EmulatedSocket) -> int:
        """The only configuration is always set."""
        return 1

    def open_device(self, dev: EmulatedSocket) -> EmulatedSocket:
        """Open it unless the system refuses."""
        self._check(dev, dev.open_error)
        dev.opened = True
        return dev

    def close_device(self, dev_handle: EmulatedSocket) -> None:
        """Close it; what it had not sent to the end is lost."""
        dev_handle.opened = False
        dev_handle.rest = None

    def is_kernel_driver_active(self, dev_handle: EmulatedSocket, intf: int) -> bool:
        """Whether the kernel holds the interface."""
        self._check(dev_handle, 0)
        return dev_handle.kernel_driver

    def detach_kernel_driver(self, dev_handle: EmulatedSocket, intf: int) -> None:
        """Put the kernel's driver aside."""
        self._check(dev_handle, 0 if dev_handle.kernel_driver else errno.ENOENT)
        dev_handle.kernel_driver = False

    def attach_kernel_driver(self, dev_handle: EmulatedSocket, intf: int) -> None:
        """Give the interface back, which must be free."""
        self._check(dev_handle, errno.EBUSY if dev_handle.claimed or dev_handle.kernel_driver else 0)
        dev_handle.kernel_driver = True

    def claim_interface(self, dev_handle: EmulatedSocket, intf: int) -> None:
        """Take the interface, which neither the kernel nor another program may hold."""
        taken = dev_handle.kernel_driver or dev_handle.claimed
        self._check(dev_handle, errno.EBUSY if taken else dev_handle.claim_error)
        dev_handle.claimed = True

    def release_interface(self, dev_handle: EmulatedSocket, intf: int) -> None:
        """Let the interface go."""
        dev_handle.claimed = False
        self._check(dev_handle, 0)

    def ctrl_transfer(
        self,
        dev_handle: EmulatedSocket,
        bmRequestType: int,
        bRequest: int,
        wValue: int,
        wIndex: int,
        data: "array[int]",
        timeout: int,
    ) -> int:
        """Give the serial number, or the languages it is to be had in; no other request is known."""
        strings = {0: struct.pack("<H", ENGLISH), SERIAL_NUMBER: dev_handle.serial_number.encode("utf-16-le")}
        text = strings.get(wValue & 0xFF)
        known = bRequest == GET_DESCRIPTOR and wValue >> 8 == STRING and text is not None
        self._check(dev_handle, 0 if known else errno.EPIPE)
        descriptor = bytes((2 + len(text or b""), STRING)) + (text or b"")
        data[: len(descriptor)] = array("B", descriptor)
        return len(descriptor)

    def bulk_write(self, dev_handle: EmulatedSocket, ep: int, intf: int, data: "array[int]", timeout: int) -> int:
        """Hand the meter one packet."""
        self._check(dev_handle, 0 if dev_handle.claimed else errno.EINVAL)
        dev_handle.meter.receive(data.tobytes())
        return len(data)

    def bulk_read(self, dev_handle: EmulatedSocket, ep: int, intf: int, buff: "array[int]", timeout: int) -> int:
        """Fill the buffer from one transfer, which a packet shorter than 64 bytes ends, an empty one if need be."""
        self._check(dev_handle, 0 if dev_handle.claimed else errno.EINVAL)
        data = self._pending(dev_handle, timeout / 1e3)
        if len(buff) % PACKET_BYTES and len(data) > len(buff):
            raise self._error("Overflow", None, errno.EOVERFLOW)
        part = data[: len(buff)]
        buff[: len(part)] = array("B", part)
        is_over = len(part) < len(buff) or len(part) % PACKET_BYTES != 0
        dev_handle.rest = None if is_over else data[len(part) :]
        return len(part)

    # pyusb looks these up before it chooses by the endpoint's kind; only bulk endpoints exist here.
    intr_write = iso_write = bulk_write
    intr_read = iso_read = bulk_read

    def _pending(self, socket: EmulatedSocket, timeout_s: float) -> bytes:
        if socket.rest is not None:
            return socket.rest
        if socket.silent:
            socket.meter.outgoing.clear()
        if not socket.meter.outgoing:
            self._wait(timeout_s)
            raise self._timeout_error("Operation timed out", None, errno.ETIMEDOUT)
        return socket.meter.outgoing.popleft()

    def _check(self, socket: EmulatedSocket, number: int) -> None:
        number = number if socket.plugged else errno.ENODEV
        if number:
            raise self._error("USB error", None, number)


def _descriptor(**fields: object) -> SimpleNamespace:
    return SimpleNamespace(**{**dict.fromkeys(_UNUSED, 0), **fields})


def _must_exist(there: bool) -> None:
    if not there:
        raise IndexError("no such descriptor")
