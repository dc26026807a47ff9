"""A sign of life."""

from dataclasses import dataclass

from device_agent.wire import Message


@dataclass(frozen=True)
class Alive(Message):
    """The agent lives. Said every few seconds, whatever it is at, but not while it benchmarks; answers nothing."""
