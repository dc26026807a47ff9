"""What ran is accepted behind its benchmark; where the device has no time for that, it is told, and nothing is lost."""

import shutil
import sys
from pathlib import Path

from device_agent.lock import DeviceLock
from device_agent.messages.ledger import ReadLedger
from groupnl_deploy.deploy.acceptance import accept_pending
from groupnl_deploy.remote.agent import open_agent
from groupnl_deploy.remote.local import LocalTransport


def test_a_busy_device_accepts_it_some_other_time(untrained, pushed: Path, tmp_path: Path) -> None:
    root, said = tmp_path / "root", list[str]()
    shutil.copytree(pushed, root)
    lock = DeviceLock(root / "agents" / "bench.lock")
    lock.take("a push of something else", 0)
    with LocalTransport(root, sys.executable, "board") as transport, open_agent(transport) as agent:
        accept_pending(agent, "board", untrained.onnx.sha256, 0, said.append)
        (one,) = agent.ask(ReadLedger("board")).artifacts
        assert one.state == "pending" and not one.is_current
        assert "not accepted yet" in said[-1] and "a push of something else" in said[-1]
        lock.release()
        accept_pending(agent, "board", untrained.onnx.sha256, 0, said.append)
        assert agent.ask(ReadLedger("board")).artifacts[0].is_current and "current/onnx there" in said[-1]
        accept_pending(agent, "board", untrained.onnx.sha256, 0, said.append)
        assert len(said) == 2  # once is enough
