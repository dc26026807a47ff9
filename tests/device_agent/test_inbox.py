"""Lines and frames of bytes as a hostile or dying host sends them: each a fault, never a crash, never more memory."""

import io
import os
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from device_agent.errors import BadRequest
from device_agent.inbox import PIECE_BYTES, Inbox, read_items
from device_agent.messages.clock import Ping
from device_agent.messages.push import OpenPush, PushFile, SendFile
from device_agent.wire import encode
from groupnl_deploy.errors import DeviceFault, UsageError
from groupnl_deploy.remote.agent import open_agent
from groupnl_deploy.remote.client import AgentClient
from groupnl_deploy.remote.local import LocalTransport

BIG = os.urandom(2 * PIECE_BYTES + 5)


@pytest.mark.parametrize(
    ("sent", "items"),
    [
        (b"", []),
        (b"one\ntwo\n", [("line", b"one\n"), ("line", b"two\n")]),
        (b"cut", [("line", b"cut")]),
        (b"#3\nabc#0\nnext\n", [("piece", b"abc"), ("last", b""), ("line", b"next\n")]),
        (b"#2\n\n##0\n", [("piece", b"\n#"), ("last", b"")]),
        (b"#0\n#0\n", [("last", b""), ("last", b"")]),
        (
            b"#%d\n%s#0\n" % (len(BIG), BIG),
            [("piece", BIG[i : i + PIECE_BYTES]) for i in range(0, len(BIG), PIECE_BYTES)] + [("last", b"")],
        ),
        (b"#5\nabc", [("piece", b"abc")]),  # truncated
        (b"#999999999999999999\nabc", [("piece", b"abc")]),  # a huge one takes what comes, no more
        (b"#5", [("damage", b"#5")]),
        *(
            (b"%s\nline\n" % header, [("damage", b"%s\n" % header)])
            for header in (b"#-1", b"#", b"#+5", b"# 5", b"#5 ", b"#0x5", b"#1e3", b"#5.0", "#٣".encode(), b"#5\r")
        ),
        (b"#9999999999999999999\n", [("damage", b"#9999999999999999999")]),
    ],
)
def test_a_stream_falls_into_lines_and_pieces(sent: bytes, items: list[tuple[str, bytes]]) -> None:
    assert list(read_items(io.BytesIO(sent))) == items


def inbox(sent: bytes) -> Inbox:
    made = Inbox(io.BytesIO(sent), lambda: None)
    made.start()
    return made


def test_bytes_follow_their_line_and_the_next_line_follows_them() -> None:
    found = inbox(b"a\n#2\nxy#1\nz#0\nb\n")
    assert found.line() == b"a\n"
    assert b"".join(found.pieces()) == b"xyz"
    assert found.line() == b"b\n"


def test_bytes_that_a_failed_request_has_left_are_skipped() -> None:
    found = inbox(b"a\n#2\nxy#1\nz#0\nb\n#1\nx#0\nc\n")
    found.line()
    next(found.pieces())
    assert found.line() == b"b\n"
    found.skip_bytes()
    assert found.line() == b"c\n"


def test_bytes_that_nobody_announced_are_a_fault_once() -> None:
    found = inbox(b"#2\nxy#1\nz#0\nb\n")
    with pytest.raises(BadRequest, match="no request had announced"):
        found.line()
    assert found.line() == b"b\n"


@pytest.mark.parametrize("sent", [b"a\n#2\nxy", b"a\n#2\nxyb\n#0\n", b"a\n"])
def test_bytes_without_their_end_are_a_fault(sent: bytes) -> None:
    found = inbox(sent)
    found.line()
    with pytest.raises(BadRequest, match="ended without their end"):
        list(found.pieces())


def test_no_more_than_a_few_megabytes_wait() -> None:
    """The reader stops where nobody takes what has come; a line may always wait."""
    given = 0

    class Endless(io.BufferedIOBase):
        def readline(self, size: int | None = -1) -> bytes:
            return b"#%d\n" % PIECE_BYTES

        def read1(self, size: int = -1) -> bytes:
            nonlocal given
            given += size
            return bytes(size)

    found = Inbox(Endless(), lambda: None)
    found.start()
    taken = sum(len(piece) for piece, _ in zip(found.pieces(), range(100), strict=False))
    waiting = threading.Event()
    waiting.wait(0.5)
    assert 0 < given - taken < 10_000_000


