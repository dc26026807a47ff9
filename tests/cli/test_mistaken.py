"""What people name in place of an artifact or a checkpoint: told what it is, and the command that makes one of it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from groupnl_deploy.cli.main import app

ONTO = ["--device", "local"]
COMMANDS: dict[str, Callable[[str], list[str]]] = {
    "push": lambda path: ["push", path, *ONTO],
    "bench": lambda path: ["bench", "--artifact", path, *ONTO, "--backend", "onnxruntime"],
    "export": lambda path: ["export", path, "--out", "out"],
    "evaluate": lambda path: ["evaluate", path],
}


def put(path: Path, text: str = "{}") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with one of everything."""
    put(tmp_path / "net" / "checkpoint.json")
    put(tmp_path / "net-onnx" / "manifest.json")
    put(tmp_path / "runs" / "one" / "run.json", json.dumps({"artifact_sha256": "ab" * 32}))
    put(tmp_path / "campaign" / "artifacts" / "net-onnx" / "manifest.json")
    put(tmp_path / "campaign" / "checkpoints" / "net" / "checkpoint.json")
    put(tmp_path / "photos" / "train" / "a cat" / "1.JPG")
    for name in ("my.onnx", "my net.pth", "my.safetensors", "tiny.py", "campaign.toml", "notes.txt"):
        put(tmp_path / name)
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


AN_ARTIFACT = [
    ("net", "net is no artifact but a checkpoint", "groupnl export net --out ARTIFACT"),
    ("my.onnx", "an ONNX file", "groupnl export --onnx my.onnx --out ARTIFACT"),
    ("my net.pth", "a file of weights", "groupnl models import 'my net.pth' --model NAME --out CHECKPOINT"),
    ("my.safetensors", "a file of weights", "then groupnl export CHECKPOINT --out ARTIFACT"),
    ("photos", "a folder of images", "groupnl train --dataset folder --data photos --model NAME --out CHECKPOINT"),
    ("runs/one", "a run", f"groupnl bench --artifact {'ab' * 6}"),
    ("tiny.py", "Python code", "groupnl models init --module tiny.py:FUNCTION --out CHECKPOINT"),
    ("campaign", "the folder of a campaign", "such as campaign/artifacts/net-onnx"),
    ("campaign.toml", "a file of settings", "groupnl run campaign.toml"),
    ("net-onnx/manifest.json", "a file out of such a folder", "Name the folder: net-onnx"),
    ("net/checkpoint.json", "a file out of such a folder", "groupnl export net --out ARTIFACT"),
    ("notes.txt", "it is another file", "Name a folder that groupnl export wrote"),
    ("empty", "it has no manifest.json", "Name a folder that groupnl export wrote"),
    ("net-onx", "", "Did you mean net-onnx?"),
    ("far/away", "", "Name a folder that groupnl export wrote"),
]
A_CHECKPOINT = [
    ("net-onnx", "not a checkpoint folder but an artifact already", "groupnl push net-onnx --device NAME"),
    ("my.onnx", "an ONNX file", "groupnl export --onnx my.onnx --out ARTIFACT"),
    ("my.safetensors", "a file of weights", "groupnl models import my.safetensors --model NAME --out CHECKPOINT"),
    ("photos", "a folder of images", "groupnl train --dataset folder --data photos --model NAME --out CHECKPOINT"),
    ("campaign", "the folder of a campaign", "such as campaign/checkpoints/net"),
    ("nett", "does not exist", "Did you mean net?"),
]
EITHER = [
    ("my.onnx", "neither a checkpoint nor an artifact but an ONNX file", "groupnl export --onnx my.onnx"),
    ("net-onx", "does not exist", "Did you mean net-onnx?"),
    ("empty", "it has no checkpoint.json and no manifest.json", "Name a folder that groupnl train"),
]
CASES = [("export", *case) for case in A_CHECKPOINT] + [("evaluate", *case) for case in EITHER]
CASES += [("push", *case) for case in AN_ARTIFACT] + [("bench", *case) for case in AN_ARTIFACT[1:]]  # it exports "net"


@pytest.mark.parametrize(("command", "path", "words", "remedy"), CASES)
def test_the_remedy_is_the_command_that_makes_one_of_it(
    there: Path, command: str, path: str, words: str, remedy: str
) -> None:
    before = sorted(there.rglob("*"))
    done = CliRunner().invoke(app, COMMANDS[command](path))
    said = " ".join(done.stderr.split())
    assert done.exit_code == 2 and words in said and remedy in said
    assert path in said and sorted(there.rglob("*")) == before
