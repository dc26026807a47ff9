"""The packages that the format ncnn needs on this machine: there, whole, and fit for its processor."""

import subprocess
import sys
from dataclasses import dataclass
from functools import cache

from device_agent.deaths import death_of, exit_code_of
from exporters.errors import ExportFailed

INSTALL = "Install them: pip install 'groupnl-deploy[ncnn]'."
ANEW = "Install another version of them: pip install --force-reinstall 'groupnl-deploy[ncnn]'."


@dataclass(frozen=True)
class Converter:
    """pnnx, a program of its own: where it is, and its version."""

    program: str
    version: str


def require_ncnn() -> Converter:
    """Tencent's converter, where its networks can be proved too. Raises `ExportFailed` as `require_runtime` does."""
    require_runtime()
    try:
        import pnnx

        return Converter(str(pnnx.EXEC_PATH), str(pnnx.__version__))
    except ImportError as error:
        raise _unusable("pnnx", error) from error
    except AttributeError as error:
        raise _not_tencents("pnnx", error) from error


@cache
def require_runtime() -> None:
    """Raise `ExportFailed` where ncnn is missing, cannot be loaded, or is another package of that name.

    A process of its own loads it first, as its library may be for another processor, and end whoever loads it.
    """
    command = [sys.executable, "-c", "import ncnn"]
    tried = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    death = death_of(exit_code_of(tried.returncode))
    if death is not None:
        raise ExportFailed(f"The process that tried the package ncnn {death.what}.", ANEW)
    try:
        import ncnn

        _ = ncnn.__version__, ncnn.Net
    except ImportError as error:
        raise _unusable("ncnn", error) from error
    except AttributeError as error:
        raise _not_tencents("ncnn", error) from error


def _unusable(package: str, error: ImportError) -> ExportFailed:
    if isinstance(error, ModuleNotFoundError) and error.name == package:
        return ExportFailed(f"The format ncnn needs pnnx and ncnn, and {package} is not installed.", INSTALL)
    return ExportFailed(
        f"The package {package} is installed and cannot be loaded: {error}.", f"Install what it names. {ANEW}"
    )


def _not_tencents(package: str, error: AttributeError) -> ExportFailed:
    return ExportFailed(f"The package {package} that is installed is not Tencent's, or not whole: {error}.", ANEW)
