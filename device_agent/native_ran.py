"""The library that an artifact's native operators get on this device, verified as it is loaded."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from device_agent.errors import NativeDamaged
from device_agent.manifest import NativeOperators
from device_agent.messages.bench import NativeRan
from device_agent.native import NoSuchKernels, NotThisLibrary, instructions
from device_agent.native_choice import CannotRunNative
from device_agent.native_store import choose_here


def native_ran(native: NativeOperators, libraries: Path, version: str, threads: int) -> NativeRan:
    """What runs of them, in this version of their runtime. Raises `CannotRunNative`, `NativeDamaged`."""
    choice = choose_here(native, version, threads)
    with loading():
        kernels = instructions(libraries / choice.library.sha256)
    return NativeRan(choice.model.file, choice.model.block, choice.library.sha256, kernels)


@contextmanager
def loading() -> Iterator[None]:
    """What the loader refuses, as errors of the agent's."""
    try:
        yield
    except NotThisLibrary as error:
        raise NativeDamaged(error.message, error.remedy) from error
    except NoSuchKernels as error:
        raise CannotRunNative("native_instructions", error.message, error.remedy) from error
