"""How to reach one device, as plain data."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Device:
    """How to reach one device. What is None is left to `~/.ssh/config` and SSH's defaults."""

    name: str
    transport: Literal["local", "ssh"]
    host: str | None = None
    user: str | None = None
    port: int | None = None
    identity: str | None = None
    python: str = "python3"
    root: str = ".groupnl"
