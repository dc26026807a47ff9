"""A host that says nothing any more: its agent ends by itself, though no link has told it anything."""

import io
import os
import threading
from collections.abc import Iterator

import pytest

from device_agent.inbox import Inbox
from device_agent.silence import Listened, watch


@pytest.fixture
def pipe() -> Iterator[tuple[Listened, int]]:
    """What an agent reads, and where its host writes."""
    ours, theirs = os.pipe()
    with io.FileIO(ours) as raw:
        yield Listened(raw), theirs


def test_silence_is_told_once_it_is_long(pipe: tuple[Listened, int]) -> None:
    stream, host = pipe
    gone, lines = threading.Event(), io.BufferedReader(stream)
    watch(stream, gone.set, quiet_s=0.5)
    assert not gone.wait(1.0), "nobody waits for anything"
    os.write(host, b"one\n")
    assert lines.readline() == b"one\n"
    reading = threading.Thread(target=lines.readline, daemon=True)
    reading.start()
    assert gone.wait(30)
    os.close(host)
    reading.join(30)


def test_empty_lines_say_only_that_the_host_is_there(pipe: tuple[Listened, int]) -> None:
    stream, host = pipe
    ended = threading.Event()
    inbox = Inbox(io.BufferedReader(stream), ended.set)
    inbox.start()
    os.write(host, b"\n\none\n\n#3\nabc\n#2\n\n\n#0\n\ntwo\n")
    assert inbox.line() == b"one\n"
    assert b"".join(inbox.pieces()) == b"abc\n\n"
    assert inbox.line() == b"two\n" and not ended.is_set()
    os.close(host)
    assert ended.wait(30)
