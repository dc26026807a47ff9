"""A transport that counts the bytes it sends to its processes, and may do something once there were so many."""

from collections.abc import Callable, Sequence
from typing import Any

from groupnl_deploy.remote.transport import SILENCE_S, GoOn, Process, Transport, never


class CountedTransport:
    """The verbs of another transport. `act` is called once, with the process, when it was sent `after_bytes`."""

    def __init__(
        self, transport: Transport, after_bytes: int | None = None, act: Callable[[Process], object] = print
    ) -> None:
        self._transport, self._after_bytes, self._act = transport, after_bytes, act
        self.sent_bytes = 0

    def spawn(self, argv: Sequence[str]) -> Any:
        """A process whose bytes are counted."""
        return _Counted(self._transport.spawn(argv), self)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def count(self, process: Process, size_bytes: int) -> None:
        """So many bytes went to a process."""
        self.sent_bytes += size_bytes
        if self._after_bytes is not None and self.sent_bytes >= self._after_bytes:
            self._after_bytes = None
            self._act(process)


class _Counted:
    def __init__(self, process: Process, transport: CountedTransport) -> None:
        self._process, self._transport = process, transport

    def send(self, data: bytes, timeout_s: float = SILENCE_S, go_on: GoOn = never) -> None:
        self._process.send(data, timeout_s, go_on)
        self._transport.count(self._process, len(data))

    def send_line(self, line: bytes) -> None:
        self.send(line + b"\n")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._process, name)
