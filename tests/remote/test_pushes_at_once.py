"""Pushes that meet on one board, over a real OpenSSH server 100 ms away: all end well, and nothing of one is lost."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from device_agent.messages.ledger import Deployment, ReadLedger
from exporters.artifact import Artifact, open_artifact
from groupnl_deploy.deploy.push import push_artifact
from groupnl_deploy.remote.agent import open_agent
from groupnl_deploy.remote.connect import connect
from groupnl_deploy.remote.device import Device
from tests.remote.weak_link import weak_link
from tests.rigs.large_artifact import large_artifact

pytestmark = [pytest.mark.alone, pytest.mark.sshd]

SIZE_BYTES = 1_000_000
Sent = Callable[[int, int], None]


@pytest.fixture(scope="module")
def artifacts(untrained, tmp_path_factory: pytest.TempPathFactory) -> list[Artifact]:
    folder = tmp_path_factory.mktemp("artifacts")
    return [large_artifact(untrained.onnx, folder / f"net-{number}", SIZE_BYTES, number) for number in range(3)]


def push(device: Device, artifact: Artifact, sent: Sent = lambda done, total: None) -> Deployment:
    with connect(device) as transport:
        return push_artifact(transport, artifact, sent)


def require_all_there(device: Device, artifacts: list[Artifact]) -> None:
    """Whole, each once in the ledger, and nothing else."""
    folder = Path(device.root) / "artifacts"
    assert {open_artifact(path).sha256 for path in folder.iterdir()} == {one.sha256 for one in artifacts}
    with connect(device) as transport, open_agent(transport) as agent:
        ledger = agent.ask(ReadLedger(device.name))
    assert ledger.damage is None
    assert {one.artifact_sha256 for one in ledger.deployments} == {one.sha256 for one in artifacts}
    assert list((folder.parent / "incoming").iterdir()) == []


def test_three_artifacts_at_once_and_one_of_them_twice(sshd, artifacts: list[Artifact]) -> None:
    with weak_link(sshd.port, delay_s=0.05) as link, ThreadPoolExecutor() as pool:
        sshd.known_hosts.write_text(f"[127.0.0.1]:{link.port} {sshd.host_key_line}\n")
        device = sshd.device(port=link.port)
        pushes = [pool.submit(push, device, one) for one in [*artifacts, artifacts[0]]]
        assert [one.result().artifact_sha256 for one in pushes] == [one.sha256 for one in [*artifacts, artifacts[0]]]
        require_all_there(device, artifacts)


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_second_push_of_what_is_on_its_way(sshd, artifacts: list[Artifact], share: float) -> None:
    """It begins when so much of the first has been sent; behind the last byte come the check and the rename."""
    begin = threading.Event()

    def tell(done: int, total: int) -> None:
        if done >= share * total:
            begin.set()

    with weak_link(sshd.port, delay_s=0.05) as link, ThreadPoolExecutor() as pool:
        sshd.known_hosts.write_text(f"[127.0.0.1]:{link.port} {sshd.host_key_line}\n")
        device = sshd.device(port=link.port)
        first = pool.submit(push, device, artifacts[0], tell)
        assert begin.wait(60)
        second = pool.submit(push, device, artifacts[0])
        assert first.result().artifact_sha256 == second.result().artifact_sha256
        require_all_there(device, artifacts[:1])
        assert link.bytes_there[1] < SIZE_BYTES / 10  # the second has sent none of it
