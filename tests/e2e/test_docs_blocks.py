"""Every code block of the pages is tried, so that a new one is tested the day it is written.

Python runs in its order, a page in one namespace. Lines of shell are parsed by the real command line; what needs no
board, no meter, no network and no minutes is run (slow). A campaign is read. A block of any other kind is `text`.
"""

import itertools
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import typer
from torch import nn

from exporters.onnx_exporter import export_onnx
from exporters.optimize import optimize
from exporters.parity import prove_onnx
from exporters.reference import reference_of
from exporters.tolerances import DYNAMIC
from groupnl_deploy.campaign.load import load_campaign
from groupnl_deploy.cli.main import app
from groupnl_deploy.models.layers.shape import ConvShape
from groupnl_deploy.models.registry import create_model, model_spec
from groupnl_deploy.models.spec import ConvSpec, ModelSpec

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
# A block of one of these is prose: a picture, an output, a line to be put somewhere.
NO_CODE = {"text", "csv", "json"}
# What else a line of shell may begin with; it needs a network, another machine or rights.
OF_OTHERS = {
    "python3",
    "source",
    "ssh",
    "ssh-keygen",
    "scp",
    "printf",
    "echo",
    "cat",
    "sudo",
    "cd",
    "mkdir",
    "cp",
    "git",
}
OF_OTHERS |= {"ssh-keygen", "cat", "echo", "pip", ".venv/bin/pip", "~/.groupnl-venv/bin/pip"}

# Programs for a device with a model on it: `test_artifacts_on_a_device.py` and `test_native_bench.py` push one and run
# them.
ON_A_DEVICE = {"native.md", "deployment.md"}


@dataclass(frozen=True)
class Block:
    """A fenced block and where it stands."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    found = re.finditer(r"^( *)```(\S*)\n(.*?)^\1```$", text, flags=re.DOTALL | re.MULTILINE)
    return [Block(page, text[: one.start()].count("\n") + 1, one[2], one[3]) for one in found]


ALL = [block for page in PAGES for block in blocks(page)]


def of(*languages: str) -> list[Block]:
    return [block for block in ALL if block.language in languages]


def lines(block: Block) -> list[str]:
    """The commands of a shell block, without comments, continued lines joined."""
    joined = block.text.replace("\\\n", " ")
    return [line.strip() for line in joined.splitlines() if line.strip() and not line.strip().startswith("#")]


def words(line: str) -> list[str]:
    return shlex.split(line, comments=True)


def is_group(command) -> bool:
    """Typer brings a click of its own, whose classes are not click's."""
    return hasattr(command, "resolve_command")


COMMAND_LINE = typer.main.get_command(app)


def parsed(arguments: list[str]) -> None:
    """Let the real command line take these words, up to where the command would begin."""
    command, context = COMMAND_LINE, None
    while is_group(command):
        context = command.make_context(command.name or "groupnl", list(arguments), parent=context)
        _, command, arguments = command.resolve_command(context, [*context._protected_args, *context.args])
    command.make_context(command.name, list(arguments), parent=context)


def test_every_page_has_blocks_of_known_kinds():
    assert len(ALL) > 25
    unknown = [str(block) for block in ALL if block.language not in {"sh", "python", "toml", "", *NO_CODE}]
    assert not unknown, "a block's first line says what it is: sh, python, toml or text"
    # A block without a word is one of commands too.
    assert all(re.match(r"python |groupnl |make ", line) for block in of("") for line in lines(block))


@pytest.mark.parametrize("block", of("sh", ""), ids=str)
def test_commands_are_known_with_their_options(block):
    for line in lines(block):
        for part in line.split(" && "):
            _require_known(words(part))


