"""What needs no PyTorch does not wait for it: lists, help, and mistakes on the command line."""

import subprocess
import sys
from pathlib import Path

SLOW = {"torch", "onnx", "onnx_ir", "onnxruntime", "sklearn", "scipy", "matplotlib", "paramiko", "PIL"}
WRONG = (
    "models show resnet81",
    "models show resnet18_cifar --conv grupnl",
    "models plot resnet81",
    "models plot resnet18_cifar --out picture.gif",
    "models plot --nlf cosine china",
    "models init resnet81 --out net",
    "models init resnet18_cifar --width 0 --out net",
    "models init resnet18_cifar",
    "models import file.pth --model resnet81 --out net",
    "train --model resnet81 --out net",
    "train --dataset digit --out net",
    "train --conv groupnl --ratio r --out net",
    "train --out .",
    "evaluate nowhere",
    "export nowhere --out art",
    "export nowhere --optimize most --out art",
    "export nowhere --opset 3 --out art",
    "push nowhere --device board",
    "bench --device board --backend null",
    "bench --device local --backend onnx",
    "run nowhere.toml",
    "run campaign.toml --from begin",
    "run unknown.toml",
    "device show board",
    "power record --meter km004",
)
CAMPAIGN = 'out = "out"\n[[models]]\nlabel = "a"\nmodel = "{}"\n'
CODE = """
import functools
import sys
import typer
typer.main.get_command = functools.cache(typer.main.get_command)  # as in tests/conftest.py
from typer.testing import CliRunner
from groupnl_deploy.cli.main import app
slow, wrong = set(sys.argv[1].split()), sys.argv[2:]
def helps(command, path):
    yield [*path, "--help"]
    for name, inner in getattr(command, "commands", {}).items():
        yield from helps(inner, [*path, name])
right = [["models", "list"], ["models", "list", "--json"], *helps(typer.main.get_command(app), [])]
for words, code in [*((words, 0) for words in right), *((line.split(), 2) for line in wrong)]:
    done = CliRunner().invoke(app, words)
    assert done.exit_code == code, (words, done.exit_code, done.output)
    assert not slow & set(sys.modules), (words, slow & set(sys.modules))
print(len(right))
"""


def test_lists_help_and_mistakes_import_nothing_slow(tmp_path: Path) -> None:
    for name, model in (("campaign", "resnet18"), ("unknown", "resnet81")):
        (tmp_path / f"{name}.toml").write_text(CAMPAIGN.format(model))
    words = [sys.executable, "-c", CODE, " ".join(SLOW), *WRONG]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 20
