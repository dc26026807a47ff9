"""The first line of every session, and what went wrong."""

from dataclasses import dataclass

from device_agent.machine import Machine
from device_agent.wire import Message

BOOT_MARK = b"groupnl-boot "
"""Begins each line that is said before the agent's first message."""

REQUESTS = "GROUPNL_REQUESTS"
"""The environment variable with the lines that an agent answers first."""

PRUNE_COMMAND = "groupnl device prune NAME"
"""In a fault's remedy: with the host's name of the device in place of NAME, which the host puts there."""


@dataclass(frozen=True)
class Hello(Message):
    """The agent's first line: what it is, so that the host talks only to the agent it pushed; and what it runs on.

    `root` is the absolute path of the folder that holds all that is ours there. Requests name what lies below it.
    """

    wire_version: int
    agent_sha256: str
    python: str
    machine: Machine
    root: str


@dataclass(frozen=True)
class AgentFault(Message):
    """The agent could not do what was asked: a stable code, what happened, what to do."""

    code: str
    message: str
    remedy: str
