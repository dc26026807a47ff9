"""A sign of life, and the wish for an end."""

from dataclasses import dataclass

from device_agent.wire import Message


@dataclass(frozen=True)
class Alive(Message):
    """The agent lives. Said every few seconds, whatever it is at, but not while it benchmarks; answers nothing."""


@dataclass(frozen=True)
class Abort(Message):
    """End now, whatever you do, and leave nothing of it: the user wants no result. There is no answer."""
