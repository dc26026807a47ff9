"""A weak road to a TCP port: slow, far, counted, and cut when somebody says so, silently or with a reset."""

import asyncio
import socket
import struct
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from typing import Literal

Cut = Literal["silent", "reset"]

_Road = asyncio.Queue[tuple[float, bytes]]
_RESET = struct.pack("ii", 1, 0)  # of SO_LINGER: closing sends RST
_PIECE = 1 << 16
_QUEUED = 16  # pieces on the road at once: how far a sender can run ahead of a slow link


class WeakLink:
    """A proxy before 127.0.0.1. Made by `weak_link`; `cut` and `mend` may be called from any thread."""

    def __init__(self, to_port: int, delay_s: float, bytes_per_s: float | None) -> None:
        self._to, self._delay_s, self._rate = to_port, delay_s, bytes_per_s
        self._cut: Cut | None = None
        self._ways: set[tuple[asyncio.Task[None], asyncio.StreamWriter]] = set()
        self._dead: list[object] = []  # kept, or their sockets would be closed, which tells the other end
        self.port = 0
        self.bytes_there: list[int] = []
        """How many have arrived at the port's owner, over each connection, in their order."""

    def cut(self, how: Cut) -> None:
        """Every connection, those that are made from now on too; silently: nothing arrives, and nobody is told."""
        self._ask(how)

    def mend(self) -> None:
        """New connections go through again; those that were cut stay so."""
        self._ask(None)

    def _ask(self, how: Cut | None) -> None:
        asyncio.run_coroutine_threadsafe(self._set(how), self._loop).result(10)

    async def _set(self, how: Cut | None) -> None:
        self._cut = how
        if how is None:
            return
        for task, writer in self._ways:
            task.cancel()
            if how == "reset":
                _reset(writer)
        self._dead += self._ways
        self._ways.clear()

    def end(self) -> None:
        """Nothing is carried any more."""
        self._loop.call_soon_threadsafe(self._ended.set)

    async def run(self, started: "Future[None]") -> None:
        """Serve until `end`."""
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._meet, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        started.set_result(None)
        await self._ended.wait()  # `asyncio.run` then cancels whatever still carries
        server.close()

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._cut == "reset":
            _reset(writer)
        if self._cut is not None:
            self._dead.append((reader, writer))
            return
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._to)
        number = len(self.bytes_there)
        self.bytes_there.append(0)
        for source, sink, counts in ((reader, there_writer, number), (there_reader, writer, None)):
            task = asyncio.create_task(self._carry(source, sink, counts))
            self._ways.add((task, sink))

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, counts: int | None) -> None:
        road: _Road = asyncio.Queue(_QUEUED)
        delivering = asyncio.create_task(self._deliver(road, writer, counts))
        try:
            data = b"."
            while data:
                try:
                    data = await reader.read(_PIECE)
                except ConnectionError:
                    data = b""
                await road.put((time.monotonic() + self._delay_s, data))
                if self._rate is not None:
                    await asyncio.sleep(len(data) / self._rate)
            await delivering
        finally:
            delivering.cancel()

    async def _deliver(
        self, road: "asyncio.Queue[tuple[float, bytes]]", writer: asyncio.StreamWriter, counts: int | None
    ) -> None:
        with suppress(ConnectionError):
            while True:
                due_s, data = await road.get()
                await asyncio.sleep(max(0.0, due_s - time.monotonic()))
                if not data:
                    break
                writer.write(data)
                await writer.drain()
                if counts is not None:
                    self.bytes_there[counts] += len(data)
        writer.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    there = writer.get_extra_info("socket")
    with suppress(OSError):
        there.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()


@contextmanager
def weak_link(to_port: int, delay_s: float = 0.0, bytes_per_s: float | None = None) -> Iterator[WeakLink]:
    """A road to 127.0.0.1:`to_port`: every byte arrives `delay_s` later, each way, at most so many in a second."""
    link, started = WeakLink(to_port, delay_s, bytes_per_s), Future[None]()
    thread = threading.Thread(target=lambda: asyncio.run(link.run(started)), daemon=True)
    thread.start()
    started.result(10)
    try:
        yield link
    finally:
        link.end()
        thread.join(10)
