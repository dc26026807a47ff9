"""Which block this machine's ONNX Runtime has."""

from functools import cache

import numpy as np
import onnxruntime
from onnx import TensorProto, helper

from exporters.native.operators import RUNTIME_DOMAIN
from exporters.parity import session_of

_BLOCKS = (16, 8)


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
