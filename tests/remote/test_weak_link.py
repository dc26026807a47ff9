"""The emulated link tells either end what a real network would of the other one's end."""

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.remote.weak_link import weak_link

SOON_S = 5.0
PLENTY = bytes(1 << 24)  # more than all buffers on the way hold


@contextmanager
def ends_of_a_link() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Both ends of one connection that goes over it: who connected, and who was connected to."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(SOON_S)
        with weak_link(server.getsockname()[1]) as link:
            near = socket.create_connection(("127.0.0.1", link.port), SOON_S)
            far, _ = server.accept()
            far.settimeout(SOON_S)
            with near, far:
                yield near, far


@pytest.fixture(params=["near", "far"])
def ends(request: pytest.FixtureRequest) -> Iterator[tuple[socket.socket, socket.socket]]:
    """One that goes, and one that stays."""
    with ends_of_a_link() as (near, far):
        yield (near, far) if request.param == "near" else (far, near)


def test_an_end_that_is_killed_with_something_unread_is_a_reset(ends: tuple[socket.socket, socket.socket]) -> None:
    goes, stays = ends
    stays.sendall(b"x")
    goes.recv(1, socket.MSG_PEEK)
    goes.close()  # the kernel resets a connection whose last bytes nobody has read
    with pytest.raises(ConnectionResetError):
        stays.recv(1)


def test_an_end_that_is_gone_is_told_to_who_sends(ends: tuple[socket.socket, socket.socket]) -> None:
    """It reads nothing, so that all buffers on the way are full when it goes."""
    goes, stays = ends
    stays.settimeout(0.3)
    with pytest.raises(TimeoutError):
        stays.sendall(PLENTY)
    stays.settimeout(SOON_S)
    goes.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    goes.close()
    with pytest.raises(ConnectionError):
        stays.sendall(PLENTY)


def test_the_end_of_one_way_leaves_the_other_open(ends: tuple[socket.socket, socket.socket]) -> None:
    goes, stays = ends
    goes.sendall(b"request")
    goes.shutdown(socket.SHUT_WR)
    assert stays.recv(100) == b"request" and stays.recv(100) == b""
    stays.sendall(b"answer")
    stays.close()
    assert goes.recv(100) == b"answer" and goes.recv(100) == b""
