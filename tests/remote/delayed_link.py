"""A slow road to a TCP port: every byte arrives `delay_s` later, in both directions, in order."""

import asyncio
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress

_Started = Future[tuple[int, asyncio.AbstractEventLoop, asyncio.Event]]


@contextmanager
def delayed_link(port: int, delay_s: float) -> Iterator[int]:
    """The port of a proxy before 127.0.0.1:`port`; a round trip takes twice `delay_s` more than without it."""
    started: _Started = Future()
    thread = threading.Thread(target=lambda: asyncio.run(_run(port, delay_s, started)), daemon=True)
    thread.start()
    own_port, loop, ended = started.result(10)
    try:
        yield own_port
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(10)


async def _run(port: int, delay_s: float, started: "_Started") -> None:
    server, ended = await _serve(port, delay_s), asyncio.Event()
    started.set_result((server.sockets[0].getsockname()[1], asyncio.get_running_loop(), ended))
    await ended.wait()  # `asyncio.run` then cancels whatever still carries
    server.close()


async def _serve(port: int, delay_s: float) -> asyncio.Server:
    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", port)
        with suppress(asyncio.CancelledError):
            await asyncio.gather(_carry(reader, there_writer, delay_s), _carry(there_reader, writer, delay_s))

    return await asyncio.start_server(meet, "127.0.0.1", 0)


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_s: float) -> None:
    on_the_road: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
    delivering = asyncio.create_task(_deliver(on_the_road, writer))
    try:
        while data := await reader.read(1 << 16):
            on_the_road.put_nowait((time.monotonic() + delay_s, data))
    except ConnectionError:
        pass
    on_the_road.put_nowait((time.monotonic() + delay_s, b""))
    await delivering


async def _deliver(on_the_road: "asyncio.Queue[tuple[float, bytes]]", writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            due_s, data = await on_the_road.get()
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            if not data:
                break
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    writer.close()
