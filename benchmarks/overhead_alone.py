"""A benchmark's own code with nothing beside it: no host, no meter, no watcher of the board, no progress.

`benchmarks/overhead.py` starts it as an agent is started, with the name of a file that has the job as JSON; the
latencies of the steady window go to the file that the job names. The phases, the loop and the backend are those of the
agent; what watches the board is exchanged for nobody, here and nowhere else.
"""

import base64
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from device_agent import runner
from device_agent.artifact import open_artifact
from device_agent.backends import Subject
from device_agent.board_states import BoardWatch
from device_agent.inputs import bench_inputs
from device_agent.messages.bench import BenchRequest, ImagePayload, Latencies
from device_agent.settings import Settings
from device_agent.strict import from_dict


@contextmanager
def nobody() -> Iterator[BoardWatch]:
    """A watch without a watcher: it never has anything to tell."""
    lines = os.memfd_create("nobody")
    try:
        yield BoardWatch(lines)
    finally:
        os.close(lines)


def latencies_of(job: dict[str, Any]) -> list[int]:
    """Nanoseconds of each inference of the steady window."""
    folder, digest = Path(job["artifact"]), job["sha256"]
    manifest = open_artifact(folder, digest)
    images = np.load(job["images"])
    payloads = [ImagePayload(image.shape, base64.b64encode(image.tobytes()).decode()) for image in images]
    settings = from_dict(Settings, job["settings"], "settings")
    request = BenchRequest(str(folder), digest, job["backend"], settings, len(images), job["runout_s"])
    messages: list[Any] = []
    subject = Subject(folder, manifest, Path(job["libraries"]))
    runner.run_bench(request, bench_inputs(folder, payloads, manifest), subject, digest, messages.append)
    return [one for message in messages if isinstance(message, Latencies) for one in message.latencies_ns]


if __name__ == "__main__":
    runner.watching_board = nobody
    asked = json.loads(Path(sys.argv[1]).read_text())
    Path(asked["out"]).write_text(json.dumps(latencies_of(asked)))
