"""The wheel holds our four packages and nothing else; the command line stays light."""

import ast
import re
import subprocess
import sys
import unicodedata
import zipfile
from pathlib import Path

import pytest

import device_agent
import exporters
import groupnl_deploy
import power

ROOT = Path(__file__).parents[2]
PACKAGES = {"groupnl_deploy", "exporters", "device_agent", "power"}


@pytest.fixture(scope="module")
def wheel_names(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    listing = ["git", "ls-files", "-co", "--exclude-standard"]
    tracked = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=False)
    names = tracked.stdout.split("\n") if tracked.returncode == 0 else []
    if not names:
        pytest.skip("needs a git checkout to know which files are the project's")
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    # What pip has make it, without what pip does before.
    build = f"from setuptools import build_meta; build_meta.build_wheel({str(folder)!r})"
    subprocess.run([sys.executable, "-c", build], cwd=source, check=True, capture_output=True)
    return zipfile.ZipFile(next(folder.glob("*.whl"))).namelist()


def test_the_wheel_holds_exactly_our_packages(wheel_names: list[str]) -> None:
    tops = {name.split("/")[0] for name in wheel_names}
    assert {top for top in tops if not top.endswith(".dist-info")} == PACKAGES


def test_the_wheel_holds_every_module_and_the_type_markers(wheel_names: list[str]) -> None:
    modules = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for pattern in ("*.py", "py.typed", "tables/*", "html/*.*", "vendor/*", "digits.toml", "printed_tables.toml")
        for path in (ROOT / package).rglob(pattern)
        if path.is_file() and path.suffix != ".pyc"
    }
    assert modules == {name for name in wheel_names if ".dist-info/" not in name}
    assert {f"{package}/py.typed" for package in PACKAGES} <= modules


@pytest.mark.slow
def test_the_test_rigs_stay_out_of_the_wheel(wheel_names: list[str]) -> None:
    assert [name for name in wheel_names if {"tests", "rigs"} & set(name.split("/"))] == []
    imports = {name: imported_names(ROOT / name) for name in wheel_names if name.endswith(".py")}
    assert {name: found for name, found in imports.items() if any(one.split(".")[0] == "tests" for one in found)} == {}


def imported_names(path: Path) -> set[str]:
    """The modules that a file names in its imports, lazy ones included."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return plain | {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}


def test_every_package_carries_the_mark() -> None:
    for package in (groupnl_deploy, exporters, device_agent, power):
        assert package.__dist__ == "groupnl-deploy"


def imported_by(*commands: list[str], cwd: Path, code: int = 0) -> set[str]:
    """The modules that commands import, in a process of their own."""
    script = (
        "import sys\n"
        "from groupnl_deploy.cli.entry import entry\n"
        f"for sys.argv[1:] in {commands!r}:\n"
        "    try: entry()\n"
        f"    except SystemExit as end: assert (end.code or 0) == {code}, end.code\n"
        "print('modules', *sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split()[1:])


def test_the_command_line_imports_nothing_slow(tmp_path: Path) -> None:
    slow = {"torch", "paramiko", "onnx", "onnxruntime", "sklearn", "numpy", "serial"}
    commands = (["--help"], ["bench", "--help"], ["device", "list"], ["--version"])
    assert imported_by(*commands, cwd=tmp_path) & slow == set()


def test_pushing_to_this_machine_and_reporting_import_no_framework(untrained, tmp_path: Path) -> None:
    frameworks = {"torch", "onnxruntime", "paramiko", "sklearn"}
    push = ["push", str(untrained.onnx.directory), "--device", "local"]
    assert imported_by(push, cwd=tmp_path) & frameworks == set()  # onnx it does: the graph is held against the manifest
    assert imported_by(["report"], cwd=tmp_path, code=2) & (frameworks | {"onnx"}) == set()


def test_listing_backends_and_reading_messages_needs_the_standard_library_and_no_part_of_the_agent() -> None:
    code = (
        "import sys; before = set(sys.modules)\n"
        "import device_agent.backend_table\n"
        "from device_agent import wire; wire.message_classes()\n"
        "new = {name for name in set(sys.modules) - before if name.split('.')[0] not in sys.stdlib_module_names}\n"
        "names = 'wire strict settings manifest file_digest artifact_id machine native backend_table'.split()\n"
        "names += 'training_step disk environments errors sizes'.split()\n"  # what a doctor tells of
        "known = {f'device_agent.{name}' for name in names}\n"
        "outside = new - known - {'device_agent', 'device_agent.messages', *wire.MESSAGE_FILES}\n"
        "assert not outside, outside\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def dotted(node: ast.expr) -> str:
    """A name such as torch.load; of what stands before a name, such as a call, nothing."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


PICKLERS = {"pickle", "marshal", "shelve", "dill", "joblib", "cloudpickle"}
SUSPECTS = re.compile(rf"\b(?:{'|'.join(PICKLERS)}|eval|exec|load|allow_pickle)\b")


def unpickling(path: Path) -> list[str]:
    """Imports and calls in a file that could turn bytes into code."""
    found: list[str] = []
    text = unicodedata.normalize("NFKC", path.read_text())  # as Python reads names
    if not SUSPECTS.search(text):  # most files: parsing all takes seconds
        return found
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = {alias.name for alias in node.names} | {getattr(node, "module", None)}
            found += sorted(names & PICKLERS)
        elif isinstance(node, ast.Call):
            asked = [word for word in node.keywords if word.arg in ("weights_only", "allow_pickle")]
            safe = {word.arg: ast.unparse(word.value) for word in asked}
            called = dotted(node.func)
            if called in ("eval", "exec") or (called == "torch.load" and safe.get("weights_only") != "True"):
                found.append(called)
            found += [f"{name}={safe[name]}" for name in ("allow_pickle",) if safe.get(name, "False") != "False"]
    return found


def test_nothing_unpickles() -> None:
    files = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    # A user's own network, which the user names on the command line; tests/own_code says what is never run.
    one = ROOT / "groupnl_deploy" / "own_code" / "load.py"
    assert {path: found for path in files if (found := unpickling(path))} == {one: ["exec"]}
