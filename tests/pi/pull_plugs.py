"""Pull an emulated Pi's plug at random moments of pushes, and say what became of them.

    python -m tests.pi.pull_plugs --count 20 --seed 1

One board, blank at first, is given ONNX Runtime; then each seed is a moment, as in `tests/remote/kill_pushes.py`: one
push or several, a plug that is pulled, a board that starts again, a second push. What was written stays on the disk, so
a crash is shown, and no loss of what a disk had promised.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from groupnl_deploy.deploy.provision import Wish, provision
from groupnl_deploy.deploy.wheelhouse import choose_set, make_wheelhouse
from groupnl_deploy.progress import Silence
from groupnl_deploy.remote.connect import connect
from tests.pi.machine import EmulatedPi, booted
from tests.pi.rootfs import make
from tests.remote.current_watch import watched
from tests.remote.kill_pushes import BYTES_PER_S, Looks, artifact_to_kill, sums
from tests.remote.kill_rig import Board, Moment, longest_s, play
from tests.remote.weak_link import weak_link

PYTHON = "3.11"
_DELAY_S = 0.01


def main() -> int:
    """Play them, print a line for each, then the sums."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="plugs-") as name, pluggable(Path(name)) as board:
        source = artifact_to_kill(Path(name) / "source")
        longest, played, begun = longest_s(board, source, Path(name) / "first"), [], time.monotonic()
        for seed in range(asked.seed, asked.seed + asked.count):
            played.append(play(board, source, Path(name) / "artifacts", Moment.of(seed, longest, ("plug",))))
            _say(str(played[-1]))
        looks = Looks(board.watch.looks, len(board.watch.seen), len(board.watch.wrong))
        _say(sums([*played, looks], time.monotonic() - begun))
    return 0


@contextmanager
def pluggable(folder: Path) -> Iterator[Board]:
    """An emulated Pi with ONNX Runtime, behind a weak link."""
    (folder / "pi").mkdir()
    (folder / "home").mkdir()
    with booted(make(PYTHON), folder / "pi") as pi:
        _provide(pi, folder / "wheels")
        root = pi.home / ".groupnl"
        with weak_link(22, _DELAY_S, BYTES_PER_S, to_host=pi.address) as link, watched(root) as watch:
            device = pi.device(host="127.0.0.1", port=link.port)
            environment = {"HOME": str(folder / "home"), "SSH_AUTH_SOCK": ""}
            yield Board(device, root, link, 0, environment, watch, {"plug": lambda chance: _pulled(pi)})


def _provide(pi: EmulatedPi, wheels: Path) -> None:
    """What acceptance needs."""
    chosen = choose_set("rpi4", "onnxruntime", PYTHON, None, False, Silence())
    wheelhouse = make_wheelhouse(chosen, wheels, Silence())
    with connect(pi.device()) as transport:
        provision(transport, Wish("onnxruntime", offline=wheelhouse.folder), Silence(), 0)


def _pulled(pi: EmulatedPi) -> Callable[[], None]:
    pi.unplug()
    return pi.boot


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
