"""Which ONNX Runtimes run a graph in blocks, and which block this machine's has.

Images in blocks are an inner matter of the runtime's: nothing promises that a newer one reads them, so the range that
is written into an artifact ends with the newest that was tried (`tests/exporters/native`; `make runtimes`).
"""

from functools import cache

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

from device_agent.native_choice import release
from exporters.native.operators import RUNTIME_DOMAIN
from exporters.parity import session_of

NEWEST_TRIED = "1.32"  # 1.32.0; patch releases count as tried
WITH_HARD_SWISH = "1.30.0"  # the first whose convolution in blocks has HardSwish inside (1.29.0 refuses it)
_BLOCKS = (16, 8)


def oldest_runtime(model: onnx.ModelProto, oldest: str) -> str:
    """The oldest runtime that runs a graph in blocks: that of the target, or a newer one for what the graph has."""
    return max(oldest, WITH_HARD_SWISH, key=release) if _has_hard_swish(model) else oldest


def _has_hard_swish(model: onnx.ModelProto) -> bool:
    convs = (node for node in model.graph.node if node.domain == RUNTIME_DOMAIN and node.op_type == "Conv")
    return any(entry.name == "activation" and entry.s == b"HardSwish" for node in convs for entry in node.attribute)


@cache
def runtimes_block() -> int:
    """How many channels this machine's runtime keeps together; 0 where it has no such layout."""
    session = _session_of_one_node()
    if session is None:
        return 0
    (blocked,) = session.run(None, {"plain": np.zeros((1, 4, 1, 1), dtype=np.float32)})
    count = int(blocked.shape[1])
    return count if count in _BLOCKS else 0


def _session_of_one_node() -> onnxruntime.InferenceSession | None:
    node = helper.make_node("ReorderInput", ["plain"], ["blocked"], domain=RUNTIME_DOMAIN)
    plain = helper.make_tensor_value_info("plain", TensorProto.FLOAT, (1, 4, 1, 1))
    blocked = helper.make_tensor_value_info("blocked", TensorProto.FLOAT, (1, "channels", 1, 1))
    imports = [helper.make_opsetid("", 13), helper.make_opsetid(RUNTIME_DOMAIN, 1)]
    graph = helper.make_graph([node], "one", [plain], [blocked])
    try:
        return session_of(helper.make_model(graph, opset_imports=imports, ir_version=8))
    except Exception:  # ONNX Runtime has a family of its own: there is no such operator
        return None
