"""Which file system a path is on."""

from pathlib import Path

import pytest

from device_agent.disk import mount_of, room_at
from device_agent.sizes import size_text

MOUNTS = (
    "/dev/root / ext4 rw,noatime 0 0",
    "tmpfs /run tmpfs rw 0 0",
    r"/dev/sda1 /media/a\040disk vfat rw 0 0",
    "/dev/sdb1 /data xfs rw 0 0",
    "/dev/sdc1 /data ext4 ro 0 0",
    "damaged",
)


@pytest.mark.parametrize(
    ("path", "mount"),
    [
        ("/home/pi/.groupnl", ("/", "ext4")),
        ("/run", ("/run", "tmpfs")),
        ("/runner", ("/", "ext4")),
        ("/media/a disk/x", ("/media/a disk", "vfat")),
        ("/data/x", ("/data", "ext4")),
    ],
)
def test_the_deepest_mount_that_is_on_top_is_the_paths(path: str, mount: tuple[str, str]) -> None:
    assert mount_of(Path(path), MOUNTS) == mount


def test_a_system_without_a_list_of_mounts_gives_the_path_alone() -> None:
    assert mount_of(Path("/home"), ()) == ("/home", None)


def test_a_path_that_is_not_there_yet_has_the_room_of_what_it_will_be_in(tmp_path: Path) -> None:
    room = room_at(tmp_path / "not" / "yet")
    assert room.mount == room_at(tmp_path).mount and room.block_bytes > 0 and not room.read_only


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [(999, "999 B"), (1000, "1.0 kB"), (12_000_000, "12.0 MB"), (10**12, "1000.0 GB")],
)
def test_sizes_are_for_people(size_bytes: int, text: str) -> None:
    assert size_text(size_bytes) == text
