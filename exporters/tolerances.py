"""What the gate allows, each number in this one place; nothing slow is imported, so a push may read it too."""

from exporters.choices import Batch

TOLERANCE = 1e-4  # of the spread of the outputs
ROUNDINGS = 2  # of eager's own error, where that is more: two computations that both round may differ so far
ON_A_DEVICE = 10  # times as much, of the spread and of ties alike: other processors sum in another order
# A quantized graph rounds to whole steps on the way, and each processor rounds its sums otherwise: a number that stands
# near an edge is off by a whole step, in every layer. So the mean |Δ| of an output is held against an allowance.
# ONNX Runtime's own tests allow another backend a step of 8 bits in each operator (DEFAULT_QDQ_TOLERANCE, 0.4 % of the
# range, microsoft/onnxruntime#18684); its fused operators are off by steps at ties (#32132); x86 and Arm are expected
# to differ (#20479); x86 without VNNI saturates sums of 8-bit products (#14642, oneDNN's "Nuances of int8").
# What that comes to, `benchmarks/quantized.py` measures: its numbers are in docs/architecture.md.
QUANTIZED_LEAST, QUANTIZED_MOST = 0.05, 0.5  # of the spread of the outputs
QUANTIZED_TIMES = 2  # what the runtime's own two ways to compute it are apart
QUANTIZED_TIES = 6  # of the mean's allowance: two numbers may each be off by three times the mean
ONE_BY_ONE = (1,)
DYNAMIC = (1, 2, 5)
# How many images at once an export is proved with.
PROVED_AT: dict[Batch, tuple[int, ...]] = {"1": ONE_BY_ONE, "dynamic": DYNAMIC}


def quantized_allowance(spread: float, apart: float) -> float:
    """The mean |Δ| by which a device may be off in an output of a quantized graph, in the output's unit.

    Args:
        spread: the standard deviation of the output over all samples.
        apart: mean |Δ| of the sample that ONNX Runtime answers to most differently with all its optimisations, which
            sum whole numbers, and with none of them, which round between sums in float32 as the graph says.
    """
    return min(QUANTIZED_MOST * spread, max(QUANTIZED_LEAST * spread, QUANTIZED_TIMES * apart))


def tie(eager_error: float) -> float:
    """Two outputs no farther apart than this may change places: each may move by twice eager's own error."""
    return 2 * ROUNDINGS * eager_error