def _require_known(command: list[str]) -> None:
    if command[0] == "groupnl":
        parsed(command[1:])
    elif command[0] == "make":
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
        assert set(command[1:]) <= set(targets)
    elif command[0] in ("python", ".venv/bin/python") and command[1].endswith(".py"):
        assert (ROOT / command[1]).is_file()
        source = "".join(path.read_text() for path in (ROOT / command[1]).parent.glob("*.py"))
        assert all(f'"{option}"' in source for option in command[2:] if option.startswith("--"))
    else:
        assert command[0] in OF_OTHERS, f"say in this file how {command[0]} is tested"


def test_the_check_would_see_a_wrong_option():
    for wrong in (
        "export net --out x --optimise full",
        "exports net",
        "power record --metre km003c",
        "bench --repeats x",
    ):
        with pytest.raises(Exception, match=r"No such|valid integer"):
            parsed(wrong.split())


MENTIONED = re.compile(r"`groupnl ([^`]+)`")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_options_mentioned_in_sentences_exist(page):
    prose = re.sub(r"^ *```.*?^ *```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    for mention in MENTIONED.findall(prose):
        for one in mention.replace("\\|", "|").split(", "):
            command, rest = _command_of(re.findall(r"[\w./|…-]+", one))
            known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
            options = {word for word in rest if word.startswith("--")} - {"--help", "--debug", "--"}
            assert options <= known, mention


def _command_of(said: list[str]):
    """The command that words begin with (the first of `list|show`), and the words behind."""
    command = COMMAND_LINE
    while is_group(command) and said and not said[0].startswith("-"):
        name = said[0].split("|")[0]
        if name not in command.commands:
            break
        command, said = command.commands[name], said[1:]
    return command, said


CAMPAIGNS = [*of("toml"), *(Block(path, 1, "toml", path.read_text()) for path in (ROOT / "examples").glob("*.toml"))]


@pytest.mark.parametrize("block", CAMPAIGNS, ids=str)
def test_a_campaign_is_read(block, tmp_path):
    path = tmp_path / "campaign.toml"
    path.write_text(block.text, encoding="utf-8")
    assert load_campaign(path).models


def run_python(page: Path, monkeypatch) -> dict:
    """All Python of a page, in one namespace."""
    monkeypatch.setitem(sys.modules, "timm", SimpleNamespace(create_model=_like_timm))
    names: dict = {"__name__": "page"}
    for block in of("python"):
        if block.page == page:
            exec(compile("\n" * block.line + block.text, page.name, "exec"), names)
    return names


def _like_timm(name: str) -> nn.Module:
    """The network of the same keys and geometry that is here; timm itself is no dependency."""
    return create_model(model_spec("mobilenetv3_large_100", "standard", width=0.25))


def on_this_machine(page: Path) -> bool:
    return page.name not in ON_A_DEVICE and any(block.page == page for block in of("python"))


def tried_always(page: Path) -> object:
    """The page of the Python API trains, exports, pushes and benches: half of what all pages together take."""
    return pytest.param(page, marks=pytest.mark.slow) if page.name == "api.md" else page


@pytest.mark.parametrize("page", [tried_always(page) for page in PAGES if on_this_machine(page)], ids=str)
def test_python_runs(page, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    run_python(page, monkeypatch)


def require_exported(model: nn.Module, shape: tuple[int, ...]) -> None:
    """To ONNX Runtime through every pass, for one image and for several."""
    images = np.random.default_rng(0).standard_normal((6, *shape)).astype(np.float32)
    for dynamic in (False, True):
        reference = reference_of(model.eval(), images, DYNAMIC if dynamic else (1,))
        raw = export_onnx(model, (1, *shape), dynamic_batch=dynamic)
        assert optimize(raw, partial(prove_onnx, reference)).parity.same_top1


def test_the_layer_and_the_network_of_the_page_run_in_onnx_runtime(monkeypatch, capsys):
    names = run_python(ROOT / "docs" / "extending.md", monkeypatch)
    layer = names["ShuffledConv2d"](SimpleNamespace(num_groups=2), ConvShape(8, 8, 1))
    maps = torch.randn(2, 8, 4, 4)
    assert torch.equal(layer(maps), nn.functional.channel_shuffle(nn.Conv2d.forward(layer, maps), 2))
    require_exported(
        nn.Sequential(layer, nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 5)), (8, 6, 6)
    )
    require_exported(names["tiny_cifar"](ModelSpec("tiny_cifar", ConvSpec("standard"), width=0.25)), (3, 32, 32))


def command(arguments: list[str], folder: Path, **environment: str) -> str:
    """Run `groupnl` for real; its standard output."""
    words_ = [sys.executable, "-m", "groupnl_deploy.cli.entry", *arguments]
    done = subprocess.run(words_, cwd=folder, capture_output=True, text=True, check=False, env=os.environ | environment)
    assert done.returncode == 0, f"groupnl {' '.join(arguments)}: {done.stderr}"
    return done.stdout


def why_not_run(arguments: list[str], folder: Path) -> str | None:
    """What a command would need that a test has not."""
    line = " ".join(arguments)
    if is_here(arguments):
        subjects = itertools.takewhile(lambda word: not word.startswith("-"), arguments[1:])
        return None if all((folder / one).exists() for one in subjects) else "what a command made that was not run"
    long = ("run", "train", "grow", "evaluate", "bench")
    if arguments[0] in long or line.startswith(("power emulate", "power watch")):
        return "minutes"
    if line.startswith("power mark"):
        return "a recording that grows"
    if line.startswith("device wheelhouse"):
        return "an index of packages"
    if (line.startswith(("device", "push")) and line != "device list") or " --device " in f"{line} ":
        return "a board"
    if "--meter km003c" in line and "--port emulator" not in line:
        return "a meter"
    if line.startswith("models import"):
        return "a file of somebody's"
    if "photos" in arguments and not (folder / "photos").exists():
        return "images of somebody's"  # tests/e2e/test_own_images.py has some
    if arguments[0] == "report" and not (folder / "runs").exists():
        return "a run"
    given = [word for before, word in itertools.pairwise(["", *arguments]) if before != "--out"]
    lacking = [word for word in given if not (folder / word).exists()]
    if any(word.endswith((".tar", ".tar.gz")) for word in lacking):
        return "a data set that somebody fetched"
    made = any(word.endswith(".csv") or word.startswith("runs/") for word in lacking)
    made = made or (arguments[:2] == ["energy-model", "predict"] and not (folder / arguments[2]).exists())
    made = made or (arguments[:2] == ["models", "curves"] and not is_trained(folder / arguments[2]))
    if made or (arguments[0] == "export" and arguments[1] != "--module" and not (folder / arguments[1]).exists()):
        return "what a command made that was not run"
    return None


def is_here(arguments: list[str]) -> bool:
    """Whether a push or a benchmark is on this machine and without a meter: then it needs nothing."""
    return arguments[0] in ("push", "bench") and "--meter" not in arguments and "--device local" in " ".join(arguments)


# So few inferences that a benchmark takes seconds; its numbers are no claim of a page.
SHORT = ["--idle", "0", "--warmup", "0", "--seconds", "0", "--iterations", "3", "--images", "2", "--allow-invalid"]


def made_small(arguments: list[str]) -> list[str]:
    """A command with what makes it quick, and what takes the numbers for what they are then."""
    more = {"models init": ["--width", "0.125"], "bench": SHORT, "report": ["--allow-invalid"]}
    return [*arguments, *more.get(arguments[0], more.get(" ".join(arguments[:2]), []))]


def is_trained(folder: Path) -> bool:
    """Whether a checkpoint is there that a training made, and no `models init`."""
    record = folder / "checkpoint.json"
    return record.is_file() and json.loads(record.read_text())["trained"]


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_that_need_nothing_run(page, tmp_path):
    ran = 0
    (tmp_path / "net.py").write_text(next(block.text for block in of("python") if block.page.stem == "own-networks"))
    for block in of("sh"):
        for said in (words(line) for line in lines(block) if block.page == page and line.startswith("groupnl ")):
            if why_not_run(said[1:], tmp_path) is None:
                command(made_small(said[1:]), tmp_path)
                ran += 1
    assert ran >= {"README.md": 16, "measuring-energy.md": 2, "own-networks.md": 3, "runtimes.md": 3}.get(page.name, 0)


def inserted(path: Path, before: str, text: str) -> None:
    """Put `text` before the first `before` of a file, as a person who follows the page would."""
    source = path.read_text(encoding="utf-8")
    assert before in source
    path.write_text(source.replace(before, text + before, 1), encoding="utf-8")


@pytest.fixture(scope="module")
def extended(tmp_path_factory) -> Path:
    """A copy of the project to which everything on the page was added."""
    copy = tmp_path_factory.mktemp("extended") / "groupnl"
    for name in ("groupnl_deploy", "exporters", "device_agent", "power", "tests/exporters/rules", "tests/contracts"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    python, text = (
        [block.text for block in of(kind) if block.page.name == "extending.md"] for kind in ("python", "text")
    )

    def code(start: str) -> str:
        return next(block for block in python if block.startswith(start))

    models, rules = copy / "groupnl_deploy" / "models", copy / "exporters" / "rules"
    (models / "tiny.py").write_text(code('"""A network of two'))
    inserted(models / "networks.py", '        Network("vgg11_cifar"', text[0])
    (models / "layers" / "shuffled.py").write_text(code('"""A grouped convolution'))
    inserted(models / "methods.py", '        ConvMethod(\n            "grouped"', text[1])
    (copy / "device_agent" / "messages" / "uptime.py").write_text(code('"""How long the device'))
    inserted(copy / "device_agent" / "wire.py", '    "device_agent.messages.bench",', text[2])
    (rules / "division.py").write_text(code('"""x / c = x'))
    added = text[3].splitlines(keepends=True)
    inserted(copy / "exporters" / "optimize.py", "from exporters.rules.gates", added[0])
    inserted(copy / "exporters" / "optimize.py", '        Pass("flush_denormals"', added[1])
    (copy / "groupnl_deploy" / "campaign" / "weigh_job.py").write_text(code('"""Weighing'))
    stage = next(block for block in text if "weigh_job" in block)
    inserted(copy / "groupnl_deploy" / "campaign" / "plan.py", '    "push_job",', stage)
    (copy / "tests" / "exporters" / "rules" / "test_division.py").write_text(code('"""Divisions by a constant'))
    (copy / "exporters" / "targets" / "rpi5.py").write_text(code('"""The Raspberry Pi 5'))
    target = next(block for block in text if '"rpi5"' in block)
    inserted(copy / "exporters" / "targets" / "__init__.py", '    "rpi4",', target)
    images = copy / "groupnl_deploy" / "images"
    (images / "shapes.py").write_text(code('"""Discs and squares'))
    inserted(images / "datasets.py", '    "digits"', next(block for block in text if '"shapes"' in block))
    return copy


def python_in(copy: Path, folder: Path, *arguments: str) -> str:
    """Run Python on the copied project, in a folder; its standard output."""
    environment = os.environ | {"PYTHONPATH": str(copy)}
    said = [sys.executable, *arguments]
    done = subprocess.run(said, cwd=folder, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("net", [["resnet18_cifar", "--conv", "shuffled"], ["tiny_cifar", "--conv", "groupnl"]])
def test_what_the_page_adds_is_counted_made_and_exported(extended, tmp_path, net):
    small = ["--num-groups", "8", "--width", "0.25"] if "shuffled" in net else ["--width", "0.5"]
    assert net[0] in command(["models", "show", *net, *small], tmp_path, PYTHONPATH=str(extended))
    command(["models", "init", *net, *small, "--out", "net"], tmp_path, PYTHONPATH=str(extended))
    for batch in ("1", "dynamic"):
        said = ["export", "net", "--out", f"onnx-{batch}", "--batch", batch, "--explain"]
        assert "multiply_instead" in command(said, tmp_path, PYTHONPATH=str(extended))


@pytest.mark.slow
def test_the_data_set_of_the_page_is_learned(extended, tmp_path):
    small = ["--model", "resnet18_cifar", "--conv", "standard", "--width", "0.125", "--epochs", "2"]
    command(["train", *small, "--dataset", "shapes", "--out", "net"], tmp_path, PYTHONPATH=str(extended))
    said = command(["evaluate", "net", "--json"], tmp_path, PYTHONPATH=str(extended))
    assert json.loads(said)["evaluation"]["accuracy"] > 0.9


_ASK = """
import sys
from pathlib import Path
import device_agent
from device_agent.messages.uptime import AskUptime
from groupnl_deploy.remote.agent import open_agent
from groupnl_deploy.remote.local import LocalTransport
with LocalTransport(Path("board"), sys.executable) as transport, open_agent(transport) as agent:
    print(device_agent.__file__, agent.ask(AskUptime()).since_start_s)
"""


def test_a_real_agent_answers_the_message_of_the_page(extended, tmp_path):
    path, seconds = python_in(extended, tmp_path, "-c", _ASK).split()
    assert path.startswith(str(extended)) and float(seconds) > 0


_WEIGH = """
from typer.testing import CliRunner
from groupnl_deploy.cli.main import app
for words in ("run job.toml --to weigh", "run job.toml --list --json"):
    done = CliRunner().invoke(app, words.split())
    assert done.exit_code == 0, done.stderr
print(done.stdout)
"""


@pytest.mark.slow
def test_the_stage_of_the_page_is_part_of_every_campaign(extended, tmp_path):
    said = 'schema_version = 1\nout = "job"\n[[models]]\nlabel = "a"\nmodel = "resnet18_cifar"\nwidth = 0.125\n'
    (tmp_path / "job.toml").write_text(said + '[export]\nformats = "torch"\n[bench]\nbackends = "pytorch"\n')
    listed = python_in(extended, tmp_path, "-c", _WEIGH)
    assert int((tmp_path / "job" / "sizes" / "a-torch.txt").read_text()) > 100_000
    states = {job["key"]: job["up_to_date"] for job in json.loads(listed)["jobs"]}
    assert states["weigh-a-torch"] and not states["push-a-torch"]


_EXPORT = """
import pytest
from typer.testing import CliRunner
from groupnl_deploy.cli.main import app
for words in (
    "models init tiny_cifar --conv groupnl --width 0.25 --out net",
    "export net --target rpi5 --opset 19 --explain --out onnx",
):
    done = CliRunner().invoke(app, words.split())
    assert done.exit_code == 0, done.stderr
    print(done.stdout)
contract = "CONTRACTS/test_target_contract.py"
raise SystemExit(pytest.main(["-q", "-p", "no:cacheprovider", "--rootdir", "CONTRACTS", contract, "-k", "rpi5"]))
"""


@pytest.mark.slow
def test_the_target_of_the_page_exports_and_keeps_the_contract_of_targets(extended, tmp_path):
    contracts = str(extended / "tests" / "contracts")
    said = python_in(extended, tmp_path, "-c", _EXPORT.replace("CONTRACTS", contracts))
    assert "costs of rpi4" in said and "7 passed" in said
    manifest = json.loads((tmp_path / "onnx" / "manifest.json").read_text())
    assert (manifest["target"], manifest["opset"]) == ("rpi5", 19)


@pytest.mark.slow
def test_the_rule_of_the_page_passes_its_own_test(extended):
    test = "tests/exporters/rules/test_division.py"
    assert "3 passed" in python_in(extended, extended, "-m", "pytest", "-q", "-p", "no:cacheprovider", test)
