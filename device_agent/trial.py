"""An artifact tried once in a process of its own: a runtime that crashes there takes nothing else with it.

The agent starts its own bundle with the argument `WORD`, by the Python of the artifact's backend, writes one line, a
`TrialOrder`, and reads what the child prints behind `MARK`: a word before each step, and a `Tried` at the end. The
child ends when its stdin does, as the agent itself.
"""

import json
import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NoReturn

from device_agent.artifact import open_artifact
from device_agent.errors import AgentError, BackendFailed, FewerThreads, MissingLibrary
from device_agent.native_choice import CannotRunNative
from device_agent.packages import IN_ENVIRONMENT, install_remedy
from device_agent.settings import Settings
from device_agent.strict import from_json, to_dict

if TYPE_CHECKING:
    from device_agent.backends import Backend, Subject

WORD = "trial"
MARK = "groupnl-trial "

Begin = Callable[[str], None]
"""Told what comes next, as a verb of the past: "loaded the model"."""


@dataclass(frozen=True)
class TrialOrder:
    """Try the artifact in `directory` by `backend`; `libraries` is the folder of the native ones."""

    directory: str
    manifest_sha256: str
    libraries: str
    backend: str


@dataclass(frozen=True)
class Trouble:
    """A stable code, what happened, what to do."""

    code: str
    message: str
    remedy: str


@dataclass(frozen=True)
class Tried:
    """What ran: the model file and the native library that it needed; or what was in the way."""

    model: str | None = None
    library: str | None = None
    trouble: Trouble | None = None


def run_trial(stdin: BinaryIO, stdout: BinaryIO) -> NoReturn:
    """The child's whole life."""

    def say(text: str) -> None:
        stdout.write(f"\n{MARK}{text}\n".encode())  # a library may have left a line unfinished
        stdout.flush()

    _offer_to_the_oom_killer()
    order = from_json(TrialOrder, stdin.readline())
    threading.Thread(target=_end_with, args=(stdin,), daemon=True).start()
    say(json.dumps(to_dict(_outcome(order, say))))
    os._exit(0)  # a runtime's own tidying may take long, and may crash


def _outcome(order: TrialOrder, begin: Begin) -> Tried:
    try:
        return _try(order, begin)
    except AgentError as error:
        return Tried(trouble=Trouble(error.code, error.message, error.remedy))
    except MemoryError:
        return Tried(trouble=Trouble("out_of_memory", "The device ran out of memory.", "Use a smaller model."))
    except Exception as error:  # every runtime has exceptions of its own
        text = f"The model does not run on this device: {type(error).__name__}: {error}."
        remedy = "Install another version of the runtime on the device, or export for it, and push again."
        return Tried(trouble=Trouble("backend_failed", text, remedy))


def _try(order: TrialOrder, begin: Begin) -> Tried:
    begin("checked the artifact")
    directory = Path(order.directory)
    manifest = open_artifact(directory, order.manifest_sha256)
    if manifest.golden is None:
        raise BackendFailed("The artifact has no golden pair, with which a device is tried.", "Export it again.")
    begin("imported the runtime")
    try:
        from device_agent import acceptance, backends
    except ImportError as error:
        raise MissingLibrary(
            f"The device's Python cannot import “{error.name}” ({error}).",
            install_remedy(sys.executable, order.backend, IN_ENVIRONMENT),
        ) from error
    backend = backends.open_backend(order.backend)
    begin("loaded the model")
    _load(backend, backends.Subject(directory, manifest, Path(order.libraries)))
    begin("computed the golden answers")
    acceptance.require_golden(backend, directory, manifest)
    ran = backend.native
    return Tried(manifest.file("model").name) if ran is None else Tried(ran.file, ran.library_sha256)


def _load(backend: "Backend", subject: "Subject") -> None:
    """With every core, as what is told nothing else does; on one, where native operators or the runtime cannot."""
    from device_agent.probe import usable_cores

    settings = Settings(threads=usable_cores())
    try:
        backend.load(subject, settings)
    except (CannotRunNative, FewerThreads) as error:
        if error.code not in ("native_threads", FewerThreads.code):
            raise
        backend.load(subject, replace(settings, threads=1))


def _end_with(stdin: BinaryIO) -> None:
    stdin.read()
    os._exit(1)


def _offer_to_the_oom_killer() -> None:
    """If memory runs out, this process goes first: the agent has to live to tell, and others have work to do."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
