"""Standard output belongs to whoever called: what libraries print there goes to standard error."""

import contextlib
import ctypes
import os
import sys
import tempfile
from collections.abc import Iterator

_OUT = 1
# Torch prints its whole graph, tens of kilobytes, before it raises; a slip of its own (`setup_onnx_logging` in
# torch/onnx/_internal/torchscript_exporter/utils.py) keeps that from being switched off. The error says what matters.
_DUMP = "Torch IR graph at exception"


@contextlib.contextmanager
def stdout_to_stderr() -> Iterator[None]:
    """Send what is printed meanwhile, from Python or from C, to standard error; torch's dump of its graph nowhere."""
    with contextlib.redirect_stdout(sys.stderr), tempfile.TemporaryFile() as caught:
        try:
            with _descriptor_to(caught.fileno()):
                yield
        finally:
            caught.seek(0)
            sys.stderr.write(caught.read().decode(errors="replace").partition(_DUMP)[0])


@contextlib.contextmanager
def _descriptor_to(target: int) -> Iterator[None]:
    _flush()
    try:
        kept = os.dup(_OUT)
    except OSError:  # it was closed: nothing can be printed there
        yield
        return
    try:
        os.dup2(target, _OUT)
        yield
    finally:
        _flush()
        os.dup2(kept, _OUT)
        os.close(kept)


def _flush() -> None:
    for stream in (sys.__stdout__, sys.stdout):
        if stream is not None:
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
    with contextlib.suppress(AttributeError, OSError):  # where the C library is not to be had by name
        ctypes.CDLL(None).fflush(None)
