"""Files that are written at once: their readers, and what else lies beside them."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from groupnl_deploy.workspace import write_atomically


@pytest.fixture(params=[0o022, 0o077, 0o002])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_a_file_may_be_read_by_whom_the_umask_says(umask: int, tmp_path: Path) -> None:
    target = tmp_path / ("long" * 60 + ".png")
    for data in (b"first", b"second"):
        write_atomically(target, data)
        assert target.read_bytes() == data
        assert target.stat().st_mode & 0o777 == 0o666 & ~umask
    assert list(tmp_path.iterdir()) == [target]
