"""`groupnl power list`: which meters are attached, how each can be read, and what stands in the way."""

import shutil
import textwrap
from typing import TYPE_CHECKING

from device_agent.strict import to_dict
from groupnl_deploy.cli import console
from groupnl_deploy.cli.exits import guarded
from groupnl_deploy.cli.options import Json

if TYPE_CHECKING:
    from power.meters.found import FoundMeter

NOTHING = """\
No meter found. Check that

  the cable carries data (many only charge) and sits in the meter's port for the
          computer, not in the measured line;
  lsusb | grep -i {vendor}
          shows the meter; if not, try another cable or USB port;
  ls /dev/serial/by-id
          shows its serial port; if not: sudo modprobe cdc_acm

Without a meter, groupnl power emulate gives you one to try everything with.
"""
LABELS = ("port", "access", "note")
INDENT = 10
WIDEST = 100


@guarded
def list_meters(json: Json = False) -> None:
    """List the power meters that are attached, and what to do where access is denied.

    One meter is listed once for each way to read it. Nothing is sent to any of them.

    Example: groupnl power list
    """
    from power.meters.found import found_meters
    from power.meters.usb_ids import VENDOR_HEX

    meters = found_meters()
    if json:
        listed = [{**to_dict(meter), "accessible": meter.accessible} for meter in meters]
        console.show_json({"schema_version": 1, "meters": listed})
        return
    console.show_text(
        "\n".join([*map(_entry, meters), _example(meters)]) if meters else NOTHING.format(vendor=VENDOR_HEX)
    )


def _entry(meter: "FoundMeter") -> str:
    """A headline and labelled lines below; paths stay whole, so that they can be copied."""
    values = (meter.port or "–", meter.access, meter.note)
    lines = [_labelled(label, value) for label, value in zip(LABELS, values, strict=True)]
    return "\n".join([f"{meter.meter}  ({meter.name}, {meter.transport})", *lines, ""])


def _labelled(label: str, value: str) -> str:
    """Wrapped text, with the udev rule as a line of its own that can be copied."""
    from power.meters.access import UDEV_RULE

    margin = " " * INDENT
    before, rule, after = value.partition(UDEV_RULE)
    lines = [*_wrapped(before), *([margin + rule] if rule else []), *_wrapped(after)]
    return "\n".join([f"  {label}".ljust(INDENT) + lines[0].lstrip(), *lines[1:]])


def _wrapped(text: str) -> list[str]:
    width = min(shutil.get_terminal_size().columns, WIDEST)
    margin = " " * INDENT
    return textwrap.wrap(
        text, width, initial_indent=margin, subsequent_indent=margin, break_long_words=False, break_on_hyphens=False
    )


def _example(meters: "tuple[FoundMeter, ...]") -> str:
    """A recording with the first meter that can be opened."""
    for meter in meters:
        if meter.accessible:
            return (
                f"Try it:\n  groupnl power record --meter {meter.meter} --duration 10 --out trace.csv \\\n"
                f"    --port {meter.port}"
            )
    return "None of them can be opened yet; do first what stands beside “access”."
