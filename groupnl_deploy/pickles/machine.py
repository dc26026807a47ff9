"""A pickle is a program. This one obeys the instructions that build values, and nothing that it builds is foreign code.

PyTorch's own reader (`weights_only`) also runs no code that a file brings, but it calls constructors of its list with
whatever a file gives them: `bytearray(1 << 40)`, an encoding that doubles its text forty times, a dictionary whose key
takes years to hash. Here a name stays a name, objects are records of ours (`inert`), and what is built is counted: time
and memory are bounded by the file's size. Protocols 2 and 3, which torch.save and
NumPy of old write.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from groupnl_deploy.pickles.inert import Name, NumberArray, OddTensor, Storage, TensorView, Thing
from groupnl_deploy.pickles.names import Builder, Names, filled, modern

MOST_INSTRUCTIONS = 1_000_000  # a ResNet-101 with its optimizer needs a tenth
LARGEST_KEY = 1 << 60  # whole numbers below hash to themselves, so none can be made to collide
LONGEST_KEY = 16
LONGEST_WORD = 4096  # of a key; those of networks have a hundred letters
_OF_A_TUPLE = (
    200  # instructions that such a key counts as: its hash has no secret, so a thousand can be made to collide
)
PROTOCOLS = (2, 3)


class Malformed(ValueError):
    """The bytes are no pickle, or one that no program writes."""


class LaterProtocol(ValueError):
    """A pickle of a protocol that is not read."""

    def __init__(self, protocol: int) -> None:
        super().__init__(f"pickle protocol {protocol}")
        self.protocol = protocol


class OtherForm(ValueError):
    """A file that is whole, in a form that is not read; with its way out."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.remedy = remedy


class UnknownName(ValueError):
    """A pickle wants something that is not on the list."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class TooMuch(ValueError):
    """A pickle with more instructions than any checkpoint needs."""


@dataclass(frozen=True)
class Pickled:
    """What a pickle says, where the byte behind it is, and every storage that it speaks of."""

    value: Any
    end: int
    storages: tuple[Storage, ...]


def read_pickle(data: memoryview, allowed: Names, start: int = 0) -> Pickled:
    """The pickle that begins there, which may use the allowed names alone.

    Raises `UnknownName`, `LaterProtocol`, `TooMuch`, and `Malformed` or any error of Python's for what is no pickle.
    """
    machine = _Machine(data, allowed, start)
    value = machine.run()
    return Pickled(value, machine.at, tuple(machine.storages))


class _Machine:
    def __init__(self, data: memoryview, allowed: Names, start: int) -> None:
        self.allowed = allowed
        self.data, self.at, self.left = data, start, MOST_INSTRUCTIONS
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self.storages: list[Storage] = []

    def run(self) -> Any:
        while True:
            self.spend(1)
            code = self.take(1)[0]
            if code == _STOP:
                return self.stack.pop()
            instruction = _INSTRUCTIONS.get(code)
            if instruction is None:
                raise Malformed(f"instruction {code:#04x} is none that builds a value")
            instruction(self)

    def spend(self, count: int) -> None:
        """Account for work that grows with what the file says and not with its size."""
        self.left -= count
        if self.left < 0:
            raise TooMuch(f"over {MOST_INSTRUCTIONS} instructions")

    def take(self, count: int) -> memoryview:
        end = self.at + count
        if end > len(self.data):
            raise Malformed("it ends in the middle of a value")
        taken, self.at = self.data[self.at : end], end
        return taken

    def number(self, layout: str) -> Any:
        return struct.unpack(layout, self.take(struct.calcsize(layout)))[0]

    def line(self) -> str:
        for end in range(self.at, min(self.at + _LONGEST_NAME, len(self.data))):
            if self.data[end] == _NEWLINE:
                text = str(self.data[self.at : end], "utf-8")
                self.at = end + 1
                return text
        raise Malformed("a name has no end")

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def since_mark(self) -> list[Any]:
        items, self.stack = self.stack, self.marks.pop()
        return items

    def global_(self) -> None:
        name = modern(self.line(), self.line())
        if name not in self.allowed:
            raise UnknownName(name)
        self.push(Name(name))

    def call(self) -> None:
        """REDUCE and NEWOBJ alike: the record of what would be called with what."""
        arguments, called = self.stack.pop(), self.stack.pop()
        if not isinstance(called, Name) or not isinstance(arguments, tuple):
            raise Malformed("it calls what is no name")
        self.push(self.builder(called)(arguments, self.spend))

    def builder(self, called: Name) -> Builder:
        builder = self.allowed[called.text]
        if builder is None:
            raise Malformed(f"it calls {called.text}, which is a value")
        return builder

    def build(self) -> None:
        state, made = self.stack.pop(), self.stack[-1]
        if isinstance(made, dict | TensorView | OddTensor):
            return  # attributes of an OrderedDict or a Parameter: of no use here
        filled(made, state)

    def put(self, key: Any, value: Any) -> None:
        target = self.stack[-1]
        if isinstance(target, Thing):
            target.items = {} if target.items is None else target.items
            target = target.items
        if type(target) is not dict:
            raise Malformed("it puts an entry into what is no dictionary")
        self.require_key(key)
        target[key] = value

    def require_key(self, key: Any) -> None:
        """Raise `Malformed` for keys that cost more to hash, or to show, than to read."""
        parts = key if isinstance(key, tuple) else (key,)
        if len(parts) > LONGEST_KEY or not all(map(_is_plain_key, parts)):
            raise Malformed("a dictionary has a key that is no word or number")
        if isinstance(key, tuple):
            self.spend(_OF_A_TUPLE + sum(len(part) for part in parts if isinstance(part, str | bytes)))

    def set_item(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self.put(key, value)

    def set_items(self) -> None:
        items = self.since_mark()
        for index in range(0, len(items) - 1, 2):
            self.put(items[index], items[index + 1])

    def extend(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, Thing):
            return  # a list of a class of its own: of no use here
        if type(target) is not list:
            raise Malformed("it appends to what is no list")
        target.extend(items)

    def mark(self) -> None:
        self.marks.append(self.stack)
        self.stack = []

    def tuple_of(self, count: int) -> None:
        if len(self.stack) < count:
            raise Malformed("a tuple of more than there is")
        self.stack[-count:] = [tuple(self.stack[-count:])]

    def text(self, count: int) -> None:
        self.push(str(self.take(count), "utf-8", "surrogatepass"))

    def old_text(self, count: int) -> None:
        data = bytes(self.take(count))
        try:
            self.push(data.decode("utf-8"))
        except UnicodeDecodeError:
            self.push(data)

    def protocol(self) -> None:
        protocol = self.number("<B")
        if protocol not in PROTOCOLS:
            raise LaterProtocol(protocol)

    def persistent(self) -> None:
        storage = _storage(self.stack.pop())
        self.storages.append(storage)
        self.push(storage)


def _storage(said: Any) -> Storage:
    """PyTorch's ("storage", kind, key, device, count), in old files with a view of (key, start, count) behind it."""
    if not (isinstance(said, tuple) and len(said) in (5, 6) and said[0] in ("storage", b"storage")):
        raise UnknownName("a part of itself that is no storage")
    _, kind, key, _, count, *view = said
    start = 0
    if view and view[0] is not None:
        _, start, count = view[0]
    plain = isinstance(kind, Name) and isinstance(key, str | int)
    if not plain or type(count) is not int or type(start) is not int or count < 0 or start < 0:
        raise Malformed("a storage of no size or kind")
    return Storage(str(key), kind.text.rpartition(".")[2], start, count)


