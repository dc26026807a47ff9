"""A checkout in small, whose library is built in a fraction of a second."""

import shutil
from pathlib import Path

import pytest

from groupnl_deploy.places import cache_dir

ROOT = Path(__file__).parents[2]
_NEEDED = (
    *("native/build.py", "native/binaries.py", "native/compilers.py", "native/targets.py"),
    *("exporters/native/operators.py", "groupnl_deploy/__init__.py", "groupnl_deploy/places.py"),
)
_SOURCE = """\
#include <math.h>
#include <stdlib.h>
#define PUBLIC __attribute__((visibility("default")))
unsigned hidden_from_all = 1;
PUBLIC unsigned groupnl_native_version(void) { return hidden_from_all; }
PUBLIC const char *groupnl_native_instructions(void) { return "none"; }
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
    """The scripts of this checkout, with a library of three functions in place of ours."""
    monkeypatch.setenv("ZIG_GLOBAL_CACHE_DIR", str(zig_cache))
    return make_small_checkout(tmp_path / "checkout")


def make_small_checkout(folder: Path) -> Path:
    """Make one in a folder that is not there yet."""
    for name in _NEEDED:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    (folder / "native" / "src").mkdir()
    (folder / "native" / "src" / "two.c").write_text(_SOURCE)
    return folder