@contextmanager
def running(root: Path) -> Iterator[AgentClient]:
    with LocalTransport(root, sys.executable) as transport, open_agent(transport) as agent:
        agent.take_lock("a test", 0, lambda other: None)
        yield agent


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AgentClient]:
    with running(tmp_path_factory.mktemp("device")) as agent:
        yield agent


@pytest.fixture
def agent(lasting: AgentClient) -> AgentClient:
    """One for all tests, which nothing here may end; nothing has arrived there."""
    shutil.rmtree(Path(lasting.root) / "incoming", ignore_errors=True)
    return lasting


FILES = (PushFile("model.onnx", "b" * 64, 3), PushFile("manifest.json", "a" * 64, 5))


def lying(agent: AgentClient) -> list[str]:
    root = Path(agent.root)
    return sorted(
        str(path.relative_to(root)) for path in root.rglob("*") if path.is_file() and "agents" not in str(path)
    )


@pytest.mark.parametrize(
    ("name", "offset_bytes", "data", "words"),
    [
        ("other.onnx", 0, b"abc", "no file 'other.onnx'"),
        ("../model.onnx", 0, b"abc", "no file"),
        ("/etc/passwd", 0, b"abc", "no file"),
        ("", 0, b"abc", "no file"),
        ("model.onnx", 1, b"bc", "cannot go on from 1"),
        ("model.onnx", -1, b"abcd", "cannot go on from -1"),
        ("model.onnx", 0, b"abcd", "more than its 3 bytes"),
        ("model.onnx", 0, b"ab", "ended after 2 of its bytes"),
        ("model.onnx", 0, b"", "ended after 0 of its bytes"),
    ],
)
def test_what_was_not_announced_is_a_fault_and_no_file(
    agent: AgentClient, name: str, offset_bytes: int, data: bytes, words: str
) -> None:
    agent.ask(OpenPush("a" * 64, FILES))
    request = SendFile(name, offset_bytes)
    agent.send(request)
    agent.process.send(b"#%d\n%s#0\n" % (len(data), data) if data else b"#0\n")
    with pytest.raises(UsageError, match=words):
        agent.answer_to(request)
    assert agent.ask(Ping()).device_ns > 0
    assert all(file.startswith(f"incoming/{'a' * 64}/model.onnx") for file in lying(agent))


@pytest.mark.parametrize("name", ["../x", "a/b", "/x", "", ".", "..", "a\0b", "a\nb"])
def test_a_push_of_files_with_names_that_are_none_is_refused(agent: AgentClient, name: str) -> None:
    line = encode(OpenPush("a" * 64, FILES)).replace(b'"model.onnx"', encode(SendFile(name, 0))[27:].split(b",")[0])
    agent.process.send_line(line)
    with pytest.raises(UsageError, match="not a plain file name"):
        agent.answer_to(Ping())
    assert lying(agent) == []


def test_bytes_without_an_open_push_are_a_fault_and_a_frame_of_no_length_is_the_end(tmp_path: Path) -> None:
    with running(tmp_path) as agent:
        request = SendFile("model.onnx", 0)
        agent.send(request)
        agent.process.send(b"#3\nabc#0\n")
        with pytest.raises(UsageError, match="No push is open"):
            agent.answer_to(request)
        agent.ask(OpenPush("a" * 64, FILES))
        agent.send(request)
        agent.process.send(b"#2\nab#-5\nabcde#0\n")
        with pytest.raises(UsageError, match=r"began with b'#-5.*no length"):
            agent.answer_to(request)
        with pytest.raises(DeviceFault, match="ended with code 0"):
            agent.ask(Ping())
        assert lying(agent) == [f"incoming/{'a' * 64}/model.onnx"]
