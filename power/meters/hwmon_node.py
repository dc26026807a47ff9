"""A node of Linux' hwmon: where it is, what it offers, and reading one of its files.

Nodes are numbered as they come (`hwmon3`), so a node is known by the device it belongs to and found again after
that device was plugged in anew. Files and units as in Linux `Documentation/hwmon/sysfs-interface.rst`.
"""

import contextlib
import errno
import os
import re
from collections.abc import Callable
from pathlib import Path

from power.errors import MeterProtocolError, MeterUnreachable, NoReading
from power.meters.access import text_of
from power.meters.same_device import require_same_serial_number

ROOT = Path("/")
MOUNTS = Path("/proc/self/mountinfo")
NUMBER = re.compile(r"-?\d{1,20}")  # what the kernel writes of a 64-bit number
QUANTITY = re.compile(r"((?:in|curr|power)\d+)_input")
GONE = (errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.ENOTDIR)

ReadText = Callable[[Path], str]


def read_attribute(path: Path) -> str:
    """One file of sysfs."""
    return path.read_text(encoding="ascii", errors="replace")


class HwmonNode:
    """A node by its directory.

    `name` is what its driver calls it; `place` is the path that leads to it whatever its number, if there is one;
    `serial_number` is that of the USB device it belongs to, if any; `quantities` is what it measures of
    electricity, such as `in1` (mV), `curr1` (mA) or `power1` (µW), and `labels` what the driver calls each of them.
    Raises `MeterUnreachable` where there is no node.
    """

    def __init__(self, directory: Path, read_text: ReadText = read_attribute) -> None:
        self._directory = directory
        self._read_text = read_text
        self._inode = _inode(directory)
        self.place = _stable_path(directory)
        try:
            self.name = read_text(directory / "name").strip()
            files = sorted(path.name for path in directory.iterdir())
        except OSError as error:
            raise _unreadable(directory, error) from error
        self.serial_number = _usb_serial_number(directory)
        self.quantities = tuple(match[1] for file in files if (match := QUANTITY.fullmatch(file)))
        self.labels = {quantity: self.text(f"{quantity}_label") or "" for quantity in self.quantities}

    @property
    def is_emulated(self) -> bool:
        """Whether its files are anything but the kernel's: only those of sysfs come from a device."""
        return not _is_on_sysfs(self._directory)

    @property
    def is_readable(self) -> bool:
        """Whether this process may read what it measures."""
        return all(os.access(self._directory / f"{quantity}_input", os.R_OK) for quantity in self.quantities)

    def text(self, attribute: str) -> str | None:
        """A file's first line, None where the node has no such file or does not give it."""
        try:
            return self._read_text(self._directory / attribute).strip()
        except OSError:
            return None

    def number(self, attribute: str) -> int:
        """A file's whole number; asked again once, at the node's new number if its device has come back.

        Raises `NoReading` when the driver gives none either time, `MeterUnreachable` when the node is gone or may not
        be read, `AnotherMeter` when the device there is another one, `MeterProtocolError` when it is no whole number.
        """
        try:
            return self._number(attribute)
        except OSError as error:
            if error.errno in GONE:
                self._find_again(error)
        try:
            return self._number(attribute)
        except OSError as error:
            raise _unreadable(self.place, error) from error

    def _number(self, attribute: str) -> int:
        if _inode(self._directory) != self._inode:  # its number has been given to a node that came later
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
        text = self._read_text(self._directory / attribute)
        if not NUMBER.fullmatch(text.strip()):
            raise MeterProtocolError(
                f"{self.place} gives {text[:20]!r} for {attribute}, which is no whole number.",
                "Check the kernel driver of this sensor, and try again.",
            )
        return int(text)

    def _find_again(self, error: OSError) -> None:
        directory = node_at(self.place)
        if directory is None or node_name(directory, self._read_text) != self.name:
            raise _unreadable(self.place, error) from error
        require_same_serial_number(str(self.place), self.serial_number, _usb_serial_number(directory))
        self._directory, self._inode = directory, _inode(directory)


def hwmon_directories(root: Path = ROOT) -> tuple[Path, ...]:
    """The directories of all nodes below `/sys/class/hwmon`, in order of their names."""
    return tuple(sorted(path.parent for path in (root / "sys/class/hwmon").glob("hwmon*/name")))


def node_name(directory: Path, read_text: ReadText = read_attribute) -> str:
    """What the driver calls the node, empty where there is none."""
    with contextlib.suppress(OSError):
        return read_text(directory / "name").strip()
    return ""


def node_at(place: Path) -> Path | None:
    """The directory of the node that `place` is, or that the device at `place` has; None if there is none."""
    with contextlib.suppress(OSError):
        # The device first: that of an I²C chip has a file called `name` of its own.
        of_device = sorted(path.parent for path in place.glob("hwmon/hwmon*/name"))
        if of_device:
            return of_device[0]
        if (place / "name").is_file():
            return place
    return None


def existing_node_at(place: Path) -> Path:
    """As `node_at`. Raises `MeterUnreachable` if there is none."""
    directory = node_at(place)
    if directory is None:
        raise _absent(place)
    return directory


def _inode(path: Path) -> int:
    """The kernel's number of a file, 0 where there is none; sysfs gives each a new one."""
    with contextlib.suppress(OSError):
        return path.stat().st_ino
    return 0


def _stable_path(directory: Path) -> Path:
    """The device's path below `/sys/bus`, which names its socket or address; else what is known."""
    device = directory / "device"
    if not device.exists():
        return directory
    device = device.resolve()
    by_bus = (device / "subsystem").resolve() / "devices" / device.name
    return by_bus if by_bus.exists() else device


def _usb_serial_number(directory: Path) -> str | None:
    """The kernel's own copy, which asks no device; that of the nearest device above the node that is a USB one."""
    device = (directory / "device").resolve()
    for above in (device, *device.parents):
        if (above / "idVendor").is_file():
            return text_of(above / "serial") or None
    return None


def _is_on_sysfs(path: Path) -> bool:
    """By the mount that holds it: `proc(5)` lists its number in the third field, its type after ` - `."""
    try:
        number = path.stat().st_dev
        mounts = MOUNTS.read_text(encoding="utf-8").splitlines()
    except OSError:
        return False
    wanted = f"{os.major(number)}:{os.minor(number)}"
    halves = (mount.partition(" - ") for mount in mounts)
    return any(before.split()[2] == wanted and after.startswith("sysfs ") for before, _, after in halves)


def _absent(place: Path) -> MeterUnreachable:
    return MeterUnreachable(
        f"There is no sensor at {place}.",
        "Plug it in, see those that there are with: groupnl power list, and give one as --port.",
    )


def _unreadable(place: Path, error: OSError) -> MeterUnreachable:
    if error.errno in GONE:
        return _absent(place)
    if error.errno in (errno.EACCES, errno.EPERM):
        return MeterUnreachable(f"No permission to read {place}.", "Run as a user who may read its files.")
    return NoReading(
        f"The sensor at {place} could not be read: {os.strerror(error.errno or errno.EIO)}.",
        "Read it again; a sensor on USB may need another port or cable, and no hub.",
    )
