"""ncnn on the CPU; needs numpy and ncnn's own package, nothing else."""

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from device_agent.arrays import Arrays
from device_agent.backends import Subject
from device_agent.errors import BackendFailed, RuntimeTooOld
from device_agent.messages.bench import NativeRan
from device_agent.messages.profile import Profiled
from device_agent.native import open_verified
from device_agent.native_ran import loading, native_ran
from device_agent.ncnn_net import VERSION, NcnnNet
from device_agent.ncnn_param import NeedsNewerNcnn, NotNcnn
from device_agent.packages import IN_ENVIRONMENT, install_remedy
from device_agent.settings import Settings


class NcnnBackend:
    """Runs the pair of ncnn's files, in float32."""

    providers: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.native: NativeRan | None = None
        self.versions = {"ncnn": VERSION, "numpy": np.__version__}

    def load(self, subject: Subject, settings: Settings) -> None:
        """Read the network, its text strictly before ncnn does."""
        manifest = subject.manifest
        param, weights = (subject.directory / manifest.file(role).name for role in ("model", "weights"))
        self._inputs, self._outputs = ([info.name for info in infos] for infos in (manifest.inputs, manifest.outputs))
        try:
            self._net = NcnnNet(param, weights, settings.threads, self._library(subject, settings.threads))
            if (len(self._net.inputs), len(self._net.outputs)) != (len(self._inputs), len(self._outputs)):
                raise NotNcnn("it has other inputs or outputs than its manifest says")
        except NeedsNewerNcnn as error:
            remedy = install_remedy(sys.executable, "ncnn", IN_ENVIRONMENT, f"'ncnn>={error.needed}'")
            raise RuntimeTooOld(f"The network cannot be loaded: {error}.", remedy) from error
        except NotNcnn as error:
            raise BackendFailed(
                f"The network cannot be loaded: {error}.",
                "Install a newer ncnn on the device, or export and push the model again.",
            ) from error

    def _library(self, subject: Subject, threads: int) -> str | None:
        """What computes layers of GroupNL's own, where there are some. Raises `CannotRunNative`, `NativeDamaged`."""
        native = subject.manifest.native
        if native is None:
            return None
        self.native = native_ran(native, subject.libraries, VERSION, threads)
        with loading():
            return open_verified(subject.libraries / self.native.library_sha256, self.native.library_sha256)

    def prepare(self, inputs: Arrays) -> list[Any]:
        """As ncnn has them."""
        return self._net.prepared([inputs[name] for name in self._inputs])

    def run(self, prepared: list[Any]) -> list[Any]:
        """One inference."""
        return self._net.run(prepared)

    def outputs(self, result: list[Any]) -> Arrays:
        """Each by its name."""
        return dict(zip(self._outputs, self._net.arrays(result), strict=True))

    def profile(self, subject: Subject, settings: Settings, prepared: Sequence[Any]) -> Profiled:
        """There is none."""
        return Profiled((), (), "ncnn's package was built without its profiler")
