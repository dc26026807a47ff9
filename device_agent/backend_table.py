"""The backends by name, with what each runs and reads: the host chooses without importing one."""

from dataclasses import dataclass, fields

from device_agent.manifest import FORMATS, Format
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

    native: bool = False
    """Whether it runs native operators, by the library of them."""

    main: str | None = None
    """The package that it is named for, whose version a user may choose; None where it needs none of its own."""

    never_imported: tuple[str, ...] = ()
    """Modules that its packages import if they are there, and must not find: what tells others that they are used."""

    profiler_note: str | None = None
    """A sentence on the times of its profiler, below a table of them."""


# The registry of backends: a new one is a file in `device_agent/backends` and an entry here.
BACKENDS: dict[str, BackendEntry] = {
    "onnxruntime": BackendEntry(
        "device_agent.backends.onnxruntime_cpu:OnnxRuntimeBackend",
        ("onnx",),
        "numpy onnxruntime",
        settings=frozenset({"threads", "spinning", "arena", "graph_level"}),
        provider="CPUExecutionProvider",
        native=True,
        main="onnxruntime",
        profiler_note=(
            "ONNX Runtime counts each call in whole microseconds, cut off: short operators take a little more."
        ),
    ),
    "openvino": BackendEntry(
        "device_agent.backends.openvino_cpu:OpenVinoBackend",
        ("onnx",),
        "numpy openvino",
        settings=frozenset({"threads"}),
        provider="CPU",
        main="openvino",
        never_imported=("openvino_telemetry",),
        profiler_note=(
            "OpenVINO counts each call in whole microseconds, and their mean as well, cut off: short operators take a "
            "little more."
        ),
    ),
    "pytorch": BackendEntry(
        "device_agent.backends.pytorch_cpu:PyTorchBackend",
        ("torch",),
        "numpy torch==2.6.0 safetensors",
        settings=frozenset({"threads"}),
        main="torch",
    ),
    "ncnn": BackendEntry(
        "device_agent.backends.ncnn_cpu:NcnnBackend",
        ("ncnn",),
        "numpy ncnn",
        settings=frozenset({"threads"}),
        native=True,
        main="ncnn",
    ),
    "null": BackendEntry(
        "device_agent.backends.null:NullBackend",
        FORMATS,
        "numpy",
        settings=frozenset({"threads"}),
        computes=False,
    ),
}


def backends_for(format: Format, *, native: bool = False) -> tuple[str, ...]:
    """The backends that compute artifacts of a format, with native operators or without: the usual one first."""
    able = (name for name, entry in BACKENDS.items() if entry.computes and format in entry.formats)
    return tuple(name for name in able if BACKENDS[name].native or not native)


def backend_for(format: Format) -> str:
    """The usual backend of a format."""
    return backends_for(format)[0]


def packages_of(backend: str) -> tuple[str, ...]:
    """The names of the packages that a backend imports, which its modules have as well."""
    return tuple(package.partition("==")[0] for package in BACKENDS[backend].packages.split())


def native_refusal(backend: str) -> tuple[str, str] | None:
    """What is in the way where a backend shall run native operators, and what to do; None where nothing is."""
    if BACKENDS[backend].native or not BACKENDS[backend].computes:
        return None
    able = " or ".join(backends_for("onnx", native=True))
    return (
        f"The artifact has native operators, which the backend {backend} does not run.",
        f"Use the backend {able}; or export with --optimize full, which needs no library, and push that.",
    )


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
        readers = [f"{other}, for {entry.formats[0]}" for other, entry in BACKENDS.items() if name in entry.settings]
        raise SettingError(
            f"{{{name}}} would do nothing: the backend {backend} does not read it.",
            f"Leave {{{name}}} out, or use the backend {' or '.join(readers)}.",
            name,
        )
