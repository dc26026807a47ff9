"""The first line of every session, and what went wrong."""

from dataclasses import dataclass

from device_agent.machine import Machine
from device_agent.wire import Message


@dataclass(frozen=True)
class Hello(Message):
    """The agent's first line: what it is, so that the host talks only to the agent it pushed; and what it runs on."""

    wire_version: int
    agent_sha256: str
    python: str
    machine: Machine


@dataclass(frozen=True)
class AgentFault(Message):
    """The agent could not do what was asked: a stable code, what happened, what to do."""

    code: str
    message: str
    remedy: str
