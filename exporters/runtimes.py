"""Which ONNX Runtimes a model file with native operators is for: what the manifest says of it, by its graph and target.

An export writes this, and whoever reads a manifest holds it against this again. Images in blocks are an inner matter
of the runtime's: nothing promises that a newer one reads them, so their range ends with the newest that was tried
(`tests/exporters/native`; `make runtimes`). Nothing slow is imported.
"""

from device_agent.manifest import NativeModel
from device_agent.native_choice import release
from exporters.graph_facts import GraphFacts
from exporters.native.operators import POINTWISE
from exporters.targets.base import Target

NEWEST_TRIED = "1.32"  # 1.32.0; patch releases count as tried
WITH_HARD_SWISH = "1.30.0"  # the first whose convolution in blocks has HardSwish inside (1.29.0 refuses it)
WITH_THREADS = "1.17"  # the first that lets an operator of ours have its threads


def range_of(file: str, block: int, graph: GraphFacts, target: Target) -> NativeModel:
    """What is said of a model file in blocks of so many channels (0 for the plain layout), its proof left out.

    A plain file with products is for one thread where operators have no more: beside it is one without.
    """
    oldest = target.oldest_runtime
    if not block:
        return NativeModel(file, 0, oldest, one_thread_below=WITH_THREADS if POINTWISE in graph.native else None)
    if graph.hard_swish_inside:
        oldest = max(oldest, WITH_HARD_SWISH, key=release)
    return NativeModel(file, block, oldest, NEWEST_TRIED)
