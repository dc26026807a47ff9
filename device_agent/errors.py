"""What can go wrong on the device. Each becomes one `AgentFault` on the wire.

::

    AgentError
    ├── BadRequest          the host asked for something that makes no sense
    ├── DigestMismatch      a file is missing, truncated or altered
    ├── MissingLibrary      the device's Python lacks a package
    ├── RuntimeTooOld       the runtime that it has is older than the artifact needs
    ├── DeviceBusy          a push or a benchmark is running on the device
    ├── BenchUnknown        nothing of the benchmark that was asked for runs or lies here
    ├── BenchNotKept        it came to its end without its host, and the disk refused its result
    ├── NativeDamaged       the library of native operators is missing there, or was altered
    ├── CannotRunNative     this machine cannot run the native operators of an artifact (native_choice.py)
    └── BackendFailed       the runtime refused the model or an input, or memory ran out
        └── FewerThreads    it computes on fewer threads than it was told
"""

UPDATE_BOTH = "Use one version of groupnl on both sides: push again."
"""The remedy for what only another version would have asked."""


class AgentError(Exception):
    """Base: one sentence of what happened (`message`), one of what to do (`remedy`)."""

    code = "agent"

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


class BadRequest(AgentError):
    """The request names something this agent does not have or cannot do."""

    code = "bad_request"


class DigestMismatch(AgentError):
    """A file of the artifact is not the one the manifest describes."""

    code = "digest_mismatch"


class MissingLibrary(AgentError):
    """A Python package that the backend needs cannot be imported."""

    code = "missing_library"


class RuntimeTooOld(AgentError):
    """The backend's package is there, and of a version that cannot read the artifact."""

    code = "runtime_too_old"


class DeviceBusy(AgentError):
    """A push or a benchmark is running; two at once would disturb each other."""

    code = "busy"


class BenchUnknown(AgentError):
    """Nothing of the benchmark runs or lies on the device."""

    code = "no_bench"


class BenchNotKept(AgentError):
    """The benchmark came to its end without its host, and the disk refused its result."""

    code = "bench_not_kept"


class BackendFailed(AgentError):
    """The runtime refused the model or an input."""

    code = "backend_failed"


class FewerThreads(BackendFailed):
    """The runtime computes on fewer threads than it was told."""


class NativeDamaged(AgentError):
    """The library that computes native operators is missing on the device, or another file than was sent."""

    code = "native_damaged"
