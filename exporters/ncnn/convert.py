"""ONNX graph → ncnn's text and weights, by pnnx, Tencent's converter, in a process and a folder of its own."""

import resource
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx

from device_agent.deaths import death_of, exit_code_of
from device_agent.manifest import TensorInfo
from device_agent.ncnn_param import OWN_LAYER, NcnnLayer, NotNcnn, inputs_of, outputs_of, read_param
from exporters.errors import ExportFailed
from exporters.ncnn.layers import Unfound, restored, with_stand_ins
from exporters.ncnn.packages import ANEW, require_ncnn

_OTHERWISE = "Export it with --format onnx, for another backend."
# Of GroupNL's own operators the passes leave none.
_BY_LEVEL = "Export it with --optimize full if that was another level; else with --format onnx, for another backend."

_LONGEST_S = 600.0
_MEMORY_BYTES, _MEMORY_TIMES = 4 << 30, 20  # as much, and so many times the graph on top: it holds several copies


@dataclass(frozen=True)
class NcnnNetwork:
    """The two files, as bytes, how many layers there are, and the converter's version."""

    param: bytes
    weights: bytes
    layers: int
    converter: str


def converted(model: onnx.ModelProto, inputs: Sequence[TensorInfo], outputs: int) -> NcnnNetwork:
    """The network in float32, layers of GroupNL's as what they are. The same graph gives the same bytes.

    Args:
        model: a graph of float32 inputs whose first axis is 1.
        inputs: its own, in order.
        outputs: how many it has.

    Raises `ExportFailed` where the packages are missing, where pnnx or ncnn do not know an operator, and where pnnx
    fails or takes too much of time or memory.
    """
    pnnx = require_ncnn()
    convertible, stand_ins = with_stand_ins(model)
    with tempfile.TemporaryDirectory(prefix="groupnl-ncnn-") as name:
        folder = Path(name)
        onnx.save(convertible, folder / "model.onnx")
        shapes = ",".join(f"[{','.join(map(str, one.shape))}]f32" for one in inputs)
        said = _run(pnnx.program, ["model.onnx", f"inputshape={shapes}", "fp16=0"], folder, model.ByteSize())
        try:
            param, weights = ((folder / f"model.ncnn.{end}").read_bytes() for end in ("param", "bin"))
        except OSError as error:
            raise not_for_ncnn(f"pnnx {pnnx.version} gave no network: {_last_line(said)}") from error
    try:
        param, weights = restored(param, weights, stand_ins)
    except Unfound as error:
        raise not_for_ncnn(str(error)) from error
    return NcnnNetwork(param, weights, len(_known_layers(param, len(inputs), outputs)), pnnx.version)


def _run(program: str, words: Sequence[str], folder: Path, graph_bytes: int) -> str:
    """What it says, none of which anybody wants to read on a terminal."""
    most = _MEMORY_BYTES + _MEMORY_TIMES * graph_bytes

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (most, most))

    try:
        done = subprocess.run(
            [program, *words],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_LONGEST_S,
            preexec_fn=limited,  # no thread of ours holds a lock that it would need
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise not_for_ncnn(f"pnnx did not end within {_LONGEST_S:g} s") from error
    except OSError as error:
        raise ExportFailed(f"pnnx, which is {program}, cannot be started: {error.strerror}.", ANEW) from error
    return _said(done)


def _said(done: "subprocess.CompletedProcess[bytes]") -> str:
    """Raises for a pnnx that did not end well."""
    said, death = done.stdout.decode(errors="replace"), death_of(exit_code_of(done.returncode))
    if death is not None and death.code == "illegal_instruction":
        raise ExportFailed(f"The converter pnnx {death.what}.", ANEW)
    if death is not None:
        raise not_for_ncnn(f"pnnx {death.what}")
    if done.returncode:
        raise not_for_ncnn(f"pnnx ended with {done.returncode}: {_last_line(said)}")
    return said


def _known_layers(param: bytes, inputs: int, outputs: int) -> tuple[NcnnLayer, ...]:
    """Raises for operators that pnnx left as they were or ncnn has no layer for, and for lost inputs or outputs."""
    import ncnn

    try:
        layers = read_param(param)
    except NotNcnn as error:
        raise not_for_ncnn(f"what pnnx gave is no network of ncnn's: {error}") from error
    unknown = sorted(
        {layer.kind for layer in layers if layer.kind != OWN_LAYER and ncnn.layer_to_index(layer.kind) < 0}
    )
    if unknown:
        raise not_for_ncnn(f"ncnn {ncnn.__version__} has no layer for {', '.join(unknown)}", _BY_LEVEL)
    found = len(inputs_of(layers)), len(outputs_of(layers))
    if found != (inputs, outputs):
        raise not_for_ncnn(f"of {inputs} inputs and {outputs} outputs pnnx kept {found[0]} and {found[1]}")
    return layers


def not_for_ncnn(why: str, remedy: str = _OTHERWISE) -> ExportFailed:
    """The error that says why."""
    return ExportFailed(f"The graph cannot become a network of ncnn's: {why}.", f"Nothing was written. {remedy}")


def _last_line(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1][:200].rstrip(".") if lines else "it said nothing"
