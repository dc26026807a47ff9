"""A device that dies without a word, in the middle of a push or while it is waited for, is given up soon.

All of them die at once, each beside the others, so that the quarter of a minute that it takes is spent once.
"""

import fcntl
import logging
import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import psutil
import pytest

from device_agent.messages.bench import BenchRequest, PhaseMark
from device_agent.settings import Settings, Workload
from exporters.artifact import Artifact
from groupnl_deploy.deploy.push import push_artifact
from groupnl_deploy.errors import DeviceUnavailable
from groupnl_deploy.remote.agent import open_agent
from groupnl_deploy.remote.connect import connect
from groupnl_deploy.remote.device import Device
from tests.remote.weak_link import WeakLink, weak_link
from tests.rigs.counted_transport import CountedTransport
from tests.rigs.large_artifact import large_artifact

pytestmark = pytest.mark.sshd

Death = Literal["frozen session", "frozen agent", "silent link"]
Step = Literal["push", "wait", "start", "bench"]

NOTICED_S = 120.0  # it takes 15 to 20 s where nothing else runs, and who does not notice waits for ten minutes
SIZE_BYTES = 12_000_000

CASES: list[tuple[str, Death, Step]] = [
    ("ssh", "frozen session", "push"),
    ("ssh", "frozen session", "wait"),
    ("ssh", "frozen agent", "push"),
    ("ssh", "frozen agent", "wait"),
    ("ssh", "silent link", "push"),
    ("ssh", "silent link", "wait"),
    ("openssh", "frozen session", "push"),
    ("openssh", "silent link", "wait"),
    ("openssh", "frozen agent", "push"),
    ("local", "frozen agent", "push"),
    ("local", "frozen agent", "wait"),
    ("ssh", "frozen agent", "start"),
    ("ssh", "frozen agent", "bench"),
    ("openssh", "frozen agent", "bench"),
    ("local", "frozen agent", "start"),
]


class Dying:
    """A device, and how it dies. `died_s` is when, on this host's clock."""

    def __init__(self, device: Device, death: Death, link: WeakLink, server_pid: int) -> None:
        self.device, self._death, self._link, self._server_pid = device, death, link, server_pid
        self.died_s, self.frozen = 0.0, list[int]()

    def die(self, *_: object) -> None:
        """At once, without a word."""
        if self._death == "silent link":
            self._link.cut("silent")
        else:
            self._freeze()
        self.died_s = time.monotonic()

    def _freeze(self) -> None:
        (agent,) = agents_of(self.device)
        sessions = [one for one in agent.parents() if one.name().startswith("sshd") and one.pid != self._server_pid]
        for process in [agent] if self._death == "frozen agent" else sessions:
            process.suspend()
            self.frozen.append(process.pid)
        assert self.frozen

    def push(self, artifact: Artifact) -> None:
        """It dies in the middle of a file."""
        with connect(self.device) as transport:
            push_artifact(CountedTransport(transport, SIZE_BYTES // 3, self.die), artifact)  # type: ignore[arg-type]

    def wait(self, artifact: Artifact) -> None:
        """It dies while it waits for the lock, which takes as long as whoever holds it wants."""
        held = (Path(self.device.root) / "agents" / "bench.lock").open("ab")
        with held, connect(self.device) as transport, open_agent(transport) as agent:
            fcntl.flock(held, fcntl.LOCK_EX)
            agent.take_lock("a push", 600.0, self.die)

    def start(self, artifact: Artifact) -> None:
        """Its Python stops before it has said anything."""
        python = Path(self.device.root) / "python"
        python.write_text(f'#!/bin/sh\nkill -STOP $$\nexec {self.device.python} "$@"\n')
        python.chmod(0o755)
        self.died_s = time.monotonic()
        with connect(replace(self.device, python=str(python))) as transport, open_agent(transport):
            pass

    def bench(self, artifact: Artifact) -> None:
        """It dies in the first idle window, in which it says nothing anyway."""
        sha256, settings = artifact.sha256, Settings(1, workload=Workload(images=1, idle_s=1.0))
        request = BenchRequest(f"artifacts/{sha256}", sha256, "null", settings, 1, 0.0, "0123456789ab")
        with connect(self.device) as transport:
            push_artifact(transport, artifact)
            with open_agent(transport) as agent:
                for message in agent.bench(request, [np.zeros((3, 32, 32), np.uint8)]):
                    if isinstance(message, PhaseMark):
                        self.die()


def agents_of(device: Device) -> list[psutil.Process]:
    """The processes that run an agent of this device's root."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or []
        if command[-1:] and command[-1].startswith(f"{device.root}/agents/"):
            found.append(process)
    return found


@pytest.fixture
def dying(sshd: Any, tmp_path: Path) -> Iterator[Callable[[str, Death, str], Dying]]:
    """Makes devices that will die; each has a link and a root of its own."""
    with ExitStack() as links:
        made: list[Dying] = []

        def make(transport: str, death: Death, name: str) -> Dying:
            link = links.enter_context(weak_link(sshd.port))
            with sshd.known_hosts.open("a") as known:
                known.write(f"[127.0.0.1]:{link.port} {sshd.host_key_line}\n")
            device = replace(sshd.device(name, port=link.port, root=str(tmp_path / name)), transport=transport)
            if transport == "local":
                device = Device(name, "local", python=device.python, root=device.root)
            made.append(Dying(device, death, link, sshd.pid))
            return made[-1]

        yield make
        for one in made:
            for pid in one.frozen:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


@pytest.mark.alone
def test_every_dead_peer_is_noticed_clean_up_included(
    untrained, dying: Callable[[str, Death, str], Dying], tmp_path: Path
) -> None:
    artifact = large_artifact(untrained.onnx, tmp_path / "net", SIZE_BYTES)
    devices = [dying(transport, death, f"board-{number}") for number, (transport, death, _) in enumerate(CASES)]

    def use(number: int) -> float:
        one, step = devices[number], CASES[number][2]
        with connect(one.device) as transport, open_agent(transport):
            pass  # so that the agent is there
        with pytest.raises(DeviceUnavailable) as caught:
            getattr(one, step)(artifact)
        noticed_s = time.monotonic() - one.died_s
        assert caught.value.transient
        logging.getLogger(__name__).info("%s: %.1f s: %s", CASES[number], noticed_s, caught.value.message)
        return noticed_s

    with ThreadPoolExecutor(len(CASES)) as pool:
        noticed_s = dict(zip(CASES, pool.map(use, range(len(CASES))), strict=True))
    assert max(noticed_s.values()) < NOTICED_S, noticed_s
    for one, (_, death, _) in zip(devices, CASES, strict=True):
        if death == "frozen agent":
            assert agents_of(one.device) == []
