"""What may happen to a board on a wall: its link is cut, its plug pulled, it gets hot, its memory runs out.

These go on with the board of `test_new_board.py`. Whatever happens, what it uses is what was accepted.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from exporters.artifact import Artifact, open_artifact
from groupnl_deploy.export import export_checkpoint
from groupnl_deploy.models.spec import ConvSpec, ModelSpec
from groupnl_deploy.training.checkpoint import initialise_checkpoint, save_checkpoint
from tests.pi.machine import USER, EmulatedPi
from tests.pi.person import Groupnl, current, flat

pytestmark = pytest.mark.pi

ROOT = f"/home/{USER}/.groupnl"
ENOUGH_BYTES = 2_000_000
FOR_AN_AGENT_BYTES = 150_000_000  # its Python, SSH's and one more fit; ONNX Runtime with a model does not


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """Large enough that something can happen while it is sent: 25 MB."""
    folder = tmp_path_factory.mktemp("large")
    save_checkpoint(
        folder / "net", *initialise_checkpoint(ModelSpec("resnet18_cifar", ConvSpec("standard"), width=0.75))
    )
    export_checkpoint(folder / "net", folder / "net-onnx", "onnx")
    return open_artifact(folder / "net-onnx")


@contextmanager
def as_soon_as(happens: Callable[[], bool], action: Callable[[], None]) -> Iterator[None]:
    """Have something done while the block runs, once something else has happened."""
    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            if happens():
                action()
                return
            time.sleep(0.005)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def arriving(pi: EmulatedPi, artifact: Artifact) -> Callable[[], bool]:
    """Whether enough of an artifact has arrived, and not all of it."""
    folder = pi.home / ".groupnl/incoming" / artifact.sha256
    return lambda: folder.is_dir() and sum(file.stat().st_size for file in folder.iterdir()) > ENOUGH_BYTES


def test_a_link_that_is_cut_in_a_push_is_noticed_and_the_next_push_goes_on(
    pi: EmulatedPi, groupnl: Groupnl, large: Artifact
) -> None:
    before = current(pi)
    with as_soon_as(arriving(pi, large), pi.cut):
        groupnl("push", large.directory, "--device", "pi", code=3)
    assert current(pi) == before
    pi.join()
    groupnl("push", large.directory, "--device", "pi")
    assert current(pi) == large.sha256
    groupnl("device", "rollback", "pi")
    assert current(pi) == before


def test_a_plug_that_is_pulled_in_a_push_leaves_what_was_accepted(
    pi: EmulatedPi, groupnl: Groupnl, large: Artifact
) -> None:
    before = current(pi)
    pi.run(f"rm -r {ROOT}/artifacts/{large.sha256}")
    with as_soon_as(arriving(pi, large), pi.unplug):
        groupnl("push", large.directory, "--device", "pi", code=3)
    pi.boot()
    assert current(pi) == before
    groupnl("push", large.directory, "--device", "pi")
    assert current(pi) == large.sha256
    groupnl("device", "rollback", "pi")


def test_a_plug_that_is_pulled_while_an_environment_is_built(pi: EmulatedPi, groupnl: Groupnl) -> None:
    """The environment in use has been spoilt, else nothing would be built."""
    pi.run(f"rm -r {ROOT}/environments/onnxruntime/lib/python3.11/site-packages/numpy")
    in_use = pi.run(f"readlink {ROOT}/environments/onnxruntime").strip()
    folder = pi.home / ".groupnl/environments"

    def is_being_built() -> bool:
        others = (path for path in folder.iterdir() if path.is_dir() and not path.is_symlink() and path.name != in_use)
        return any((path / "lib/python3.11/site-packages/google").exists() for path in others)

    with as_soon_as(is_being_built, pi.unplug):
        groupnl("device", "provision", "pi", "--offline", "wheels", code=3)
    pi.boot()
    assert pi.run(f"readlink {ROOT}/environments/onnxruntime").strip() == in_use
    groupnl("device", "provision", "pi", "--offline", "wheels")
    assert len(pi.run(f"ls {ROOT}/environments").split()) == 2
    groupnl("device", "doctor", "pi")


def test_heat_and_a_weak_supply_are_told(pi: EmulatedPi, groupnl: Groupnl) -> None:
    pi.board.heat(84.0)
    pi.board.throttle(0x50005)
    said = flat(groupnl("device", "doctor", "pi", code=1))
    assert "under-voltage, throttling" in said and "84 °C" in said
    pi.board.heat(48.3)
    pi.board.throttle(0)


def test_an_artifact_that_needs_more_memory_than_there_is(pi: EmulatedPi, groupnl: Groupnl, large: Artifact) -> None:
    before = current(pi)
    pi.run(f"rm -rf {ROOT}/accepted/{large.sha256}.json")
    pi.limit_memory(FOR_AN_AGENT_BYTES)
    said = flat(groupnl("push", large.directory, "--device", "pi", code=4))
    assert "killed by the kernel, because memory ran out" in said
    assert current(pi) == before
    pi.limit_memory(None)
    groupnl("push", large.directory, "--device", "pi")
    assert current(pi) == large.sha256
