"""Which serial ports are meters', and what may be done with them. No port is opened."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from power.meters.usb_ids import PRODUCTS, VENDOR


class UsbPort(Protocol):
    """What the system tells of a serial port; None is what it does not tell, or what a port without USB lacks."""

    device: str
    vid: int | None
    pid: int | None
    serial_number: str | None
    product: str | None


@dataclass(frozen=True)
class FoundPort:
    """A serial port that belongs to a KM003C or KM002C; None is what the system does not tell.

    `stable_path` leads to the same meter after it was plugged in again; `device` may then be another's.
    """

    device: str
    stable_path: str | None
    vid: int | None
    pid: int | None
    serial_number: str | None
    product: str | None
    readable: bool
    writable: bool


def found_ports(ports: Iterable[UsbPort], by_id: Path) -> tuple[FoundPort, ...]:
    """Every meter's serial port, by its USB numbers or by its link in the folder `by_id`, in order of names."""
    links = {os.path.realpath(link): link for link in sorted(by_id.glob("*"))}
    usb = {port.device: port for port in ports}
    found = (_found(device, usb.get(device), links.get(device)) for device in sorted({*usb, *links}))
    return tuple(port for port in found if _is_meter(port))


def _found(device: str, usb: UsbPort | None, link: Path | None) -> FoundPort:
    return FoundPort(
        device=device,
        stable_path=None if link is None else str(link),
        vid=usb.vid if usb else None,
        pid=usb.pid if usb else None,
        serial_number=usb.serial_number if usb else None,
        product=usb.product if usb else None,
        readable=os.access(device, os.R_OK),
        writable=os.access(device, os.W_OK),
    )


def _is_meter(port: FoundPort) -> bool:
    numbered = port.vid == VENDOR and port.pid in PRODUCTS
    return numbered or "POWER-Z" in Path(port.stable_path or "").name