def _is_plain_key(key: Any) -> bool:
    if isinstance(key, int):
        return abs(key) < LARGEST_KEY
    if isinstance(key, str | bytes):
        return len(key) <= LONGEST_WORD
    # Of our records those that are hashed by identity.
    known = float | Name | TensorView | OddTensor | NumberArray | Thing
    return key is None or isinstance(key, known)


_STOP, _NEWLINE, _LONGEST_NAME = 0x2E, 0x0A, 1000


def _memo_get(layout: str) -> Callable[[_Machine], None]:
    return lambda machine: machine.push(machine.memo[machine.number(layout)])


def _memo_put(layout: str) -> Callable[[_Machine], None]:
    def put(machine: _Machine) -> None:
        machine.memo[machine.number(layout)] = machine.stack[-1]

    return put


def _constant(make: Callable[[], Any]) -> Callable[[_Machine], None]:
    return lambda machine: machine.push(make())


def _number(layout: str) -> Callable[[_Machine], None]:
    return lambda machine: machine.push(machine.number(layout))


_INSTRUCTIONS: dict[int, Callable[[_Machine], None]] = {
    0x80: _Machine.protocol,
    ord("c"): _Machine.global_,
    ord("R"): _Machine.call,
    0x81: _Machine.call,
    ord("b"): _Machine.build,
    ord("Q"): _Machine.persistent,
    ord("("): _Machine.mark,
    ord("s"): _Machine.set_item,
    ord("u"): _Machine.set_items,
    ord("a"): lambda machine: machine.extend([machine.stack.pop()]),
    ord("e"): lambda machine: machine.extend(machine.since_mark()),
    ord("t"): lambda machine: machine.push(tuple(machine.since_mark())),
    0x85: lambda machine: machine.tuple_of(1),
    0x86: lambda machine: machine.tuple_of(2),
    0x87: lambda machine: machine.tuple_of(3),
    ord(")"): _constant(tuple),
    ord("]"): _constant(list),
    ord("}"): _constant(dict),
    ord("N"): _constant(lambda: None),
    0x88: _constant(lambda: True),
    0x89: _constant(lambda: False),
    ord("J"): _number("<i"),
    ord("K"): _number("<B"),
    ord("M"): _number("<H"),
    ord("G"): _number(">d"),
    0x8A: lambda machine: machine.push(int.from_bytes(machine.take(machine.number("<B")), "little", signed=True)),
    ord("X"): lambda machine: machine.text(machine.number("<I")),
    ord("U"): lambda machine: machine.old_text(machine.number("<B")),
    ord("T"): lambda machine: machine.old_text(machine.number("<I")),
    ord("C"): lambda machine: machine.push(bytes(machine.take(machine.number("<B")))),
    ord("B"): lambda machine: machine.push(bytearray(machine.take(machine.number("<I")))),
    ord("h"): _memo_get("<B"),
    ord("j"): _memo_get("<I"),
    ord("q"): _memo_put("<B"),
    ord("r"): _memo_put("<I"),
}
