"""Every input of a benchmark once: what the model answers to it, and how long that takes beside the inference."""

import base64
import sys
import time
from collections.abc import Callable
from typing import Any

from device_agent.arrays import Array
from device_agent.backends import Backend
from device_agent.errors import AgentError, BackendFailed
from device_agent.inputs import BenchInputs
from device_agent.manifest import ArtifactManifest
from device_agent.messages.bench import BenchNews, Checked, Outputs, OutputValues, Progress

_PROGRESS_EVERY_S = 0.5
# Answers beyond it are not sent: they are kept in memory until the end, and are no part of what the model needs.
_MOST_OUTPUT_BYTES = 1 << 20


def check_all(
    backend: Backend, inputs: BenchInputs, manifest: ArtifactManifest, emit: Callable[[BenchNews], None]
) -> Checked:
    """Run every input once; the answers are sent as they come.

    The first inference's time counts alone. Each arg-max is taken where the model tells classes apart.
    """
    predictions: list[int] = []
    before_ns: list[int] = []
    behind_ns: list[int] = []
    first_ns, said, room = 0, time.monotonic(), _MOST_OUTPUT_BYTES
    for number in range(inputs.count):
        begin = time.perf_counter_ns()
        prepared = backend.prepare(inputs.make(number))
        ready = time.perf_counter_ns()
        result = run_once(backend, prepared)
        ran = time.perf_counter_ns()
        outputs = backend.outputs(result)
        if manifest.classes is not None:
            predictions.append(int(outputs[manifest.outputs[0].name].argmax()))
        behind_ns.append(time.perf_counter_ns() - ran)
        before_ns.append(ready - begin)
        first_ns = first_ns or ran - ready
        room -= sum(array.nbytes for array in outputs.values())
        if room >= 0:
            emit(Outputs(tuple(output_values(name, array) for name, array in outputs.items())))
        if time.monotonic() - said > _PROGRESS_EVERY_S:
            said = time.monotonic()
            emit(Progress(number + 1, inputs.count))
    return Checked(first_ns, tuple(predictions), tuple(before_ns), tuple(behind_ns))


def output_values(name: str, array: Array) -> OutputValues:
    """An output as it travels."""
    little = array.astype(array.dtype.newbyteorder("<"), copy=False) if sys.byteorder == "big" else array
    return OutputValues(name, array.dtype.name, array.shape, base64.b64encode(little.tobytes()).decode())


def run_once(backend: Backend, image: Any) -> Any:
    """One inference. Raises `BackendFailed` for whatever the runtime raises."""
    try:
        return backend.run(image)
    except AgentError:
        raise
    except MemoryError as error:
        raise BackendFailed("The device ran out of memory.", "Use a smaller model.") from error
    except Exception as error:  # every runtime has exceptions of its own
        raise BackendFailed(f"An inference failed: {error}.", "Export and push the model again.") from error
