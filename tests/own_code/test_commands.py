"""A user's own network through the commands: from a file to a bench in two of them, and code runs only where named."""

import ast
import json
import unicodedata
from pathlib import Path

import pytest
from typer.testing import CliRunner

from groupnl_deploy.cli.main import app
from groupnl_deploy.models import own

ROOT = Path(__file__).parents[2]
NET = """
from pathlib import Path
from torch import nn

Path("ran").touch()

def net(num_classes=10):
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, stride=2), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, num_classes),
    )
"""
CAMPAIGN = """
out = "job"
[[models]]
label = "own"
{}
[export]
formats = "onnx"
[bench]
backends = "null"
"""


@pytest.fixture(autouse=True)
def net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text(NET)


def groupnl(line: str, code: int = 0) -> str:
    """Both streams of a command that ends with this code, as in a process of its own: it knows no code yet."""
    own._builders.clear()
    done = CliRunner().invoke(app, line.split())
    assert done.exit_code == code, done.output
    return done.stdout + done.stderr


def ran() -> bool:
    """Whether the file was run since this was asked the last time."""
    was = Path("ran").exists()
    Path("ran").unlink(missing_ok=True)
    return was


@pytest.mark.slow
def test_a_network_in_a_file_is_benched_by_two_commands() -> None:
    groupnl("export --module net.py:net --input 3,32,32 --out art")
    model = json.loads(Path("art/manifest.json").read_text())["model"]
    assert model["code"]["file"] == "net.py" and str(Path.cwd()) not in json.dumps(model)
    assert ran()
    quick = "--idle 0 --warmup 0 --seconds 0 --iterations 1 --images 1"
    said = CliRunner().invoke(app, f"bench art --device local {quick}".split())
    assert "local has no art yet, so it is pushed first." in said.stderr and said.exit_code in (0, 6), said.output
    assert "net" in said.stdout and not ran()
    assert (
        "is pushed first"
        not in CliRunner().invoke(app, f"bench art --device local --backend null {quick}".split()).output
    )


def test_a_checkpoint_of_own_code_asks_for_it_again_and_refuses_what_has_changed() -> None:
    groupnl("models init --module net.py:net --input 3,32,32 --conv groupnl --out net")
    assert ran()
    again = "groupnl export net --out art --module net.py:net"
    assert again in groupnl("export net --out art", 2)
    assert "groupnl evaluate net --module net.py:net" in groupnl("evaluate net", 2)
    assert "--module net.py:net" in groupnl("train --init net --epochs 1 --out more", 2)
    assert "groupnl models show net --module net.py:net" in groupnl("models show net", 2)
    assert not ran(), "a record never has code run"
    assert "runs on this machine alone" in groupnl("export net --module net.py:net --format torch --out art", 2)
    assert "GroupNL" in groupnl("models show net --module net.py:net")
    Path("elsewhere.py").write_text(NET)
    assert "does not say which code" in groupnl("export net --module elsewhere.py:net --out art", 2)
    Path("net.py").write_text(NET.replace("8, 8", "8, 8 "))
    assert "net.py has changed" in groupnl("export net --module net.py:net --out art", 4)
    assert not Path("art").exists()


def test_a_campaign_runs_code_only_where_that_is_allowed() -> None:
    Path("job.toml").write_text(CAMPAIGN.format('module = "net.py:net"'))
    for line in ("run job.toml", "run job.toml --list"):
        said = groupnl(line, 2)
        assert "net.py:net" in said and "--allow-code" in said
    assert not ran() and not Path("job").exists()
    assert "export-own-onnx" in groupnl("run job.toml --list --allow-code")
    assert ran()


def test_a_checkpoint_in_a_campaign_has_its_code_named_beside_it() -> None:
    groupnl("models init --module net.py:net --input 3,32,32 --out net")
    Path("job.toml").write_text(CAMPAIGN.format('checkpoint = "net"'))
    said = groupnl("run job.toml --to export", 2)
    assert 'Name it beside the checkpoint: module = "net.py:net".' in said
    Path("job.toml").write_text(CAMPAIGN.format('checkpoint = "net"\nmodule = "net.py:net"'))
    groupnl("run job.toml --allow-code --to export")
    assert Path("job/artifacts/own-onnx/manifest.json").exists()


def test_one_network_is_named_and_no_two() -> None:
    for line in ("models show", "models init --out net", "models plot", "export --out art"):
        assert "--module FILE.py:FUNCTION" in groupnl(line, 2)
    for line in ("models show resnet18", "models init resnet18 --out net", "train --model resnet18 --out net"):
        assert "two networks" in groupnl(f"{line} --module net.py:net", 2)
    assert "Give it as --module net.py:net." in groupnl("models init net.py:net --out net", 2)
    assert not ran()


def test_code_of_users_is_run_in_one_room() -> None:
    """Whatever else imports by a name takes it from the project's own tables."""
    running = {"exec", "eval", "compile", "__import__", "importlib.util.spec_from_file_location"}
    running |= {"runpy.run_path", "runpy.run_module", "sys.path.insert", "sys.path.append"}
    last, found = {word.rpartition(".")[2] for word in running}, set()
    for package in ("groupnl_deploy", "device_agent", "exporters", "power"):
        for path in (ROOT / package).rglob("*.py"):
            text = unicodedata.normalize("NFKC", path.read_text())  # as Python reads names
            if not any(all(part in text for part in word.split(".")) for word in running):
                continue  # parsing all takes seconds
            for node in ast.walk(ast.parse(text)):
                name = getattr(node, "id", getattr(node, "attr", None))  # quick, of half a million
                used = isinstance(getattr(node, "ctx", None), ast.Load)  # and not a field of that name
                if name in last and used and ast.unparse(node) in running:
                    found.add(path.relative_to(ROOT).as_posix())
    found.remove("groupnl_deploy/native/build_script.py")  # takes a checkout's own native/build.py
    assert found == {"groupnl_deploy/own_code/load.py", "groupnl_deploy/own_code/neighbours.py"}
