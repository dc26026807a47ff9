"""Lines of ours taken out of a command's bytes, however these are cut."""

import itertools
import os
import threading
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from groupnl_deploy.power_run.streams import Copy, Stamps

TOKEN = b"\x1eours "


def taken(data: bytes, cuts: list[int]) -> tuple[bytes, list[bytes]]:
    stamps, places = Stamps(TOKEN), sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    own = b"".join(stamps.take(data[start:end]) for start, end in itertools.pairwise(places) if start < end)
    return own + stamps.take(b""), stamps.records


@given(st.lists(st.integers(0, 200), max_size=8))
def test_what_is_the_commands_comes_through_to_the_byte(cuts: list[int]) -> None:
    data = b"hello\n" + TOKEN + b"ready 1\n" + b"a\x1e\x1eour\x1eours\n\xff" + TOKEN + b"end 2 0\n" + b"later\x1eou"
    assert taken(data, cuts) == (b"a\x1e\x1eour\x1eours\n\xfflater\x1eou", [b"ready 1", b"end 2 0"])


def test_a_line_of_ours_that_was_cut_is_held_until_the_end() -> None:
    stamps = Stamps(TOKEN)
    assert stamps.take(TOKEN + b"ready\nx" + TOKEN + b"en") == b"x"
    assert stamps.take(b"d 1\ny") == b"y" and stamps.records == [b"ready", b"end 1"]


def test_without_a_line_of_ours_nothing_is_the_commands() -> None:
    assert taken(b"Welcome to the board\n", [3]) == (b"", [])


def test_a_reader_who_is_slow_and_does_not_let_us_wait_gets_every_byte(tmp_path: Path) -> None:
    data = bytes(range(256)) * 4096
    reads, writes = os.pipe()
    os.set_blocking(writes, False)
    source, given = os.pipe()
    copy = Copy(os.fdopen(source, "rb", buffering=0), tmp_path / "kept", writes)
    got = bytearray()

    def read() -> None:
        while chunk := os.read(reads, 5000):
            got.extend(chunk)

    reader = threading.Thread(target=read)
    reader.start()
    with os.fdopen(given, "wb") as stream:
        stream.write(data)
    assert copy.ended(20)
    os.close(writes)
    reader.join()
    os.close(reads)
    assert bytes(got) == data == (tmp_path / "kept").read_bytes() and copy.problem is None
