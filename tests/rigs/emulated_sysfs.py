"""An emulated `/sys` in a folder: hwmon nodes and USB devices that come, go, change their numbers and fail.

A reader tells it from the kernel's by the file system it is on, and marks what it reads there as emulated.
"""

import os
import shutil
from collections import deque
from collections.abc import Mapping
from pathlib import Path

from power.meters.hwmon_node import read_attribute
from power.meters.usb_ids import VENDOR_HEX

POWERZ_LABELS = {"in0": "VBUS", "in1": "VCC1", "in2": "VCC2", "in3": "VDP", "in4": "VDM", "in5": "VDD", "curr1": "IBUS"}


class EmulatedSysfs:
    """`root` stands for `/`. Errors put into `errors` are raised by the next reads of `read_text`, one each.

    `measurements` counts the files read for which a device must be asked.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.errors: deque[int] = deque()
        self.measurements = 0
        (root / "sys/class/hwmon").mkdir(parents=True)
        (root / "sys/bus/usb/devices").mkdir(parents=True)

    def read_text(self, path: Path) -> str:
        """A file's content, or the next of the errors."""
        self.measurements += path.name.endswith("_input")
        if self.errors:
            number = self.errors.popleft()
            if number:
                raise OSError(number, os.strerror(number), str(path))
        return read_attribute(path)

    def add_node(self, number: int, name: str, files: Mapping[str, object], device: str = "") -> Path:
        """A node `hwmon<number>` with these files, of a device such as `usb/1-1.2:1.0` or `i2c/1-0040` if named."""
        link = self.root / "sys/class/hwmon" / f"hwmon{number}"
        node = link
        if device:
            bus, _, address = device.partition("/")
            owner = self._device(bus, address)
            node = owner / "hwmon" / link.name
        node.mkdir(parents=True)
        if device:
            link.symlink_to(node)
            (node / "device").symlink_to(owner)
        (node / "name").write_text(f"{name}\n")
        self.write(node, files)
        return link

    def add_powerz(self, number: int, voltage_mv: int, current_ma: int, device: str = "usb/1-1.2:1.0") -> Path:
        """A node as the driver `powerz` makes it."""
        labels = {f"{quantity}_label": label for quantity, label in POWERZ_LABELS.items()}
        levels = {f"in{number}_input": 0 for number in range(1, 5)} | {"in5_input": 3237, "temp1_input": 25570}
        values = {"in0_input": voltage_mv, "in0_average": voltage_mv, "curr1_input": current_ma}
        return self.add_node(number, "powerz", {**labels, **levels, **values}, device)

    def add_usb_device(self, socket: str, product: str = "0063", serial: str = "007965", number: int = 5) -> Path:
        """A meter's USB device in a socket such as `1-1.2`, with its file below `/dev/bus/usb`.

        It takes the place of the one before.
        """
        path = self._device("usb", socket)
        numbers = {"idVendor": VENDOR_HEX, "idProduct": product, "busnum": 1, "devnum": number}
        self.write(path, {**numbers, "serial": serial, "dev": f"189:{number - 1}"})
        bus = self.root / "dev/bus/usb/001"
        bus.mkdir(parents=True, exist_ok=True)
        (bus / f"{number:03d}").touch()
        return path

    def write(self, node: Path, files: Mapping[str, object]) -> None:
        """Give files new content, a line each."""
        for name, value in files.items():
            (node / name).write_text(f"{value}\n")

    def remove(self, node: Path) -> None:
        """Unplug what the node belongs to."""
        shutil.rmtree(node.resolve())
        if node.is_symlink():
            node.unlink()

    def renumber(self, node: Path, number: int) -> Path:
        """Unplug and plug in again: the same device under another number."""
        link = node.with_name(f"hwmon{number}")
        if node.is_symlink():
            target = node.resolve().rename(node.resolve().with_name(link.name))
            node.unlink()
            link.symlink_to(target)
        else:
            node.rename(link)
        return link

    def _device(self, bus: str, address: str) -> Path:
        """A device on a bus; an interface of USB, such as `1-1.2:1.0`, lies in the device whose it is."""
        whose, colon, _ = address.partition(":")
        owner = self.root / "sys/devices" / (f"{whose}/{address}" if colon else address)
        devices = self.root / "sys/bus" / bus / "devices"
        devices.mkdir(parents=True, exist_ok=True)
        owner.mkdir(parents=True, exist_ok=True)
        if not (owner / "subsystem").exists():
            (owner / "subsystem").symlink_to(self.root / "sys/bus" / bus)
            (devices / owner.name).symlink_to(owner)
        return owner
