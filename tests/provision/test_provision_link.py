"""Provisioning over a link that breaks: begun again by itself, and what has arrived of the wheels is not sent again."""

import contextlib
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from device_agent.environments import python_of
from groupnl_deploy.deploy.provision import Wish, provision_device
from groupnl_deploy.errors import DeviceUnavailable
from groupnl_deploy.progress import Task
from groupnl_deploy.remote.transfer import PIECE_BYTES
from tests.provision.test_provision import MakeWheelhouse, make_wheelhouse
from tests.remote.weak_link import WeakLink, weak_link

pytestmark = pytest.mark.sshd
__all__ = ["make_wheelhouse"]

CODE_BYTES = 64 * PIECE_BYTES
BESIDES_BYTES = 5_000_000  # the agent, and what was on its way when the link broke; the tries that fail come to 27 MB


class BadDay:
    """A reporter that breaks the link at so many bytes of the wheels, and mends it when that is tried again."""

    def __init__(self, link: WeakLink, *cuts_at: int) -> None:
        self._link, self._cuts_at = link, list(cuts_at)
        self.retries: list[str] = []

    def note(self, text: str) -> None:
        """One line that stays."""
        if "trying again" in text:
            self.retries.append(text)
            self._link.mend()

    @contextlib.contextmanager
    def task(self, name: str) -> Iterator[Task]:
        """A bar."""

        def tell(done: float, total: float | None, detail: str = "") -> None:
            if self._cuts_at and done > self._cuts_at[0]:
                self._cuts_at.pop(0)
                self._link.cut("reset")

        yield tell


@pytest.fixture
def link(sshd: Any) -> Iterator[WeakLink]:
    with weak_link(sshd.port, bytes_per_s=1.6e7) as link:
        sshd.known_hosts.write_text(f"[127.0.0.1]:{link.port} {sshd.host_key_line}\n")
        yield link


@pytest.mark.slow
def test_it_goes_on_where_its_link_broke(
    sshd: Any, link: WeakLink, make_wheelhouse: MakeWheelhouse, tmp_path: Path
) -> None:
    device = sshd.device(port=link.port, python=sys.executable, root=str(tmp_path / "root"))
    wheelhouse = make_wheelhouse("1.0", f"# {random.Random(1).randbytes(CODE_BYTES // 2).hex()}")
    wish = Wish("onnxruntime", uncertified=True, offline=wheelhouse.folder)
    with pytest.raises(DeviceUnavailable):
        provision_device(device, wish, BadDay(link, CODE_BYTES // 3), wait_s=0, retry_for_s=0)
    link.mend()
    day = BadDay(link, CODE_BYTES // 2, CODE_BYTES * 3 // 4)
    made = provision_device(device, wish, day, wait_s=0, retry_for_s=30)
    assert made.built is not None and made.built.versions == {"numpy": "2.0", "onnxruntime": "1.0"}
    assert len(day.retries) >= 2
    assert python_of(tmp_path / "root", "onnxruntime") == str(tmp_path / "root/environments/onnxruntime/bin/python")
    assert sum(link.bytes_there) < wheelhouse.size_bytes + BESIDES_BYTES
