"""One push or benchmark at a time on a device: how long one waits for another, and what it says meanwhile."""

import socket
from typing import TYPE_CHECKING

from device_agent.messages.lock import Waiting
from groupnl_deploy.progress import Say

if TYPE_CHECKING:
    from groupnl_deploy.remote.client import AgentClient

DEFAULT_WAIT_S = 600.0
LONGEST_WAIT_S = 86_400.0


def take_lock(agent: "AgentClient", device: str, purpose: str, wait_s: float, say: Say) -> None:
    """Hold the device's lock while `agent` lives. Others are told that they wait for `purpose` from this host.

    `say` is told, in a sentence, whom we wait for. Raises `DeviceBusy` after `wait_s`.
    """

    def tell(other: Waiting) -> None:
        say(f"{device} is busy with {other.holder}, for {other.since_s:.0f} s already; waiting up to {wait_s:g} s …")

    agent.take_lock(f"{purpose} from {socket.gethostname()}", wait_s, tell)
