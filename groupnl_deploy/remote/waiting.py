"""One push or benchmark at a time on a device: how long one waits for another, and what it says meanwhile."""

import socket
from typing import TYPE_CHECKING

from device_agent.messages.lock import TakeLock, Waiting
from device_agent.silence import QUIET_S
from groupnl_deploy.progress import Say

if TYPE_CHECKING:
    from groupnl_deploy.remote.client import AgentClient

DEFAULT_WAIT_S = 600.0
ORPHAN_S = 2 * QUIET_S
"""How long to wait at least once a link was lost: what it left there has the lock until it takes us for gone."""
LONGEST_WAIT_S = 86_400.0


def lock_request(purpose: str, wait_s: float) -> TakeLock:
    """Asks for the device's lock. Others are told that they wait for `purpose` from this host."""
    return TakeLock(f"{purpose} from {socket.gethostname()}", wait_s)


def await_lock(agent: "AgentClient", device: str, request: TakeLock, say: Say) -> None:
    """Hold the device's lock, which was asked for, while `agent` lives.

    `say` is told, in a sentence, whom we wait for. Raises `DeviceBusy` after the request's seconds.
    """

    def tell(other: Waiting) -> None:
        say(
            f"{device} is busy with {other.holder}, for {other.since_s:.0f} s already; "
            f"waiting up to {request.wait_s:g} s …"
        )

    agent.await_lock(request, tell)


def take_lock(agent: "AgentClient", device: str, purpose: str, wait_s: float, say: Say) -> None:
    """Ask for the device's lock and wait for it, as `await_lock` does."""
    request = lock_request(purpose, wait_s)
    agent.send(request)
    await_lock(agent, device, request, say)
