"""A network link of this machine with a delay, a loss and a rate, to a network namespace of its own.

Two TAP devices, one here and one in the namespace, joined by a process that holds each frame back, or drops it. It is
a real link: TCP sees its round trips and its losses, which a proxy would hide. Needs root, `/dev/net/tun` and iproute2.
"""

import collections
import fcntl
import os
import random
import select
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE, THERE = "10.79.113.1", "10.79.113.2"
_NAMESPACE, _TAP_HERE, _TAP_THERE = "groupnl-bench", "gnl-here", "gnl-there"
_TUNSETIFF, _IFF_TAP, _IFF_NO_PI = 0x400454CA, 0x0002, 0x1000
_FRAME_BYTES = 1 << 16
_BUFFER_S = 0.1  # of frames that wait for their turn; what comes then is dropped, as a router does


@dataclass(frozen=True)
class LinkKind:
    """What a link is like.

    Args:
        name: for people.
        round_trip_s: the delay of both ways together.
        loss: of each frame, each way; 0.01 for 1 %.
        bits_per_s: each way; 0 for as fast as it goes.
    """

    name: str
    round_trip_s: float = 0.0
    loss: float = 0.0
    bits_per_s: float = 0.0


def why_not() -> str | None:
    """What this machine lacks for such a link."""
    if os.geteuid() != 0 or not Path("/dev/net/tun").exists() or shutil.which("ip") is None:
        return "root, /dev/net/tun and the command ip (package iproute2)"
    return None


class _OneWay:
    """The frames on the road in one direction."""

    def __init__(self, kind: LinkKind, seed: int) -> None:
        self._kind, self._chance = kind, random.Random(seed)
        self._road: collections.deque[tuple[float, bytes]] = collections.deque()
        self._free_s = 0.0

    def take(self, frame: bytes, now_s: float) -> None:
        if self._chance.random() < self._kind.loss:
            return
        begin_s = max(now_s, self._free_s)
        if begin_s - now_s > _BUFFER_S:
            return
        self._free_s = begin_s + (len(frame) * 8 / self._kind.bits_per_s if self._kind.bits_per_s else 0.0)
        self._road.append((self._free_s + self._kind.round_trip_s / 2, frame))

    def next_s(self) -> float | None:
        return self._road[0][0] if self._road else None

    def arrived(self, now_s: float) -> Iterator[bytes]:
        while self._road and self._road[0][0] <= now_s:
            yield self._road.popleft()[1]


@contextmanager
def network_link(kind: LinkKind) -> Iterator[str]:
    """The network namespace behind the link, whose address is `THERE`, while the block runs."""
    _ip("netns", "add", _NAMESPACE)
    try:
        command = [sys.executable, __file__, *map(str, (kind.round_trip_s, kind.loss, kind.bits_per_s))]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as carrier:
            assert carrier.stdout
            if carrier.stdout.readline() != b"ready\n":
                raise RuntimeError("the link does not come up")
            try:
                yield _NAMESPACE
            finally:
                carrier.terminate()
    finally:
        _ip("netns", "delete", _NAMESPACE)


def main() -> None:
    """Be the link, until the process is ended; its devices go with it."""
    kind = LinkKind("", *map(float, sys.argv[1:]))
    here, there = _tap(_TAP_HERE), _tap(_TAP_THERE)
    _ip("link", "set", _TAP_THERE, "netns", _NAMESPACE)
    for prefix, device, address in (((), _TAP_HERE, HERE), (("-n", _NAMESPACE), _TAP_THERE, THERE)):
        _ip(*prefix, "address", "add", f"{address}/30", "dev", device)
        _ip(*prefix, "link", "set", device, "up")
    _ip("-n", _NAMESPACE, "link", "set", "lo", "up")
    ways = {here: (there, _OneWay(kind, 1)), there: (here, _OneWay(kind, 2))}
    poller = select.poll()
    for device in ways:
        poller.register(device, select.POLLIN)
    print("ready", flush=True)
    while True:
        _turn(ways, poller)


def _turn(ways: dict[int, tuple[int, _OneWay]], poller: "select.poll") -> None:
    """Wait for a frame, or for one to be due; take in what came and give out what is due."""
    due_s = min((at for _, way in ways.values() if (at := way.next_s()) is not None), default=None)
    wait_ms = None if due_s is None else max(0.0, (due_s - time.monotonic()) * 1000)
    for device, _ in poller.poll(wait_ms):
        frame, now_s = os.read(device, _FRAME_BYTES), time.monotonic()
        ways[device][1].take(frame, now_s)
    now_s = time.monotonic()
    for out, way in ways.values():
        for frame in way.arrived(now_s):
            os.write(out, frame)


def _tap(name: str) -> int:
    device = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH", name.encode(), _IFF_TAP | _IFF_NO_PI))
    return device


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


if __name__ == "__main__":
    main()
