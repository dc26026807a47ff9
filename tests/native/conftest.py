"""A checkout in small, whose library is built in a fraction of a second."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from groupnl_deploy.places import cache_dir

ROOT = Path(__file__).parents[2]
_NEEDED = (
    *("native/build.py", "native/binaries.py", "native/compilers.py", "native/targets.py"),
    *(
        "native/src/groupnl_native.h",
        "exporters/native/operators.py",
        "groupnl_deploy/__init__.py",
        "groupnl_deploy/places.py",
    ),
)
_SOURCE = """\
#include <math.h>
#include <stdlib.h>
#define PUBLIC __attribute__((visibility("default")))
unsigned hidden_from_all = 1;
PUBLIC unsigned groupnl_native_version(void) { return hidden_from_all; }
PUBLIC const char *groupnl_native_instructions(void) { return "none"; }
#define LAYER(name) PUBLIC int groupnl_layer_##name(void) { return 0; }
LAYER(block) LAYER(floats) LAYER(new) LAYER(free) LAYER(size) LAYER(run)
PUBLIC void *RegisterCustomOps(void *options, const void *base) {
  return base ? options : malloc((size_t)powf(2.0f, (float)(size_t)options));
}
"""


@pytest.fixture(scope="session")
def zig_cache() -> Path:
    """Zig's stubs of the C libraries, which take seconds to make: those of the person who runs the tests."""
    return cache_dir() / "native" / "zig"


@pytest.fixture
def small_checkout(tmp_path: Path, zig_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The scripts of this checkout, with a library of as many functions in place of ours."""
    monkeypatch.setenv("ZIG_GLOBAL_CACHE_DIR", str(zig_cache))
    folder = tmp_path / "checkout"
    for name in _NEEDED:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    (folder / "native" / "src" / "two.c").write_text(_SOURCE)
    return folder


@pytest.fixture
def copies(tmp_path: Path, zig_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Makes copies of this checkout, each in a folder of this name."""
    monkeypatch.setenv("ZIG_GLOBAL_CACHE_DIR", str(zig_cache))
    return lambda name: _copy_checkout(tmp_path / name)


def _copy_checkout(folder: Path) -> Path:
    listing = ["git", "ls-files", "-co", "--exclude-standard"]
    done = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("needs a git checkout to know which files are the project's")
    for name in filter(lambda name: (ROOT / name).is_file(), done.stdout.splitlines()):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes((ROOT / name).read_bytes())
    return folder
