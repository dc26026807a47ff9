"""What a process has sent over TCP, as the kernel counts it: gloo's messages to other processes travel that way."""

import os
import socket
import stat
import struct
from pathlib import Path

_OPEN_FILES = Path("/proc/self/fd")
_TCP_INFO_BYTES = 256
_BYTES_SENT_AT = 200  # of `tcpi_bytes_sent` in `struct tcp_info` (linux/tcp.h), since Linux 4.19
_LONG = struct.Struct("=Q")


def bytes_sent() -> int | None:
    """Payload bytes that all open TCP connections of this process have sent, repeats of lost ones included.

    None where nothing tells: on other systems than Linux, and for GPUs of one machine, which talk without TCP.
    """
    if not _OPEN_FILES.is_dir():
        return None
    total = 0
    for name in os.listdir(_OPEN_FILES):  # noqa: PTH208 - of numbers
        total += _sent_over(int(name))
    return total


def _sent_over(number: int) -> int:
    try:
        if not stat.S_ISSOCK(os.fstat(number).st_mode):
            return 0
        with socket.socket(fileno=os.dup(number)) as connection:
            if connection.family not in (socket.AF_INET, socket.AF_INET6) or connection.type != socket.SOCK_STREAM:
                return 0
            info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
    except OSError:  # closed meanwhile
        return 0
    return _LONG.unpack_from(info, _BYTES_SENT_AT)[0] if len(info) >= _BYTES_SENT_AT + _LONG.size else 0
