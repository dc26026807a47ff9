"""The lines of Python that run an artifact on its device: docs/deployment.md and docs/native.md have the same."""

import json

_PROGRAM = """\
import json
from pathlib import Path

import numpy
import onnxruntime

artifact = Path({artifact}).resolve()
manifest = json.loads((artifact / "manifest.json").read_text())
options = onnxruntime.SessionOptions()
{register}session = onnxruntime.InferenceSession(artifact / {model}, options)
inputs = {{one["name"]: numpy.zeros(one["shape"], one["dtype"]) for one in manifest["inputs"]}}
print([output.shape for output in session.run(None, inputs)])
"""
_REGISTER = """\
import sys

sys.path.insert(0, {folder})
from groupnl_native import register

register(options, {library})
"""


def own_program(artifact: str, model: str, library: str | None = None) -> str:
    """Ten lines that run a model once, on zeros; four more where a library computes native operators.

    Args:
        artifact: the path of its folder on the device, or of `current/onnx`.
        model: the file's name in it.
        library: the path of the library; beside it lies what registers it.
    """
    register = ""
    if library is not None:
        folder = library.rpartition("/")[0]
        register = _REGISTER.format(folder=_quoted(folder), library=_quoted(library))
    return _PROGRAM.format(artifact=_quoted(artifact), model=_quoted(model), register=register)


def _quoted(text: str) -> str:
    """As a literal of Python's, in the quotes of this project."""
    return json.dumps(text, ensure_ascii=False)
