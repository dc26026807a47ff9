"""Pure: what sits on the port instead of a KM003C, judged by what it sent."""

import re

from power.errors import MeterProtocolError

SHOWN_CHARACTERS = 24
_TEXT = re.compile(rb"[\t\r\n\x20-\x7e]{4,}")
_NMEA = re.compile(r"\$[A-Z]{2}[A-Z0-9]{3},")  # NMEA 0183: talker, sentence, fields
_MODEM = re.compile(r"\b(AT|OK|ERROR|NO CARRIER)\b")
_OTHER_PORT = "Give the KM003C's own port; it is listed under /dev/serial/by-id with POWER-Z in its name."


def wrong_device(port: str, heard: bytes, asked: bytes) -> MeterProtocolError | None:
    """The error that names the device, from all it sent (`heard`) after the requests `asked`; None if unknown."""
    text = _text_in(heard)
    if heard and heard == asked[: len(heard)]:
        return MeterProtocolError(f"The device on {port} sends back what it is sent; it is no KM003C.", _OTHER_PORT)
    if text is not None:
        return MeterProtocolError(f"The device on {port} sends text{_trade(text)}: {_shown(text)}.", _OTHER_PORT)
    return None


def _text_in(heard: bytes) -> str | None:
    """The longest text, where text is most of what was heard."""
    runs = _TEXT.findall(heard)
    if 2 * sum(map(len, runs)) <= len(heard):
        return None
    return max(runs, key=len).decode("ascii").strip() or None


def _trade(text: str) -> str:
    if _NMEA.search(text):
        return ", as a GPS receiver does"
    return ", as a modem does" if _MODEM.search(text) else ""


def _shown(text: str) -> str:
    """Its first line, cut where it is long."""
    line = text.splitlines()[0]
    return repr(line if len(line) <= SHOWN_CHARACTERS else f"{line[:SHOWN_CHARACTERS]}…")
