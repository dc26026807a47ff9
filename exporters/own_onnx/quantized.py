"""Whether a graph rounds to whole steps on the way: one that a quantizer wrote.

Rewriting such a graph would change its numbers by steps, not by roundings, so no pass touches it.
"""

import onnx

from exporters.own_onnx.nodes import nodes_of

_STANDARD = frozenset(
    [
        *("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear"),
        *("QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger"),
    ]
)
# Of ONNX Runtime's own domain: what its quantizer writes, and 1.15, the oldest of any target, has as well.
_DOMAIN = "com.microsoft"
_QUANTIZERS_OWN = _STANDARD | frozenset(
    [
        *("QGemm", "QLinearAdd", "QLinearAveragePool", "QLinearConcat", "QLinearGlobalAveragePool"),
        *("QLinearLeakyRelu", "QLinearMul", "QLinearReduceMean", "QLinearSigmoid", "QLinearSoftmax", "QLinearWhere"),
    ]
)


def is_quantizers_own(node: onnx.NodeProto) -> bool:
    """Whether it is an operator of ONNX Runtime's own that a quantizer writes."""
    return node.domain == _DOMAIN and node.op_type in _QUANTIZERS_OWN


def is_quantized(model: onnx.ModelProto) -> bool:
    """Whether any operator of the graph reads or writes quantized numbers."""
    return any(is_quantizers_own(node) or (not node.domain and node.op_type in _STANDARD) for node in nodes_of(model))
