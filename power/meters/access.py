"""What may stand between a user and an attached meter, and what to do about each.

Rules, groups and drivers as on Debian, Raspberry Pi OS and Ubuntu.
"""

import contextlib
import os
from pathlib import Path

from power.meters.usb_ids import VENDOR_HEX

OK = "ok"
UDEV_RULE = (
    f'SUBSYSTEM=="usb", ATTR{{idVendor}}=="{VENDOR_HEX}", MODE="0660", GROUP="plugdev", TAG+="uaccess", '
    'ENV{ID_MM_DEVICE_IGNORE}="1"'
)
DENIED = "No permission."
USE_UDEV = (
    f"Write the line {UDEV_RULE} into /etc/udev/rules.d/70-powerz.rules, run sudo udevadm control "
    "--reload, and plug the meter in again; over SSH your user must be in the group plugdev."
)
JOIN_DIALOUT = (
    "Join the group that owns the port (sudo usermod -aG dialout $USER; on Arch uucp) and log in again, or add a udev "
    f"rule for USB vendor {VENDOR_HEX}."
)
NO_CDC_ACM = "No serial port. Load the kernel's driver: sudo modprobe cdc_acm."
NO_POWERZ = (
    "No sensor. Load the kernel's driver: sudo modprobe powerz (Linux 6.7 and newer; Raspberry Pi OS since May 2025)."
)
NO_USB_EXTRA = "Not installed. Install the extra: pip install 'groupnl-deploy[usb]'."
NO_LIBUSB = "The library libusb is missing."
INSTALL_LIBUSB = "Install it: sudo apt install libusb-1.0-0, or brew install libusb."
NOT_READABLE = "No permission to read its files. Run as a user who may."
MODEM_MANAGER = (
    "ModemManager is running and sends text to new serial ports; keep it away with this line in "
    f"/etc/udev/rules.d/70-powerz.rules: {UDEV_RULE}"
)


def modem_manager_probes(device: str, root: Path) -> bool:
    """Whether ModemManager runs and nothing tells it to leave a serial port (`/dev/ttyACM0`) alone."""
    tty = root / "sys/class/tty" / Path(device).name
    usb_device = (tty / "device").resolve().parent
    return _runs_modem_manager(root) and not any(_is_ignored(directory, root) for directory in (tty, usb_device))


def may_use(path: Path) -> bool:
    """Whether this process may read and write a file."""
    return os.access(path, os.R_OK | os.W_OK)


def text_of(path: Path) -> str:
    """A small file's content without white space around it, empty where there is none."""
    with contextlib.suppress(OSError):
        return path.read_text(encoding="utf-8", errors="replace").strip()
    return ""


def _runs_modem_manager(root: Path) -> bool:
    return any(text_of(process) == "ModemManager" for process in (root / "proc").glob("[0-9]*/comm"))


def _is_ignored(directory: Path, root: Path) -> bool:
    """As udev has noted it in its database, by the device's number."""
    number = text_of(directory / "dev")
    return bool(number) and "E:ID_MM_DEVICE_IGNORE=1" in text_of(root / "run/udev/data" / f"c{number}").splitlines()
