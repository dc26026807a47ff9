"""A graph in double precision: every float widened, computed by ONNX's own reference and, where that is slow, torch.

What such a run gives is checked to be double all the way: an operator that computes in single precision whatever it is
given ends it.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import onnx
import torch
from onnx import AttributeProto, GraphProto, NodeProto, TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

from exporters.own_onnx.kernels import kernels
from exporters.reference import first_line
from exporters.right_answers import Array, Tensors

_NARROW = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16)
_NARROW_DTYPES = (np.dtype(np.float32), np.dtype(np.float16))
_DOUBLE = TensorProto.DOUBLE
_OPERATORS_WITH_A_TYPE = {"Cast": "to", "EyeLike": "dtype"}


class NotInDouble(Exception):
    """An operator that cannot be computed in double precision; the message is a clause."""


def has_half_precision(model: onnx.ModelProto) -> bool:
    """Whether any weight, input or output of a graph is in half precision."""
    half = (TensorProto.FLOAT16, TensorProto.BFLOAT16)
    given = (*model.graph.input, *model.graph.output)
    return any(tensor.data_type in half for tensor in model.graph.initializer) or any(
        value.type.tensor_type.elem_type in half for value in given
    )


class InDouble:
    """A graph that answers in double precision. Raises `NotInDouble` for an operator that cannot.

    `more` are operators that ONNX has not, in the form that its reference evaluator takes.
    """

    def __init__(self, model: onnx.ModelProto, more: Sequence[type[OpRun]] = ()) -> None:
        self._weights = {tensor.name: _widened(tensor) for tensor in model.graph.initializer}
        self._outputs = [value.name for value in model.graph.output]
        graph = _without_weights(model)
        _widen_nodes(graph.graph.node)
        for function in graph.functions:
            _widen_nodes(function.node)
        opset = next((known.version for known in model.opset_import if known.domain in ("", "ai.onnx")), 0)
        try:
            self._nodes = ReferenceEvaluator(graph, new_ops=[*kernels(opset), *more]).rt_nodes_
        except Exception as error:  # whatever the reference meets in an operator that it does not know
            raise NotInDouble(first_line(error)) from error
        self._branched = any(node.need_context() for node in self._nodes)

    def answers(self, run: Tensors) -> dict[str, Array]:
        """The outputs for one run, floats of it widened first."""
        known: dict[str, Array | None] = {"": None, **self._weights}
        known |= {name: _double(array) for name, array in run.items()}
        left = Counter(name for node in self._nodes for name in node.input)
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # sums split over threads round otherwise on every machine
        try:
            for node in self._nodes:
                known |= self._computed(node, known)
                self._forget(node, known, left)
        finally:
            torch.set_num_threads(threads)
        return {name: np.asarray(known[name]) for name in self._outputs}

    def _computed(self, node: "_Node", known: dict[str, Array | None]) -> dict[str, Array]:
        given = [known[name] for name in node.input]
        try:
            with np.errstate(all="ignore"):
                found = node.run(*given, context=known) if node.need_context() else node.run(*given)
        except MemoryError:
            raise
        except Exception as error:  # whatever the reference meets
            raise NotInDouble(f"{node.op_type}: {first_line(error)}") from error
        narrow = next((array for array in found if getattr(array, "dtype", None) in _NARROW_DTYPES), None)
        if narrow is not None:
            raise NotInDouble(f"{node.op_type} answers in {narrow.dtype} whatever it is given")
        return dict(zip(node.output, found, strict=False))

    def _forget(self, node: "_Node", known: dict[str, Array | None], left: Counter[str]) -> None:
        """What no later node reads, so that a large network's maps are not all in memory at once."""
        for name in node.input:
            left[name] -= 1
            kept = self._branched or name in self._weights or name in self._outputs
            if not left[name] and name and not kept:  # a branch reads values of the graph around it
                known.pop(name, None)


class _Node:
    """What is used of a node of the reference evaluator."""

    op_type: str
    input: list[str]
    output: list[str]

    def need_context(self) -> bool:
        raise NotImplementedError

    def run(self, *inputs: Array | None, **more: object) -> tuple[Array, ...]:
        raise NotImplementedError


def _double(array: Array) -> Array:
    return array.astype(np.float64) if array.dtype in _NARROW_DTYPES else array


def _widened(tensor: TensorProto) -> Array:
    array = numpy_helper.to_array(tensor)
    return array.astype(np.float64) if tensor.data_type in _NARROW else array


def _without_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of everything but the initializers, which may be large."""
    graph = model.graph
    bare = GraphProto(name=graph.name, node=graph.node, input=graph.input, output=graph.output)
    bare.sparse_initializer.extend(graph.sparse_initializer)
    copy = onnx.ModelProto(ir_version=model.ir_version, graph=bare, opset_import=model.opset_import)
    copy.functions.extend(model.functions)
    return copy


def _widen_nodes(nodes: Iterable[NodeProto]) -> None:
    for node in nodes:
        _widen_constant(node)
        for attribute in node.attribute:
            if attribute.type == AttributeProto.GRAPH:
                _widen_graph(attribute.g)
            elif attribute.type == AttributeProto.TENSOR and attribute.t.data_type in _NARROW:
                attribute.t.CopyFrom(_widened_tensor(attribute.t))
            elif _OPERATORS_WITH_A_TYPE.get(node.op_type) == attribute.name and attribute.i in _NARROW:
                attribute.i = _DOUBLE


def _widen_graph(graph: GraphProto) -> None:
    _widen_nodes(graph.node)
    for tensor in graph.initializer:
        if tensor.data_type in _NARROW:
            tensor.CopyFrom(_widened_tensor(tensor))


def _widened_tensor(tensor: TensorProto) -> TensorProto:
    return numpy_helper.from_array(_widened(tensor), tensor.name)


def _widen_constant(node: NodeProto) -> None:
    """Constants that are written as plain numbers, or left out, are single precision by definition."""
    if node.op_type == "ConstantOfShape" and not node.attribute:
        node.attribute.append(helper.make_attribute("value", numpy_helper.from_array(np.zeros(1))))
    if node.op_type != "Constant":
        return
    for attribute in node.attribute:
        if attribute.name in ("value_float", "value_floats"):
            numbers = np.array(helper.get_attribute_value(attribute), dtype=np.float64)
            attribute.CopyFrom(helper.make_attribute("value", numpy_helper.from_array(numbers)))
