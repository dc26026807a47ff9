"""OpenVINO's plugin for processors; needs numpy and openvino, nothing else."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import numpy as np
import openvino

from device_agent.arrays import Arrays
from device_agent.backend_table import BACKENDS, backend_for
from device_agent.backends import Subject
from device_agent.errors import BackendFailed, FewerThreads
from device_agent.messages.profile import Profiled
from device_agent.onnx_nodes import read_graph
from device_agent.openvino_profile import Counted, Step, operator_times
from device_agent.profiling import WARM_UP_RUNS, timed_runs, warmed_up
from device_agent.settings import Settings

_DEVICE = BACKENDS["openvino"].provider
_VERSION = openvino.get_version().partition("-")[0]  # "2026.4.1-22982-e213a147257-releases/2026/4"
# Of what it says: where in its own sources it says it.
_WHERE = ("Exception from ", "Check '", "FrontEnd API failed")

_MICROSECOND = timedelta(microseconds=1)

Prepared = dict[str, Any]
"""Its tensors, by the inputs' names."""


class OpenVinoBackend:
    """Runs an ONNX file in single precision; batch and shapes are the file's."""

    native = None

    def __init__(self) -> None:
        self.providers: tuple[str, ...] = ()
        self.versions = {"openvino": _VERSION, "numpy": np.__version__}

    def load(self, subject: Subject, settings: Settings) -> None:
        """Read the file, and compile it for one inference at a time."""
        self._open(subject, settings, {})

    def _open(self, subject: Subject, settings: Settings, more: Mapping[str, Any]) -> None:
        """Also raises `FewerThreads`."""
        path = subject.directory / subject.manifest.file("model").name
        self._outputs = [info.name for info in subject.manifest.outputs]
        try:
            core = openvino.Core()
            model = core.compile_model(core.read_model(str(path)), _DEVICE, {**_properties(settings), **more})
            self._request = model.create_infer_request()
        except Exception as error:  # a RuntimeError for whatever it is
            raise BackendFailed(
                f"OpenVINO {_VERSION} cannot load the model: {_said(error)}.",
                f"Use the backend {backend_for('onnx')}, or install a newer openvino on the device.",
            ) from error
        self.providers = tuple(model.get_property("EXECUTION_DEVICES"))
        threads = int(model.get_property("INFERENCE_NUM_THREADS"))
        if threads < settings.threads:
            raise FewerThreads(
                f"OpenVINO {_VERSION} computes on {threads} of the {settings.threads} threads that it was told.",
                f"Ask for so many: --threads {threads}.",
            )

    def prepare(self, inputs: Arrays) -> Prepared:
        """The feed that `run` takes; it shares the arrays' memory."""
        whole = {name: np.require(array, requirements=("C", "W")) for name, array in inputs.items()}
        return {name: openvino.Tensor(array, shared_memory=True) for name, array in whole.items()}

    def run(self, prepared: Prepared) -> Any:
        """One inference; the next one writes over its outputs."""
        return self._request.infer(prepared, share_inputs=True, share_outputs=True)

    def outputs(self, result: Any) -> Arrays:
        """Each by its name, in memory of its own."""
        return {name: np.array(result[place]) for place, name in enumerate(self._outputs)}

    def profile(self, subject: Subject, settings: Settings, prepared: Sequence[Prepared]) -> Profiled:
        """By its own counters, and by the graph that it made of the model."""
        del self._request  # a small board has no room for the model twice
        self._open(subject, settings, {"PERF_COUNT": True})
        steps = _steps(self._request.get_compiled_model().get_runtime_model())
        warmed_up(self.run, prepared)
        before = Counted(WARM_UP_RUNS, _means_us(self._request))
        latencies_ns = timed_runs(self.run, prepared, len(before.means_us))
        after = Counted(WARM_UP_RUNS + len(latencies_ns), _means_us(self._request))
        file = read_graph(subject.directory / subject.manifest.file("model").name)
        return Profiled(latencies_ns, operator_times(steps, before, after, file))


def _properties(settings: Settings) -> dict[str, Any]:
    return {
        "INFERENCE_NUM_THREADS": settings.threads,
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
        # It would take half of a core's two threads for nothing, and so fewer than it was told.
        "ENABLE_HYPER_THREADING": True,
        # By itself it computes in 16 bits where the processor has such instructions, and quantizes what multiplies
        # weights of 8 bits.
        "INFERENCE_PRECISION_HINT": "f32",
        "EXECUTION_MODE_HINT": "ACCURACY",
    }


def _steps(graph: Any) -> list[Step]:
    """The operators of the graph that runs, in its order."""
    return [
        Step(
            node.get_friendly_name(),
            tuple(str(node.get_rt_info()["originalLayersNames"].astype(str)).split(",")),
            tuple(value.get_source_output().get_node().get_friendly_name() for value in node.inputs()),
        )
        for node in graph.get_ordered_ops()
    ]


def _means_us(request: Any) -> dict[str, tuple[str, int]]:
    """Of each operator that took time its kind, and microseconds of a call: the mean of all since it was loaded."""
    found = ((info.node_name, info.node_type, info.real_time // _MICROSECOND) for info in request.profiling_info)
    return {name: (kind, mean_us) for name, kind, mean_us in found if mean_us}


def _said(error: Exception) -> str:
    """What it says, in a line."""
    lines = (line.strip() for line in str(error).splitlines())
    return " ".join(line for line in lines if line and not line.startswith(_WHERE)).rstrip(".") or repr(error)
