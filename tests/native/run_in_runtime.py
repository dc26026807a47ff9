"""Check the operators of a native library in the ONNX Runtime of this environment: NumPy, onnx and onnxruntime alone.

    python tests/native/run_in_runtime.py LIBRARY [--each] [--sessions 1000]

True graphs give the answers of plain double precision, the same to the bit for 1, 2 and 3 threads; lying ones are
refused with a sentence; sessions may be made and run from many threads, and leave nothing behind. Ends with 1 where
one is wrong.
"""

import argparse
import ctypes
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from operator_graphs import Graph, groupnl, lies, plain, pointwise, right

_BLOCKS = {"avx512": 16, "avx2": 8}
_TOLERANCE = 2e-6  # of the largest of the layer's answers
_GROWTH = 12_000_000  # bytes that an allocator may keep; 40 sessions pack three times as much
_LOG_TO_SCREEN_FROM_ERRORS_ON = 3


def session(library: str, graph: Graph, threads: int = 1) -> Any:
    """A session of the graph with the library's operators."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = _LOG_TO_SCREEN_FROM_ERRORS_ON
    options.register_custom_ops_library(library)
    return onnxruntime.InferenceSession(graph.serialized(), options, providers=["CPUExecutionProvider"])


def is_right(library: str, graph: Graph) -> str:
    """What is wrong with what it answers; nothing: it is right."""
    first, expected = None, graph.answers()
    for threads in (1, 2, 3):
        answers = session(library, graph, threads).run(None, graph.feeds())
        if first is not None and any(a.tobytes() != b.tobytes() for a, b in zip(first, answers, strict=True)):
            return f"{threads} threads give another answer than one"
        first = answers
    for name, answer in zip(graph.outputs, first or (), strict=True):
        wanted = expected[name]
        got = plain(answer, wanted.shape[1], graph.block)
        error = float(np.abs(got - wanted).max()) / float(np.abs(wanted).max())
        if got.shape != wanted.shape or not error <= _TOLERANCE:
            return f"{name} is {got.shape}, wrong by {error:.1e} of its largest"
    return ""


def is_refused(library: str, graph: Graph, words: str) -> str:
    """What is wrong with how it is refused; nothing: it is refused with these words of the operator.

    An operator cannot fail in ONNX Runtime 1.15: there the words are logged, and the output is missing or no number.
    """
    with tempfile.TemporaryFile("w+") as log:
        screen = os.dup(2)
        os.dup2(log.fileno(), 2)
        try:
            answers = session(library, graph).run(None, graph.feeds())
            said = "" if answers[0] is None or np.isnan(answers[0]).all() else "no error"
        except Exception as error:
            said = str(error)
        finally:
            os.dup2(screen, 2)
            os.close(screen)
        log.seek(0)
        logged = log.read()
    if said == "no error":
        return "it is not refused"
    missing = [part for part in (f"{graph.operator}: ", words) if part not in said + logged]
    return f"{missing} is not in {said!r}" if missing else ""


def together(library: str) -> str:
    """Eight threads register and make a session each; then all run one session."""
    graph = groupnl(16, 2, 32, (1, 28, 28), activation=1)
    with ThreadPoolExecutor(8) as pool:
        sessions = list(pool.map(lambda _: session(library, graph, 2), range(16)))
        expected = sessions[0].run(None, graph.feeds())
        answers = list(pool.map(lambda _: sessions[-1].run(None, graph.feeds()), range(64)))
    same = all(a.tobytes() == b.tobytes() for answer in answers for a, b in zip(answer, expected, strict=True))
    return "" if same else "eight threads on one session give other answers than one"


def leave_nothing(library: str, count: int) -> str:
    """Sessions of operators with weights are made, run and dropped."""
    graphs = [pointwise(640, 640, (1, 7, 7)), groupnl(64, 8, 128, (1, 14, 14), k=7, pads=(3, 3, 3, 3))]
    for graph in graphs * 8:
        session(library, graph).run(None, graph.feeds())
    before = _resident()
    for i in range(count):
        graph = graphs[i % 2]
        session(library, graph).run(None, graph.feeds())
    grown = _resident() - before
    return f"{count} sessions left {grown} bytes" if grown > _GROWTH else ""


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def checks(library: str, sessions: int) -> Iterator[tuple[str, Callable[[], str]]]:
    """Name and check; `together` first, for the first registration of a process is the one that makes the domain."""
    loaded = ctypes.CDLL(library)
    loaded.groupnl_native_instructions.restype = ctypes.c_char_p
    block = _BLOCKS.get(loaded.groupnl_native_instructions().decode(), 0)
    yield "threads register and run together", lambda: together(library)
    for name, graph in right(block):
        yield name, lambda graph=graph: is_right(library, graph)  # type: ignore[misc]
    for name, graph, words in lies(block):
        yield f"lie: {name}", lambda graph=graph, words=words: is_refused(library, graph, words)  # type: ignore[misc]
    if Path("/proc/self/statm").exists():
        yield "sessions leave nothing behind", lambda: leave_nothing(library, sessions)


def _tried(check: Callable[[], str]) -> str:
    try:
        return check()
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    """Print what is wrong, and a last line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library", type=Path, help="the file")
    parser.add_argument("--each", action="store_true", help="print a line for what is right, too")
    parser.add_argument("--sessions", type=int, default=40, metavar="N", help="made and dropped; default: 40")
    arguments = parser.parse_args()
    wrong = count = 0
    for name, check in checks(str(arguments.library.resolve()), arguments.sessions):
        problem = _tried(check)
        count, wrong = count + 1, wrong + bool(problem)
        if problem or arguments.each:
            _say(f"WRONG {name}: {problem}" if problem else f"ok    {name}")
    _say(f"ONNX Runtime {onnxruntime.__version__}: {count - wrong} of {count} are right")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
