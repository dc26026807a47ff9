"""What a power cut must not undo: strace sees every file and folder flushed before the name that is built on it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_PUSH = """
import sys
from pathlib import Path
from device_agent.file_digest import FileDigest
from device_agent.messages.push import CommitPush, OpenPush, PushFile
from device_agent.push import commit_push, open_push
root, source, sha256 = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
files = tuple(PushFile(**vars(FileDigest.of(path))) for path in sorted(source.iterdir()))
push = open_push(root, root / "agents" / "mine.pyz", OpenPush(sha256, files))
for name, part in push.parts.items():
    part.receive(0, [(source / name).read_bytes()])
commit_push(root, root / "agents" / "mine.pyz", "f" * 64, push, CommitPush("pi", "2026-11-26T12:00:00+00:00"))
"""
_CALL = re.compile(
    r"(?P<call>f(?:data)?sync|rename\w*|write|mkdir\w*)\((?:(?P<flushed>\d+<(?P<path>[^>]*)>).*|(?P<rest>.*))\) = [0-9]"
)


@pytest.fixture(scope="module")
def calls(untrained, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[tuple[str, str]]]:
    """The root of a device, and what one push asked of the kernel: each call's name with its path, or its words."""
    program = shutil.which("strace")
    if program is None:
        pytest.skip("needs strace")
    root, log = tmp_path_factory.mktemp("root").resolve(), tmp_path_factory.mktemp("log") / "strace"
    traced = "trace=fsync,fdatasync,rename,renameat,renameat2,write,mkdir,mkdirat"
    strace = [program, "-f", "-y", "-e", traced, "-e", "signal=none", "-o", str(log)]
    tried = subprocess.run([*strace, "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"strace may not trace here: {tried.stderr.strip()}")
    artifact = untrained.onnx
    push = [sys.executable, "-c", _PUSH, str(root), str(artifact.directory), artifact.sha256]
    subprocess.run([*strace, *push], check=True)
    found = [_CALL.search(line) for line in log.read_text().splitlines()]
    return root, [(one["call"], one["path"] or one["rest"]) for one in found if one]


def at_calls(seen: list[tuple[str, str]], call: str, what: str) -> list[int]:
    """When a call of this kind, such as "sync", had to do with what has these words."""
    return [at for at, (name, path) in enumerate(seen) if call in name and what in path]


def test_each_file_and_folder_is_flushed_between_its_last_write_and_the_renaming(calls, untrained) -> None:
    root, seen = calls
    incoming = f"{root}/incoming/{untrained.onnx.sha256}"
    (renamed,) = at_calls(seen, "rename", f"{root}/artifacts/{untrained.onnx.sha256}")
    assert incoming in seen[renamed][1]
    for path in untrained.onnx.files:
        written = at_calls(seen, "write", f"{incoming}/{path.name}")
        assert written and max(written) < max(at_calls(seen, "sync", f"{incoming}/{path.name}")) < renamed, path.name
    folder = [at for at in at_calls(seen, "sync", incoming) if seen[at][1] == incoming]
    assert folder and max(folder) < renamed


def test_the_new_name_is_flushed_before_the_ledger_has_it_and_that_before_the_push_is_over(calls) -> None:
    root, seen = calls
    (renamed,) = at_calls(seen, "rename", f"{root}/artifacts/")
    (noted,) = at_calls(seen, "write", f"{root}/deployments.json")
    assert any(renamed < at < noted for at in at_calls(seen, "fsync", f"{root}/artifacts"))
    of_the_root = [at for at in at_calls(seen, "fsync", str(root)) if seen[at][1] == str(root)]
    assert min(of_the_root) < renamed, "the folder of artifacts is new and has to be there"
    assert ("fsync", f"{root}/deployments.json") in seen[noted:] and max(of_the_root) > noted, "and so is the ledger"
