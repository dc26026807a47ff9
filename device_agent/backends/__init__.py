"""Runtime backends: each loads a verified artifact and runs prepared inputs.

A backend's libraries are imported when it is opened. To add one: a file here, an entry in `backend_table.BACKENDS`.
"""

import difflib
import importlib
import importlib.util
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from device_agent.arrays import Arrays
from device_agent.backend_table import BACKENDS, BackendEntry, packages_of
from device_agent.errors import AgentError, BackendFailed, BadRequest, MissingLibrary
from device_agent.manifest import ArtifactManifest
from device_agent.messages.bench import NativeRan
from device_agent.messages.profile import Profiled
from device_agent.packages import IN_ENVIRONMENT, install_remedy
from device_agent.settings import Settings


@dataclass(frozen=True)
class Subject:
    """A verified artifact, and the folder of the native libraries, whichever it needs."""

    directory: Path
    manifest: ArtifactManifest
    libraries: Path


class Backend(Protocol):
    """One loaded model. `run` is all that happens inside the timed window."""

    versions: dict[str, str]
    """Versions of the libraries that do the work."""

    native: NativeRan | None
    """What ran of an artifact with native operators; None of any other."""

    providers: tuple[str, ...]
    """The runtime's execution providers for the loaded model, the preferred one first; none where it has none."""

    def load(self, subject: Subject, settings: Settings) -> None:
        """Build the model from the artifact's files, under the settings that the entry says are read; `threads` is at
        least 1. Raises `BackendFailed`, and of native operators `CannotRunNative` and `NativeDamaged`.
        """

    def prepare(self, inputs: Arrays) -> Any:
        """Turn the model's inputs, by name, into what `run` takes; outside the window."""

    def run(self, prepared: Any) -> Any:
        """One inference."""

    def outputs(self, result: Any) -> Arrays:
        """What `run` returned as the manifest's outputs, by name; outside the window."""

    def profile(self, subject: Subject, settings: Settings, prepared: Sequence[Any]) -> Profiled:
        """Load the model as `load` does, with the runtime's profiler on, and see what each operator takes; behind all
        that is measured. The backend is good for nothing else afterwards. Raises as `load`, and `ValueError` or
        `OSError` where there is no profile to read.
        """


def require_libraries(name: str) -> None:
    """See, without importing anything, that a backend is known and its packages are installed."""
    _entry(name)
    for module in packages_of(name):
        if importlib.util.find_spec(module) is None:
            raise _missing(name, module, "it is not installed")


def open_backend(name: str) -> Backend:
    """Import and construct a backend.

    Raises `MissingLibrary` with its install line for a package that is not there, and `BackendFailed` for one that is
    and ends its import in an error of any other kind.
    """
    entry = _entry(name)
    module, _, attribute = entry.target.partition(":")
    for unwanted in entry.never_imported:
        sys.modules.setdefault(unwanted, None)  # type: ignore[arg-type]  # so that it cannot be imported
    try:
        backend: Backend = getattr(importlib.import_module(module), attribute)()
    except ImportError as error:
        raise _missing(name, error.name or entry.main or "a module", str(error)) from error
    except (AgentError, MemoryError):
        raise
    except Exception as error:  # whatever its package, or one that this imports, makes of a fault of its own
        raise BackendFailed(
            f"The packages of the backend {name} do not load: {type(error).__name__}: {error}.",
            install_remedy(sys.executable, name, IN_ENVIRONMENT),
        ) from error
    return backend


def _entry(name: str) -> BackendEntry:
    if name not in BACKENDS:
        nearest = difflib.get_close_matches(name, BACKENDS, n=1, cutoff=0.4)
        raise BadRequest(
            f"There is no backend “{name}”; known are {', '.join(sorted(BACKENDS))}.",
            f"Did you mean “{nearest[0]}”?" if nearest else "Choose one of these.",
        )
    return BACKENDS[name]


def _missing(name: str, module: str, why: str) -> MissingLibrary:
    return MissingLibrary(
        f"The device's Python cannot import “{module}”, which the backend {name} needs ({why}).",
        install_remedy(sys.executable, name, IN_ENVIRONMENT),
    )
