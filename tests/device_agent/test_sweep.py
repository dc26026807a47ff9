"""What dead pushes leave is removed; what lives is spared."""

import os
import subprocess
import sys
import time
from pathlib import Path

from device_agent.sweep import hold_agent, sweep


def agents(root: Path) -> list[str]:
    return sorted(file.name for file in (root / "agents").iterdir())


def test_dead_uploads_parts_and_agents_go(tmp_path: Path) -> None:
    mine = tmp_path / "agents" / f"groupnl-agent-{'a' * 64}.pyz"
    mine.parent.mkdir()
    for name in (mine.name, f"groupnl-agent-{'b' * 64}.pyz", "groupnl-agent-c.pyz.0123.part", "bench.lock", "theirs"):
        (mine.parent / name).write_text("x")
    (tmp_path / "deployments.json.0123.part").write_text("x")
    (tmp_path / "incoming" / "dead" / "deep").mkdir(parents=True)
    (tmp_path / "incoming" / "dead" / "deep" / "file").write_text("x")
    sweep(tmp_path, mine)
    assert agents(tmp_path) == ["bench.lock", mine.name, "theirs"]
    assert list((tmp_path / "incoming").iterdir()) == []
    assert not (tmp_path / "deployments.json.0123.part").exists()


def test_a_part_that_is_written_and_an_agent_that_runs_stay(tmp_path: Path) -> None:
    mine, other = (tmp_path / "agents" / f"groupnl-agent-{letter * 64}.pyz" for letter in "ab")
    part = mine.with_name("x.part")
    mine.parent.mkdir()
    other.write_text("x")
    code = "import sys; stream = open(sys.argv[1], 'wb'); print('open', flush=True); sys.stdin.read()"
    writer = subprocess.Popen([sys.executable, "-c", code, str(part)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert writer.stdin and writer.stdout and writer.stdout.readline() == b"open\n"
    running = hold_agent(other)
    sweep(tmp_path, mine)
    assert agents(tmp_path) == [other.name, part.name]
    os.close(running)
    writer.stdin.close()
    writer.wait()
    sweep(tmp_path, mine)
    assert agents(tmp_path) == []


def test_an_upload_stays_for_a_day_and_goes_at_once_in_a_prune(tmp_path: Path) -> None:
    """By the newest of its times, whichever way the clock was set meanwhile."""
    day_s, now_s = 86_400, time.time()
    ages = {"a": 0, "b": day_s - 60, "c": day_s + 60, "d": -day_s - 60, "e": now_s}  # the last by a board in 1970
    for letter, age_s in ages.items():
        folder = tmp_path / "incoming" / (letter * 64)
        folder.mkdir(parents=True)
        (folder / "model.onnx").write_text("x")
        for path in (folder / "model.onnx", folder):
            os.utime(path, (now_s - age_s, now_s - age_s))
    os.utime(tmp_path / "incoming" / ("b" * 64), (0, 0))
    for name in ("f" * 64, f"{'a' * 64}.damaged"):
        (tmp_path / "incoming" / name).write_text("no folder of an artifact")
    sweep(tmp_path, tmp_path / "agents" / "mine.pyz")
    assert sorted(path.name[:2] for path in (tmp_path / "incoming").iterdir()) == ["aa", "bb"]
    sweep(tmp_path, tmp_path / "agents" / "mine.pyz", kept_s=0)
    assert list((tmp_path / "incoming").iterdir()) == []


def test_links_are_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("x")
    root = tmp_path / "root"
    (root / "incoming").mkdir(parents=True)
    (root / "agents").mkdir()
    (root / "incoming" / "link").symlink_to(outside)
    (root / "agents" / "x.part").symlink_to(outside / "precious")
    sweep(root, root / "agents" / "mine.pyz")
    assert (outside / "precious").read_text() == "x"
    (root / "incoming" / "link").unlink(missing_ok=True)
    (root / "incoming").rmdir()
    (root / "incoming").symlink_to(outside)
    sweep(root, root / "agents" / "mine.pyz")
    assert (outside / "precious").read_text() == "x"


def test_files_links_and_pipes_among_the_uploads_go_and_none_is_waited_for(tmp_path: Path) -> None:
    for folder in ("incoming", "agents"):
        (tmp_path / folder).mkdir()
    (tmp_path / "incoming" / "file").write_text("x")
    (tmp_path / "incoming" / "link").symlink_to("nowhere")
    os.mkfifo(tmp_path / "incoming" / "pipe")
    os.mkfifo(tmp_path / "agents" / "x.part")
    sweep(tmp_path, tmp_path / "agents" / "mine.pyz")
    assert list((tmp_path / "incoming").iterdir()) == []


def test_an_empty_device_has_nothing_to_sweep(tmp_path: Path) -> None:
    sweep(tmp_path, tmp_path / "agents" / "mine.pyz")
    assert list(tmp_path.iterdir()) == []
