"""A client's child as a channel: whose end it was that it ended with."""

import subprocess
import sys

import pytest

from groupnl_deploy.remote.client_channel import ClientChannel


@pytest.mark.parametrize(
    ("code", "is_cut", "status"),
    [
        ("print('begun'); sys.exit(255)", False, 255),  # the command's own, though nobody has read a word of it yet
        ("print('begun'); sys.exit(255)", True, -1),  # the link's
        ("sys.exit(255)", False, -1),  # the client's, which was given no session
        ("print('begun'); sys.exit(3)", True, 3),
    ],
)
def test_an_end_before_anything_was_read_is_told_right(code: str, is_cut: bool, status: int) -> None:
    command = [sys.executable, "-c", f"import sys; {code}"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe) as child:
        channel = ClientChannel(child, lambda: is_cut)
        assert channel.status_event.wait(60)
        assert (channel.exit_status, channel.closed) == (status, status < 0)
        channel.close()
