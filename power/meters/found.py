"""Looks for meters: which are attached, by which word and port they are opened, and what stands in the way.

Only what the system tells is used: no meter is opened and nothing is sent.
"""

from collections.abc import Iterator
from ctypes.util import find_library
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from power.errors import MeterSettingError, MeterUnreachable
from power.meters import access
from power.meters.hwmon_channels import choose_channels
from power.meters.hwmon_node import ROOT, HwmonNode, hwmon_directories
from power.meters.km003c.found_ports import found_ports
from power.meters.usb_ids import PRODUCTS, VENDOR_HEX
from power.meters.waveform import FORMS

POWERZ = "powerz"
USB_PACKAGES = ("usb", "km003c")

TWICE_A_SECOND = "2 measurements a second, however often it is polled"
UNTRIED = "tried on no real meter"
NO_DEVICE = {
    "replay": "Give a recorded CSV: --port trace.csv.",
    "synthetic": f"Give a waveform as --port: {'; '.join(FORMS.values())}.",
}


@dataclass(frozen=True)
class FoundMeter:
    """A way to read a meter that is attached.

    `meter` is the word and `port` the stable path to open it with, None where a driver is missing. `access` is
    "ok" or what to do first.
    """

    meter: str
    name: str
    transport: str
    port: str | None
    access: str
    note: str

    @property
    def accessible(self) -> bool:
        """Whether it can be opened as things are."""
        return self.access == access.OK


def found_meters(root: Path = ROOT) -> tuple[FoundMeter, ...]:
    """Every way to read every meter that is attached. `root` is where `/sys`, `/proc`, `/run` and `/dev` are."""
    devices = tuple(_usb_devices(root))
    nodes = tuple(_nodes(root))
    return (
        *_over_serial(root, devices),
        *_over_powerz(nodes, devices),
        *(_over_usb(device) for device in devices),
        *(_other_sensor(node) for node in nodes if node.name != POWERZ and _is_power_source(node)),
    )


def only_port(meter: str, root: Path = ROOT) -> str:
    """The port of the only attached meter of a name.

    Raises `MeterUnreachable` where there is none, where it cannot be used, or where there are several, and
    `MeterSettingError` for a name that is no device.
    """
    if meter in NO_DEVICE:
        raise MeterSettingError(f"The meter {meter} needs a port.", NO_DEVICE[meter])
    found = [one for one in found_meters(root) if one.meter == meter]
    ports = [one.port for one in found if one.port]
    if len(ports) > 1:
        raise MeterUnreachable(f"{len(ports)} ports fit {meter}: {', '.join(ports)}.", "Give one of them as --port.")
    if ports:
        return ports[0]
    if found:
        raise MeterUnreachable(f"A {found[0].name} is attached, but not to be read as {meter}.", found[0].access)
    raise MeterUnreachable(
        f"No meter for {meter} is attached.",
        "Plug it in with a cable that carries data and look with: groupnl power list; a meter that it does not find "
        "is opened with --port.",
    )


# As Linux `drivers/usb/core/sysfs.c` writes them.
_PRODUCT_FILES = {f"{product:04x}": name for product, name in PRODUCTS.items()}


@dataclass(frozen=True)
class _UsbDevice:
    path: Path
    name: str
    bus_file: Path


def _usb_devices(root: Path) -> Iterator[_UsbDevice]:
    """Meters among the devices of `/sys/bus/usb/devices`, whose names are sockets, such as 1-1.2."""
    for path in sorted((root / "sys/bus/usb/devices").glob("*")):
        product = _PRODUCT_FILES.get(access.text_of(path / "idProduct"))
        if access.text_of(path / "idVendor") == VENDOR_HEX and product:
            bus, number = (access.text_of(path / file).rjust(3, "0") for file in ("busnum", "devnum"))
            serial = access.text_of(path / "serial")
            yield _UsbDevice(path, f"{product} {serial}".strip(), root / "dev/bus/usb" / bus / number)


def _nodes(root: Path) -> Iterator[HwmonNode]:
    for directory in hwmon_directories(root):
        try:
            yield HwmonNode(directory)
        except MeterUnreachable:
            continue  # unplugged while we look


def _over_serial(root: Path, devices: tuple[_UsbDevice, ...]) -> Iterator[FoundMeter]:
    from power.meters.km003c.serial import usb_ports  # pyserial, only when meters are looked for

    ports = found_ports(usb_ports(), root / "dev/serial/by-id")
    for port in ports:
        name = PRODUCTS.get(port.pid or 0, port.product or "POWER-Z")
        warning = f"; {access.MODEM_MANAGER}" if access.modem_manager_probes(port.device, root) else ""
        yield FoundMeter(
            meter="km003c",
            name=f"{name} {port.serial_number or ''}".strip(),
            transport="serial",
            port=port.stable_path or port.device,
            access=access.OK if port.readable and port.writable else f"{access.DENIED} {access.JOIN_DIALOUT}",
            note=TWICE_A_SECOND + warning,
        )
    if not ports:
        for device in devices:
            yield FoundMeter("km003c", device.name, "serial", None, access.NO_CDC_ACM, TWICE_A_SECOND)


def _over_powerz(nodes: tuple[HwmonNode, ...], devices: tuple[_UsbDevice, ...]) -> Iterator[FoundMeter]:
    note = f"{TWICE_A_SECOND}; steps of 1 mV and 1 mA"
    of_driver = [node for node in nodes if node.name == POWERZ]
    for node in of_driver:
        yield FoundMeter("km003c-hwmon", "POWER-Z", "hwmon", str(node.place), _readable(node), note)
    if not of_driver:
        for device in devices:
            yield FoundMeter("km003c-hwmon", device.name, "hwmon", None, access.NO_POWERZ, note)


def _over_usb(device: _UsbDevice) -> FoundMeter:
    note = f"2, 10, 50 or 1000 measurements a second (--meter-rate); {UNTRIED}"
    return FoundMeter("km003c-usb", device.name, "usb", str(device.path), _usb_access(device), note)


def _usb_access(device: _UsbDevice) -> str:
    if not all(find_spec(package) for package in USB_PACKAGES):
        return access.NO_USB_EXTRA
    if find_library("usb-1.0") is None:
        return f"{access.NO_LIBUSB} {access.INSTALL_LIBUSB}"
    return access.OK if access.may_use(device.bus_file) else f"{access.DENIED} {access.USE_UDEV}"


def _is_power_source(node: HwmonNode) -> bool:
    kinds = {quantity.rstrip("0123456789") for quantity in node.quantities}
    return "power" in kinds or {"in", "curr"} <= kinds


def _other_sensor(node: HwmonNode) -> FoundMeter:
    try:
        note = f"reads {choose_channels(node.name, node.quantities, node.labels).field}"
    except MeterSettingError as error:
        note = f"{error.message} {error.remedy}"
    return FoundMeter("hwmon", node.name, "hwmon", str(node.place), _readable(node), note)


def _readable(node: HwmonNode) -> str:
    return access.OK if node.is_readable else access.NOT_READABLE
