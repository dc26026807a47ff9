"""ONNX Runtime's CPU execution provider; needs numpy and onnxruntime, nothing else."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from device_agent.arrays import Arrays
from device_agent.backend_table import BACKENDS
from device_agent.backends import Subject
from device_agent.errors import AgentError, BackendFailed
from device_agent.manifest import NativeOperators
from device_agent.messages.bench import NativeRan
from device_agent.messages.profile import Profiled
from device_agent.native import register
from device_agent.native_ran import loading, native_ran
from device_agent.profiling import WARM_UP_RUNS, timed_runs, warmed_up
from device_agent.settings import GraphLevel, Settings

_PROVIDER = BACKENDS["onnxruntime"].provider
_LEVELS: dict[GraphLevel, onnxruntime.GraphOptimizationLevel] = {
    "none": onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL,
    "basic": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    "extended": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    "all": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL,
}


class OnnxRuntimeBackend:
    """Runs an ONNX file; batch and shapes are the manifest's."""

    def __init__(self) -> None:
        self.native: NativeRan | None = None
        self.providers: tuple[str, ...] = ()
        self.versions = {"onnxruntime": str(onnxruntime.__version__), "numpy": np.__version__}

    def load(self, subject: Subject, settings: Settings) -> None:
        """Create the session, with the library of native operators where the model has some."""
        self._open(subject, settings, _session_options(settings))

    def _open(self, subject: Subject, settings: Settings, options: onnxruntime.SessionOptions) -> Path:
        """Create the session; the file that it has loaded."""
        manifest = subject.manifest
        self._outputs = [info.name for info in manifest.outputs]
        file = manifest.file("model").name
        if manifest.native is not None:
            self.native = _register(options, manifest.native, subject.libraries, settings.threads)
            file = self.native.file
        path = subject.directory / file
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=[_PROVIDER])
            self.providers = tuple(self._session.get_providers())
        except Exception as error:  # the runtime raises a family of its own without a common base
            raise BackendFailed(
                f"ONNX Runtime {onnxruntime.__version__} cannot load the model: {error}.",
                "Install a newer onnxruntime on the device, or export for an older opset.",
            ) from error
        return path

    def prepare(self, inputs: Arrays) -> Arrays:
        """The feed that `run` takes."""
        return inputs

    def run(self, prepared: Arrays) -> Any:
        """One inference."""
        return self._session.run(None, prepared)

    def outputs(self, result: Any) -> Arrays:
        """Each by its name."""
        return {name: np.asarray(array) for name, array in zip(self._outputs, result, strict=True)}

    def profile(self, subject: Subject, settings: Settings, prepared: Sequence[Arrays]) -> Profiled:
        """By the profiler of ONNX Runtime, and by the graph that it made of the model, saved for that."""
        from device_agent.onnx_nodes import read_graph
        from device_agent.onnx_profile import operator_times

        with tempfile.TemporaryDirectory(prefix="groupnl-profile-") as name:
            folder, options = Path(name), _session_options(settings)
            ran = folder / "ran.onnx"
            options.enable_profiling, options.profile_file_prefix = True, str(folder / "profile")
            options.optimized_model_filepath = str(ran)
            options.log_severity_level = 3  # it warns that what is saved is for this processor alone
            del self._session  # a small board has no room for the model twice
            file = self._open(subject, settings, options)
            warmed_up(self.run, prepared)
            latencies_ns = timed_runs(self.run, prepared, len(read_graph(ran).nodes))
            profile = Path(self._session.end_profiling())
            return Profiled(latencies_ns, operator_times(profile, ran, file, WARM_UP_RUNS))


def _register(options: onnxruntime.SessionOptions, native: NativeOperators, libraries: Path, threads: int) -> NativeRan:
    """Give the session the operators; what will run. Raises `CannotRunNative`, `NativeDamaged`."""
    ran = native_ran(native, libraries, str(onnxruntime.__version__), threads)
    try:
        with loading():
            register(options, libraries / ran.library_sha256)
    except AgentError:
        raise
    except Exception as error:  # of the runtime's own
        raise BackendFailed(
            f"ONNX Runtime {onnxruntime.__version__} cannot load the native library: {error}.",
            "Push again with this version of groupnl, or export with --optimize full and push that.",
        ) from error
    return ran


def _session_options(settings: Settings) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    # Asked for by number: with 0 the runtime counts the machine's cores, not those we may use.
    options.intra_op_num_threads = settings.threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "1" if settings.spinning else "0")
    options.enable_cpu_mem_arena = options.enable_mem_pattern = settings.arena
    options.graph_optimization_level = _LEVELS[settings.graph_level]
    return options
