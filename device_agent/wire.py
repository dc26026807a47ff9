"""The wire format: one JSON object a line, each a frozen dataclass with a `type` key; bytes in frames (`inbox.py`).

The agent owns these types because it runs where the least is installed; the host imports them. Data only: nothing that
travels is code, and nothing is ever unpickled. A change that an older agent could not read raises `WIRE_VERSION`, which
the first message of every session carries. Times are `time.perf_counter_ns()` of the device; the host maps them to its
own clock by `Ping`.
"""

import functools
import importlib
import json
import re
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, get_args

from device_agent.strict import StrictError, from_dict, to_dict

if TYPE_CHECKING:
    from device_agent.session import Session

WIRE_VERSION = 8
ANSWER_S = 30.0
DISK_S = 300.0
"""To read an artifact back from a slow SD card, and to flush it."""

# The registry of messages: a new one is a file in `device_agent/messages` and a line here. What a push says is first.
MESSAGE_FILES = (
    "device_agent.messages.greeting",
    "device_agent.messages.alive",
    "device_agent.messages.clock",
    "device_agent.messages.lock",
    "device_agent.messages.doctor",
    "device_agent.messages.push",
    "device_agent.messages.ledger",
    "device_agent.messages.board",
    "device_agent.messages.accept",
    "device_agent.messages.artifacts",
    "device_agent.messages.native",
    "device_agent.messages.provision",
    "device_agent.messages.bench",
    "device_agent.messages.profile",
    "device_agent.messages.answers",
    "device_agent.messages.spool",
)


class Message:
    """A frozen dataclass that travels. Its name on the wire is its class's: `PhaseMark` is `phase_mark`."""


Answer = TypeVar("Answer", bound=Message)


class Request(Message, Generic[Answer]):
    """A message that the agent answers. `patience_s` is how long the host waits for the answer."""

    patience_s: ClassVar[float] = ANSWER_S

    def answer(self, session: "Session") -> Answer:
        """Do what was asked; on the device alone. Raises an `AgentError` for what the device cannot do."""
        raise NotImplementedError(f"{type(self).__name__} has no method answer")


def answer_of(request: type[Request[Answer]]) -> type[Answer]:
    """The class of a request's answer."""
    answer: type[Answer] = get_args(request.__orig_bases__[0])[0]  # type: ignore[attr-defined]
    return answer


def message_classes() -> dict[str, type[Message]]:
    """Every message by its name on the wire."""
    return {name: one for file in MESSAGE_FILES for name, one in _messages_of(file).items()}


def _message_class(name: str) -> type[Message] | None:
    """A message by its name. Files behind its own are not imported: an agent that is pushed to starts the sooner."""
    return next((found[name] for file in MESSAGE_FILES if name in (found := _messages_of(file))), None)


@functools.cache
def _messages_of(file: str) -> dict[str, type[Message]]:
    module = importlib.import_module(file)
    own = (one for one in vars(module).values() if isinstance(one, type) and one.__module__ == file)
    return {_wire_name(one): one for one in own if issubclass(one, Message)}


def _wire_name(message: type[Message]) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", message.__name__).lower()


def encode(message: Message) -> bytes:
    """One line without its newline."""
    body = {"type": _wire_name(type(message)), **to_dict(message)}
    return json.dumps(body, separators=(",", ":"), allow_nan=False).encode()


def decode(line: bytes) -> Message:
    """Strict inverse of `encode`. Raises `StrictError` for anything that is not one of our messages."""
    try:
        body = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise StrictError(f"not a message of ours: {line[:80]!r} ({error})") from error
    name: Any = body.pop("type", None) if isinstance(body, dict) else None
    kind = _message_class(name) if isinstance(name, str) else None
    if kind is None:
        raise StrictError(f"not a message of ours: {line[:80]!r}")
    return from_dict(kind, body, name)
