"""A push over a link that breaks: begun again by itself, from where it was, for as long as it was told to."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from exporters.artifact import Artifact, open_artifact
from groupnl_deploy.deploy.acceptance import Pushed
from groupnl_deploy.deploy.push import deploy_checked
from groupnl_deploy.errors import DeviceUnavailable
from groupnl_deploy.progress import Task
from groupnl_deploy.remote.device import Device
from tests.remote.weak_link import Cut, WeakLink, weak_link
from tests.rigs.large_artifact import large_artifact

pytestmark = pytest.mark.sshd

SIZE_BYTES = 16_000_000
BESIDES_BYTES = 8_000_000  # the agent, and what was on its way when the link broke


@dataclass
class BadDay:
    """A reporter that breaks the link in the middle of a push, and mends it when that is tried again."""

    link: WeakLink
    how: Cut
    cuts: int = 1
    said: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        """One line that stays."""
        self.said.append(text)
        if "trying again" in text:
            self.link.mend()

    @contextlib.contextmanager
    def task(self, name: str) -> Iterator[Task]:
        """One push, all of its tries."""
        cuts_at = [SIZE_BYTES * number // (self.cuts + 1) for number in range(self.cuts, 0, -1)]

        def tell(done: float, total: float | None, detail: str = "") -> None:
            if cuts_at and done > cuts_at[-1]:
                cuts_at.pop()
                self.link.cut(self.how)

        yield tell

    @property
    def retries(self) -> list[str]:
        """What was said of each."""
        return [one for one in self.said if "trying again" in one]


@pytest.fixture(scope="module")
def artifact(untrained, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return large_artifact(untrained.onnx, tmp_path_factory.mktemp("large") / "net", SIZE_BYTES)


@pytest.fixture
def link(sshd: Any) -> Iterator[WeakLink]:
    with weak_link(sshd.port) as link:
        sshd.known_hosts.write_text(f"[127.0.0.1]:{link.port} {sshd.host_key_line}\n")
        yield link


@pytest.fixture
def device(sshd: Any, link: WeakLink) -> Device:
    return sshd.device(port=link.port)


def deploy(device: Device, artifact: Artifact, day: BadDay, retry_for_s: float = 30.0) -> Pushed:
    return deploy_checked(artifact, device, day, wait_s=0, retry_for_s=retry_for_s)


def require_there(device: Device, artifact: Artifact) -> None:
    assert open_artifact(Path(device.root) / "artifacts" / artifact.sha256).sha256 == artifact.sha256


def test_a_push_goes_on_where_its_link_broke(device: Device, artifact: Artifact, link: WeakLink) -> None:
    day = BadDay(link, "reset", cuts=3)
    deploy(device, artifact, day)
    require_there(device, artifact)
    assert 3 <= len(day.retries) <= 6
    assert all("lost" in one or "broke" in one or "closed" in one for one in day.retries), day.retries
    assert sum(link.bytes_there) < SIZE_BYTES + BESIDES_BYTES


def test_it_is_tried_for_as_long_as_it_was_told_to(device: Device, artifact: Artifact, link: WeakLink) -> None:
    day = BadDay(link, "reset")
    with pytest.raises(DeviceUnavailable):
        deploy(device, artifact, day, retry_for_s=0)
    assert day.said == []
    there_bytes = sum(link.bytes_there)
    link.mend()
    deploy(device, artifact, BadDay(link, "reset", cuts=0), retry_for_s=0)
    require_there(device, artifact)
    assert there_bytes < sum(link.bytes_there) < SIZE_BYTES + BESIDES_BYTES


@pytest.mark.slow
def test_wi_fi_that_is_away_for_a_while_costs_a_while(device: Device, artifact: Artifact, link: WeakLink) -> None:
    """Nobody is told of the lost link, the device least of all: its lock is free once its agent takes us for gone."""
    day = BadDay(link, "silent")
    deploy(device, artifact, day)
    require_there(device, artifact)
    assert len(day.retries) == 1
    assert any("busy with a push of net" in one for one in day.said)
    assert sum(link.bytes_there) < SIZE_BYTES + BESIDES_BYTES
