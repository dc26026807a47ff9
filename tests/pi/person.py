"""What tests of the emulated Pi read: a command's output, and the board's own words."""

from collections.abc import Callable
from pathlib import Path

from typer.testing import Result

from tests.pi.machine import USER, EmulatedPi

Groupnl = Callable[..., Result]
"""Runs a command of one person's; `code` is the exit code, or those, that it has to have."""


def flat(done: Result) -> str:
    """Its output on one line, whatever the terminal's width."""
    return " ".join(done.output.split())


def current(pi: EmulatedPi, format: str = "onnx") -> str:
    """The artifact that the board uses."""
    return Path(pi.run(f"readlink /home/{USER}/.groupnl/current/{format}").strip()).name
