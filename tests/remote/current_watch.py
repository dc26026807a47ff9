"""Somebody who looks at a device's `current` all the time, as a program that opens it at any instant would."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from device_agent import verdicts
from device_agent.artifact import open_artifact
from device_agent.errors import AgentError
from device_agent.manifest import FORMATS

_EVERY_S = 0.001


class CurrentWatch:
    """Made by `watched`. `seen` is every target that it met, in order, `wrong` what must not have been."""

    def __init__(self, root: Path) -> None:
        self._root, self._sound = root, set[str]()
        self._links = [
            f"{root}/current/{format}" for format in FORMATS
        ]  # texts: a thousand looks a second must be cheap
        self.seen: list[str] = []
        self.wrong: list[str] = []
        self.looks = 0

    def look(self) -> None:
        """Once at each format."""
        self.looks += 1
        for link in self._links:
            target = _target(link)
            if target is not None and not self._is_sound(link, target) and _target(link) == target:
                self.wrong.append(f"{link} -> {target}")

    def require_sound(self, where: object) -> None:
        """Nothing was ever wrong, and the file that is current now is whole to the byte."""
        self._sound.clear()
        self.look()
        assert not self.wrong, (where, self.wrong)

    def require(self, sha256: str, where: object) -> None:
        """This artifact is current now."""
        self.require_sound(where)
        assert _target(f"{self._root}/current/onnx") == f"../artifacts/{sha256}", where

    def _is_sound(self, link: str, target: str) -> bool:
        """Whole by its digests when it is met first, there at every look."""
        name = target.rpartition("/")[2]
        if target not in self._sound:
            self.seen.append(name)
            try:
                open_artifact(self._root / "artifacts" / name, name)
            except AgentError:
                return False
            if verdicts.accepted(self._root, name) is None:
                return False
            self._sound.add(target)
        return os.path.isfile(f"{self._root}/accepted/{name}.json") and os.path.isfile(f"{link}/manifest.json")  # noqa: PTH113


@contextmanager
def watched(root: Path) -> Iterator[CurrentWatch]:
    """Look a thousand times a second while the block runs."""
    watch, ended = CurrentWatch(root), threading.Event()

    def run() -> None:
        while not ended.is_set():
            watch.look()
            time.sleep(_EVERY_S)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        ended.set()
        thread.join(10)


def _target(link: str) -> str | None:
    try:
        return os.readlink(link)  # noqa: PTH115 - as text: a Path would tidy it
    except OSError:
        return None
