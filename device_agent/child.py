"""The bundle run once more as a child of the agent, for what may crash: asked one thing, in one line.

A child prints its lines behind a mark; whatever else it prints are its last words, should it die.
"""

import subprocess
import threading
from collections import deque
from dataclasses import dataclass

from device_agent import oom
from device_agent.deaths import exit_code_of

_LAST_WORDS = 3


@dataclass(frozen=True)
class Ended:
    """How a child ended.

    Args:
        said: the texts behind the mark, in their order.
        words: the last lines without it.
        exit_code: 128 + n where signal n ended it.
        in_time: whether it ended before it was killed for taking too long.
        ran_out: whether the kernel killed a process for want of memory meanwhile; None: nobody knows.
    """

    said: tuple[str, ...]
    words: tuple[str, ...]
    exit_code: int
    in_time: bool
    ran_out: bool | None = None


def run_child(python: str, bundle: str, word: str, order: str, mark: str, timeout_s: float) -> Ended:
    """Start `bundle` with the argument `word` by `python`, send the line `order`, and listen until it ends.

    Its stdin stays open until then, so that it ends with us. Raises `OSError` where it cannot be started.
    """
    late, kills = threading.Event(), oom.kills()
    with subprocess.Popen(
        [python, bundle, word], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as child:
        assert child.stdin is not None and child.stdout is not None

        def kill() -> None:
            late.set()
            child.kill()

        timer = threading.Timer(timeout_s, kill)
        timer.start()
        try:
            said, words = _listen(child, order, mark)
            code = child.wait()
        finally:
            timer.cancel()
    ran_out = oom.more(kills, oom.kills())
    return Ended(tuple(said), tuple(words), exit_code_of(code), not late.is_set(), ran_out)


def _listen(child: "subprocess.Popen[bytes]", order: str, mark: str) -> tuple[list[str], "deque[str]"]:
    assert child.stdin is not None and child.stdout is not None
    said: list[str] = []
    words: deque[str] = deque(maxlen=_LAST_WORDS)
    try:
        child.stdin.write(f"{order}\n".encode())
        child.stdin.flush()
    except BrokenPipeError:
        pass  # how it ended says why
    for line in child.stdout:
        text = line.decode(errors="replace").strip()
        if text.startswith(mark):
            said.append(text.removeprefix(mark))
        elif text:
            words.append(text)
    return said, words
