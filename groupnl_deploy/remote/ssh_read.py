"""A file of an SSH device, read with many requests on the way at once, so that a slow link is kept full.

paramiko's own read-ahead (`prefetch`) asks from a thread of its own, which prints a traceback when the link dies.
"""

from collections.abc import Iterator
from contextlib import suppress

import paramiko
from paramiko.sftp import CMD_DATA, CMD_READ, int64

_REQUEST_BYTES = 1 << 15  # what every SFTP server has to grant
_AHEAD_BYTES = 64 * _REQUEST_BYTES


def read_ahead(sftp: paramiko.SFTPClient, path: str, size_bytes: int) -> Iterator[bytes]:
    """The first `size_bytes` of a file, in order. Raises `OSError` where it has become shorter."""
    with sftp.open(path, "rb") as stream:
        yield from _Reader(sftp, stream).pieces(size_bytes)


class _Reader:
    """Asks ahead of what was given; what arrives waits for its turn."""

    def __init__(self, sftp: paramiko.SFTPClient, stream: paramiko.SFTPFile) -> None:
        self._sftp, self._stream = sftp, stream
        self._asked: dict[int, tuple[int, int]] = {}  # request → offset and size
        self._arrived: dict[int, bytes] = {}  # by offset

    def pieces(self, size_bytes: int) -> Iterator[bytes]:
        asked_bytes = given_bytes = 0
        while given_bytes < size_bytes:
            while asked_bytes < min(size_bytes, given_bytes + _AHEAD_BYTES):
                asked_bytes += self._ask(asked_bytes, min(_REQUEST_BYTES, size_bytes - asked_bytes))
            while given_bytes not in self._arrived:
                self._sftp._read_response()  # type: ignore[attr-defined]  # calls `_async_response`
            piece = self._arrived.pop(given_bytes)
            given_bytes += len(piece)
            yield piece

    def _ask(self, offset_bytes: int, count_bytes: int) -> int:
        request = self._sftp._async_request(  # type: ignore[attr-defined]
            self, CMD_READ, self._stream.handle, int64(offset_bytes), count_bytes
        )
        self._asked[request] = (offset_bytes, count_bytes)
        return count_bytes

    def _async_response(self, kind: int, answer: paramiko.Message, request: int) -> None:
        """What paramiko calls with the answer to a request of ours."""
        offset_bytes, count_bytes = self._asked.pop(request)
        piece = b""
        with suppress(EOFError):  # the end of the file, where more was expected
            if kind != CMD_DATA:
                self._sftp._convert_status(answer)  # type: ignore[attr-defined]  # raises what the server refused
            piece = answer.get_string()
        if len(piece) != count_bytes:
            raise OSError("it became shorter while it was read")
        self._arrived[offset_bytes] = piece
