"""A weak road to a TCP port: slow, far, counted, and cut when somebody says so, silently or with a reset."""

import asyncio
import socket
import struct
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Literal

Cut = Literal["silent", "reset"]

_Road = asyncio.Queue[tuple[float, bytes]]
_RESET = struct.pack("ii", 1, 0)  # of SO_LINGER: closing sends RST
_PIECE = 1 << 16
_CLOSING_S = 0.01
_QUEUED = 16  # pieces on the road at once: how far a sender can run ahead of a slow link


@dataclass(frozen=True)
class _End:
    """One end of a connection that goes over the link."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def reset(self) -> None:
        with suppress(OSError):
            self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.writer.transport.abort()


class WeakLink:
    """A proxy before a port, on 127.0.0.1. Made by `weak_link`; `cut` and `mend` may be called from any thread.

    What becomes of one end is told to the other, as a network does: the end of what it sends, or a reset.
    """

    def __init__(self, to: tuple[str, int], delay_s: float, bytes_per_s: float | None) -> None:
        self._to, self._delay_s, self._rate = to, delay_s, bytes_per_s
        self._cut: Cut | None = None
        self._carried: dict[asyncio.Task[None], tuple[_End, _End]] = {}
        self._dead: list[tuple[_End, ...]] = []  # kept, or their sockets would be closed, which tells the other end
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
        for task, ends in self._carried.items():
            task.cancel()
            for end in ends if how == "reset" else ():
                end.reset()
        self._dead += self._carried.values()
        self._carried.clear()

    def end(self) -> None:
        """Nothing is carried any more."""
        self._loop.call_soon_threadsafe(self._ended.set)

    async def run(self, started: "Future[None]") -> None:
        """Serve until `end`."""
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._meet, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        started.set_result(None)
        await self._ended.wait()
        server.close()
        for task in self._carried:
            task.cancel()
        for end in (end for ends in (*self._carried.values(), *self._dead) for end in ends):
            end.writer.transport.abort()
        await asyncio.sleep(_CLOSING_S)  # transports close their sockets in the loop's next rounds

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        near = _End(reader, writer)
        if self._is_refused(near):
            return
        far = _End(*await asyncio.open_connection(*self._to))
        if self._is_refused(near, far):  # cut meanwhile
            return
        self.bytes_there.append(0)
        # Not in this task: asyncio closes the connection of one that is cancelled.
        task = asyncio.create_task(self._carry(near, far, len(self.bytes_there) - 1))
        self._carried[task] = (near, far)
        task.add_done_callback(lambda task: self._carried.pop(task, None))

    def _is_refused(self, *ends: _End) -> bool:
        """Whether the link is cut: then nothing comes of this connection."""
        if self._cut is None:
            return False
        for end in ends if self._cut == "reset" else ():
            end.reset()
        self._dead.append(ends)
        return True

    async def _carry(self, near: _End, far: _End, number: int) -> None:
        """Both ways, each until its own end; a reset is the end of both."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for source, sink, counts in ((near, far, number), (far, near, None)):
                    road = _Road(_QUEUED)
                    tasks.create_task(self._take(source, road))
                    tasks.create_task(self._deliver(road, sink, counts))
        except* OSError:
            near.reset()
            far.reset()
        near.writer.close()
        far.writer.close()

    async def _take(self, source: _End, road: _Road) -> None:
        data = b"."
        while data:
            data = await source.reader.read(_PIECE)
            await road.put((time.monotonic() + self._delay_s, data))
            if self._rate is not None:
                await asyncio.sleep(len(data) / self._rate)

    async def _deliver(self, road: _Road, sink: _End, counts: int | None) -> None:
        while True:
            due_s, data = await road.get()
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            if not data:
                break
            sink.writer.write(data)
            await sink.writer.drain()
            if counts is not None:
                self.bytes_there[counts] += len(data)
        sink.writer.write_eof()


@contextmanager
def weak_link(
    to_port: int, delay_s: float = 0.0, bytes_per_s: float | None = None, *, to_host: str = "127.0.0.1"
) -> Iterator[WeakLink]:
    """A road to a port: every byte arrives `delay_s` later, each way, at most so many in a second."""
    link, started = WeakLink((to_host, to_port), delay_s, bytes_per_s), Future[None]()
    thread = threading.Thread(target=lambda: asyncio.run(link.run(started)), daemon=True)
    thread.start()
    started.result(10)
    try:
        yield link
    finally:
        link.end()
        thread.join(10)
