"""An agent that is killed: why is asked of the device's kernel, over the same connection."""

import random
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from device_agent import oom
from device_agent.messages.bench import BenchRequest
from device_agent.messages.board import Probe
from device_agent.settings import Settings
from groupnl_deploy.errors import DeviceFault
from groupnl_deploy.remote.agent import open_agent
from groupnl_deploy.remote.client import AgentClient
from groupnl_deploy.remote.connect import connect
from tests.remote.kill_limits import CannotLimit, little_memory
from tests.remote.test_dead_peers import agents_of

pytestmark = pytest.mark.sshd


def killed(agent: AgentClient) -> str:
    with pytest.raises(DeviceFault) as caught:
        agent.ask(Probe())
    return caught.value.message


def test_by_somebody(sshd: Any, tmp_path: Path) -> None:
    device, kills = sshd.device(root=str(tmp_path / "root")), oom.kills()
    with connect(device) as transport, open_agent(transport) as agent:
        agents_of(device)[0].kill()
        said = killed(agent)
    if oom.kills() == kills:  # it is this machine's memory, too
        assert "was killed (SIGKILL), and not by the kernel for want of memory" in said
    assert "was killed" in said


@pytest.mark.root
def test_because_memory_ran_out(sshd: Any, tmp_path: Path) -> None:
    """It is sent more images than it has room for."""
    device = sshd.device(root=str(tmp_path / "root"))
    with connect(device) as transport, open_agent(transport) as agent, ExitStack() as limits:
        try:
            limit = limits.enter_context(little_memory(agents_of(device)[0].pid))
        except CannotLimit as error:
            pytest.skip(str(error))
        limit(random.Random(1))
        request = BenchRequest("artifacts/none", "a" * 64, "null", Settings(1), 10_000, 0.0, "0123456789ab")
        with pytest.raises(DeviceFault, match="was killed by the kernel, because memory ran out"):
            list(agent.bench(request, (np.zeros((3, 2000, 2000), np.uint8) for _ in range(100))))
