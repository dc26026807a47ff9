"""An artifact in a backend of the agent's, in a process of its own, which runs when told to. Started by `runtimes.py`.

    PYTHONPATH=AGENT.pyz python benchmarks/runtimes_worker.py ARTIFACT SHA256 BACKEND THREADS LIBRARIES

The agent is the very file that goes to a device; LIBRARIES is a folder of native libraries. It answers the runtime's
version once the golden pair was answered rightly, then commands as `export_worker.py` does.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from export_worker import highest_rss

from device_agent.acceptance import require_golden
from device_agent.arrays import read_arrays
from device_agent.artifact import open_artifact
from device_agent.backends import Backend, Subject, open_backend
from device_agent.settings import Settings


def main() -> None:
    directory, sha256, name, threads, libraries = sys.argv[1:]
    folder = Path(directory)
    manifest = open_artifact(folder, sha256)
    subject = Subject(folder, manifest, Path(libraries))
    settings = Settings(threads=int(threads), spinning=False)

    def loaded() -> Backend:
        backend = open_backend(name)
        backend.load(subject, settings)
        return backend

    backend = loaded()
    require_golden(backend, folder, manifest)
    Path("/proc/self/clear_refs").write_text("5")  # VmHWM begins anew: what loading took is not inference
    image = backend.prepare(read_arrays(folder / manifest.file("golden_input").name, manifest.inputs))
    backend.run(image)
    print(json.dumps(next(iter(backend.versions.values()))), flush=True)
    answers: dict[str, Callable[[], object]] = {"memory": highest_rss, "create": lambda: created(loaded)}
    for line in sys.stdin:
        command = line.strip()
        print(json.dumps(answers[command]() if command in answers else timed(backend, image, int(command))), flush=True)


def created(make: Callable[[], object]) -> float:
    start = time.perf_counter()
    make()
    return time.perf_counter() - start


def timed(backend: Backend, image: Any, count: int) -> list[float]:
    backend.run(image)
    seconds = []
    for _ in range(count):
        start = time.perf_counter()
        backend.run(image)
        seconds.append(time.perf_counter() - start)
    return seconds


if __name__ == "__main__":
    main()
