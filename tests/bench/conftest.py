"""Devices for tests of benchmarks."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from groupnl_deploy.deploy.inventory import add_device
from groupnl_deploy.deploy.push import push_artifact
from groupnl_deploy.remote.local import LocalTransport
from tests.bench.road import Road
from tests.remote.weak_link import weak_link


@pytest.fixture(scope="module")
def pushed(untrained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A device's folder to copy, with the artifact and an agent."""
    root = tmp_path_factory.mktemp("pushed") / "root"
    with LocalTransport(root, sys.executable, "board") as transport:
        push_artifact(transport, untrained.onnx)
    return root


@pytest.fixture
def road(sshd, untrained, pushed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Road]:
    monkeypatch.chdir(tmp_path)
    with weak_link(sshd.port) as link:
        with sshd.known_hosts.open("a") as known:
            known.write(f"[{sshd.host}]:{link.port} {sshd.host_key_line}\n")
        road = Road(sshd, link, untrained.onnx)
        add_device(road.device)
        shutil.copytree(pushed, road.root)
        yield road
        for agent in road.agents():
            with suppress(psutil.NoSuchProcess):  # it may come to its own end meanwhile
                agent.kill()
