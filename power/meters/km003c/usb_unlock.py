"""Unlocks the KM003C's sample queue: the meter's hardware id is read from its memory and sent back to it, encrypted.

The packets' layout and the addresses are those of okhsunrog/km003c-rs. Only the two addresses below are ever read:
others can crash the meter until it is plugged in again.
"""

import struct
import zlib
from collections.abc import Callable
from typing import Protocol

from power.errors import MeterProtocolError, MeterUnreachable
from power.meters.km003c.usb_exchange import REFUSALS, TYPE_BITS, Exchange

MEMORY_READ = 0x44
AUTHENTICATE = 0x4C
CIPHER_BLOCK_BYTES = 16

INFO_ADDRESS, INFO_BYTES = 0x420, 64
MODEL_OFFSET, MODEL = 0x10, b"KM00"  # the model's name, KM003C or KM002C
HARDWARE_ID_ADDRESS, HARDWARE_ID_BYTES = 0x40010450, 12

GRANTED = frozenset({0x0203, 0x0205, 0x0204})  # KM003C at level 1 and 2; KM002C
ATTEMPTS = 3
PAUSE_S = 1.0  # the least between two attempts


class Cipher(Protocol):
    """The encrypted packets, whose keys are the affair of the package `km003c`."""

    def memory_request(self, address: int, size_bytes: int, request_id: int) -> bytes:
        """The packet that asks for a piece of memory."""
        ...

    def authentication(self, hardware_id: bytes, request_id: int) -> bytes:
        """The packet that asks for the queue to be unlocked."""
        ...

    def decrypted(self, data: bytes) -> bytes:
        """What a piece of memory says; a whole number of cipher blocks."""
        ...


def unlock(exchange: Exchange, cipher: Cipher, sleep: Callable[[float], None]) -> None:
    """Unlock the queue of a meter with an open session.

    Raises `MeterUnreachable` when it does not answer, `MeterProtocolError` when it answers what no known firmware
    does or refuses, and `SessionEnded` when it gives up.
    """
    hardware_id = _hardware_id(exchange, cipher)
    for attempt in range(ATTEMPTS):
        if attempt:
            sleep(PAUSE_S)
        # Its reply has the id 0, whatever was asked.
        reply = exchange.ask(lambda number: cipher.authentication(hardware_id, number), AUTHENTICATE, any_id=True)
        if reply is not None and int.from_bytes(reply[2:4], "little") in GRANTED:
            return
    raise MeterProtocolError(
        "The meter does not unlock its fast measurements.",
        "Plug it in again, or use --meter km003c, which needs no unlocking and measures twice a second.",
    )


def _hardware_id(exchange: Exchange, cipher: Cipher) -> bytes:
    """Firmware 2.0.5 sends memory plainly, 1.9.x encrypted: the model's name tells which."""
    info = _memory(exchange, cipher, INFO_ADDRESS, INFO_BYTES)
    hardware_id = _memory(exchange, cipher, HARDWARE_ID_ADDRESS, HARDWARE_ID_BYTES)
    if info.startswith(MODEL, MODEL_OFFSET):
        return hardware_id[:HARDWARE_ID_BYTES]
    if cipher.decrypted(info).startswith(MODEL, MODEL_OFFSET):
        return cipher.decrypted(hardware_id)[:HARDWARE_ID_BYTES]
    raise _strange("names no KM003C, neither plainly nor decrypted")


def _memory(exchange: Exchange, cipher: Cipher, address: int, size_bytes: int) -> bytes:
    """A piece of memory as it is sent: filled up to whole cipher blocks, perhaps encrypted."""
    reply = exchange.ask(lambda number: cipher.memory_request(address, size_bytes, number), MEMORY_READ, *REFUSALS)
    if reply is None:
        raise MeterUnreachable("The meter does not answer.", "Plug it in again, and close other programs that use it.")
    if reply[0] & TYPE_BITS != MEMORY_READ:
        raise _strange(f"cannot be read (answer 0x{reply[0]:02x})")
    _check_confirmation(reply, address, size_bytes)
    wanted = -(-size_bytes // CIPHER_BLOCK_BYTES) * CIPHER_BLOCK_BYTES
    data = exchange.headless(wanted)
    if len(data) != wanted:
        raise _strange(f"came as {len(data)} bytes instead of {wanted}")
    return data


def _check_confirmation(reply: bytes, address: int, size_bytes: int) -> None:
    body = struct.pack("<III", address, size_bytes, 0xFFFFFFFF)
    if reply[4:] != body + struct.pack("<I", zlib.crc32(body)):
        raise _strange("was confirmed for another address")


def _strange(what: str) -> MeterProtocolError:
    return MeterProtocolError(
        f"The meter's memory {what}.", "Plug the meter in again; if this persists, report its firmware version."
    )
