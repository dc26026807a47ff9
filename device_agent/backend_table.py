"""The backends by name, with what each runs and reads: the host chooses without importing one."""

from dataclasses import dataclass, fields

from device_agent.manifest import Format
from device_agent.settings import SettingError, Settings


@dataclass(frozen=True)
class BackendEntry:
    """A backend by name only, so that the host can list it without importing it."""

    target: str
    """`module:Class`, imported on the device when the backend is opened."""

    formats: tuple[Format, ...]
    """Artifact formats it runs."""

    packages: str
    """What `pip install` must be told on the device. PyTorch's newer wheels for 64-bit Arm require CUDA's."""

    settings: frozenset[str]
    """Fields of `Settings` that it reads, beside the workload. Another value than the default is refused for others."""

    provider: str | None = None
    """The runtime's execution provider that is measured; None where the runtime has no such thing."""

    computes: bool = True
    """Whether it computes the model's answers, so that they can be accepted and counted as right or wrong."""


# The registry of backends: a new one is a file in `device_agent/backends` and an entry here.
BACKENDS: dict[str, BackendEntry] = {
    "onnxruntime": BackendEntry(
        "device_agent.backends.onnxruntime_cpu:OnnxRuntimeBackend",
        ("onnx",),
        "numpy onnxruntime",
        settings=frozenset({"threads", "spinning", "arena", "graph_level"}),
        provider="CPUExecutionProvider",
    ),
    "pytorch": BackendEntry(
        "device_agent.backends.pytorch_cpu:PyTorchBackend",
        ("torch",),
        "numpy torch==2.6.0 safetensors",
        settings=frozenset({"threads"}),
    ),
    "ncnn": BackendEntry(
        "device_agent.backends.ncnn_cpu:NcnnBackend",
        ("ncnn",),
        "numpy ncnn",
        settings=frozenset({"threads"}),
    ),
    "null": BackendEntry(
        "device_agent.backends.null:NullBackend",
        ("onnx", "torch", "ncnn"),
        "numpy",
        settings=frozenset({"threads"}),
        computes=False,
    ),
}


def backend_for(format: Format) -> str:
    """The first backend that runs artifacts of a format."""
    return next(name for name, entry in BACKENDS.items() if format in entry.formats)


def unread_settings(backend: str, settings: Settings) -> tuple[str, ...]:
    """The fields of `settings` that are not at their default and that the backend does not read."""
    read = BACKENDS[backend].settings | {"workload"}
    return tuple(
        field.name
        for field in fields(settings)
        if field.name not in read and getattr(settings, field.name) != field.default
    )


def require_read(backend: str, settings: Settings) -> None:
    """Raise `SettingError` for the first setting that would do nothing with this backend."""
    unread = unread_settings(backend, settings)
    if unread:
        name = unread[0]
        readers = [other for other, entry in BACKENDS.items() if name in entry.settings]
        raise SettingError(
            f"{{{name}}} would do nothing: the backend {backend} does not read it.",
            f"Leave {{{name}}} out, or use the backend {' or '.join(readers)}.",
            name,
        )
