"""A backend that loads nothing and answers zeros: it shows what the measuring itself costs."""

from collections.abc import Sequence

import numpy as np

from device_agent.arrays import Arrays
from device_agent.backends import Subject
from device_agent.messages.profile import Profiled
from device_agent.profiling import timed_runs
from device_agent.settings import Settings


class NullBackend:
    """Takes any artifact; its latencies are the harness's own."""

    native = None
    providers: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.versions = {"numpy": np.__version__}

    def load(self, subject: Subject, settings: Settings) -> None:
        """Remember what the outputs look like; the files stay unread."""
        self._outputs = {info.name: np.zeros(info.shape, info.dtype) for info in subject.manifest.outputs}

    def prepare(self, inputs: Arrays) -> Arrays:
        """The inputs as they are."""
        return inputs

    def run(self, prepared: Arrays) -> Arrays:
        """Zeros."""
        return self._outputs

    def outputs(self, result: Arrays) -> Arrays:
        """The zeros as they are."""
        return result

    def profile(self, subject: Subject, settings: Settings, prepared: Sequence[Arrays]) -> Profiled:
        """It has no operators."""
        self.load(subject, settings)
        return Profiled(timed_runs(self.run, prepared, 1), ())
