"""What a built library asks of a machine and what it offers, read from the file itself (ELF of 64 bits, Mach-O)."""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

_SHT_DYNSYM, _SHT_VERNEED, _PT_LOAD = 11, 0x6FFFFFFE, 1
_OF_THE_LINKER = {"_mh_dylib_header", "__dso_handle"}  # zig's exports them from every library
_LC_SYMTAB, _LC_DYSYMTAB = 0x2, 0xB


@dataclass(frozen=True)
class Binary:
    """The symbols that it exports; the newest glibc that it asks for ("" for none); its segments' least alignment."""

    exports: frozenset[str]
    glibc: str
    alignment: int


def newest(versions: list[str]) -> str:
    """The newest of versions of whole numbers and dots; "" of none."""
    return max(versions, key=lambda version: [int(part) for part in version.split(".")], default="")


def read_elf(data: bytes) -> Binary:
    """Read a shared library for Linux (System V ABI, chapter 4; the Linux Standard Base, symbol versions)."""
    assert data[:6] == b"\x7fELF\x02\x01", "no ELF file of 64 bits, little endian"
    sections = list(_sections(data))
    (symbols,) = (section for section in sections if section.kind == _SHT_DYNSYM)
    names = sections[symbols.link]
    exports = {names.text(name) for name, defined in _symbols(symbols.data) if defined}
    needs = [sections[one.link].text(name) for one in sections if one.kind == _SHT_VERNEED for name in _needs(one.data)]
    versions = [found[1] for need in needs if (found := re.fullmatch(r"GLIBC_([\d.]+)", need))]
    return Binary(frozenset(exports), newest(versions), min(_alignments(data)))


@dataclass(frozen=True)
class _Section:
    kind: int
    link: int
    data: bytes

    def text(self, at: int) -> str:
        return self.data[at : self.data.index(b"\0", at)].decode()


def _sections(data: bytes) -> Iterator[_Section]:
    at, size, count = struct.unpack_from("<Q", data, 0x28)[0], *struct.unpack_from("<HH", data, 0x3A)
    for index in range(count):
        _, kind, _, _, start, length, link = struct.unpack_from("<IIQQQQI", data, at + index * size)
        yield _Section(kind, link, data[start : start + length])


def _symbols(table: bytes) -> Iterator[tuple[int, bool]]:
    """Names, by where they stand, and whether the symbol is defined here."""
    for name, _, _, section, _, _ in struct.iter_unpack("<IBBHQQ", table):
        if name:
            yield name, section != 0


def _needs(table: bytes) -> Iterator[int]:
    """Where the names of needed versions stand."""
    at = 0
    while True:
        _, count, _, first, following = struct.unpack_from("<HHIII", table, at)
        entry = at + first
        for _ in range(count):
            _, _, _, name, step = struct.unpack_from("<IHHII", table, entry)
            yield name
            entry += step
        if following == 0:
            return
        at += following


def _alignments(data: bytes) -> Iterator[int]:
    at, size, count = struct.unpack_from("<Q", data, 0x20)[0], *struct.unpack_from("<HH", data, 0x36)
    for index in range(count):
        kind, _, _, _, _, _, _, alignment = struct.unpack_from("<IIQQQQQQ", data, at + index * size)
        if kind == _PT_LOAD:
            yield alignment


def read_macho(data: bytes) -> Binary:
    """Read a dynamic library for macOS (mach-o/loader.h, mach-o/nlist.h)."""
    assert data[:4] == b"\xcf\xfa\xed\xfe", "no Mach-O file of 64 bits"
    commands = dict(_commands(data))
    symbols, _, names, _ = struct.unpack_from("<IIII", commands[_LC_SYMTAB], 8)
    first, count = struct.unpack_from("<II", commands[_LC_DYSYMTAB], 16)
    exports = set()
    for index in range(first, first + count):
        at = names + struct.unpack_from("<I", data, symbols + 16 * index)[0]
        exports.add(data[at : data.index(b"\0", at)].decode().removeprefix("_"))
    return Binary(frozenset(exports - _OF_THE_LINKER), "", 0x4000)


def _commands(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 32
    for _ in range(struct.unpack_from("<I", data, 16)[0]):
        kind, size = struct.unpack_from("<II", data, at)
        yield kind, data[at : at + size]
        at += size
