"""The right answers of an ONNX file: in double precision where that can be, else as ONNX Runtime computes the file.

Beside them the file runs in ONNX Runtime twice, without any of its optimisations and with them. The first is what the
file is in single precision. How far the two are apart is what rounding alone does to it, and tells an operator that the
double precision computes in another way from a network that amplifies rounding.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import onnx

from exporters.errors import OnnxRefused, ParityError
from exporters.own_onnx.in_double import InDouble, NotInDouble, has_half_precision
from exporters.parity import Found, session_of
from exporters.reference import MOST_ALLOWED, first_line
from exporters.right_answers import Answers, Array, Reference, Tensors, most_off, runs_of, spread_of, worst_mean
from exporters.tolerances import ROUNDINGS, TOLERANCE

# What double precision is off by beside what the runtime's two ways are apart: more is no rounding.
_NO_ROUNDING = 20
_RUNTIMES_OWN = re.compile(r"^\[ONNXRuntimeError\] : \d+ : \w+ : |/\S*\.(cc|h):\d+ \S+::\S+\([^)]*\) ")
_HALF = 0.1  # of the spread: a thousand roundings of half precision, in which both of the runtime's ways may agree


@dataclass(frozen=True)
class Right:
    """The right answers of a file, and why they are not in double precision, if so, as a clause."""

    reference: Reference
    not_double: str | None = None


def right_answers(
    model: onnx.ModelProto, samples: tuple[Tensors, ...], batches: tuple[int, ...], quantized: bool
) -> Right:
    """Compute a file on samples and batches of them.

    Raises `OnnxRefused` where ONNX Runtime cannot run it or it answers in another way each time, `ParityError` where
    it gives no numbers or rounding drowns them.
    """
    runs, names = list(runs_of(samples, batches)), [value.name for value in model.graph.output]
    plain = _in_runtime(model, runs, names, optimized=False, alone=len(samples))
    _require_fixed_sizes(plain, len(samples))
    _require_batch(plain, runs, len(samples))
    fast = _in_runtime(model, runs, names, optimized=True, alone=len(samples))
    _require_numbers(plain)
    why = "it is quantized, and rounds to whole steps on purpose" if quantized else None
    try:
        right = plain if why else _in_double(model, runs, names)
    except NotInDouble as error:
        right, why = plain, str(error)
    rounding = _HALF if has_half_precision(model) else TOLERANCE
    if why is None and not _are_near(right, plain, fast, len(samples), rounding):
        right, why = plain, "double precision answers otherwise, by more than rounding"
    single = fast if why else plain
    outputs = {name: _answers(right[name], single[name], plain[name][0].dtype, len(samples)) for name in names}
    found = Reference(samples, batches, outputs, "float32" if why else "float64", quantized)
    if not quantized:
        _require_calm(found)
    return Right(found, why)


def widened(right: Right, model: onnx.ModelProto, more: tuple[Tensors, ...]) -> Reference:
    """The same on more samples, one by one, computed in the same way."""
    runs, names = list(more), list(right.reference.outputs)
    plain = _in_runtime(model, runs, names, optimized=False)
    double = right.not_double is None
    answers = _in_double(model, runs, names) if double else plain
    single = plain if double else _in_runtime(model, runs, names, optimized=True)
    outputs = {name: _answers(answers[name], single[name], plain[name][0].dtype, len(more)) for name in names}
    return replace(right.reference, samples=more, batches=(1,), outputs=outputs, wider=None)


def _one_at_a_time(why: str) -> OnnxRefused:
    return OnnxRefused(
        f"The file takes one sample at a time: {why}.",
        "Leave --batch dynamic out, or export the file so that it keeps its first axis.",
    )


def _require_batch(found: Found, runs: list[Tensors], alone: int) -> None:
    """Raise `OnnxRefused` where an output of several samples is not one row for each."""
    for name, values in found.items():
        for run, value in zip(runs[alone:], values[alone:], strict=True):
            batch = len(next(iter(run.values())))
            if value.shape != (batch, *values[0].shape[1:]):
                raise _one_at_a_time(f"for {batch} of them its output {name} has shape {value.shape}")


def _in_runtime(
    model: onnx.ModelProto, runs: list[Tensors], names: list[str], optimized: bool, alone: int | None = None
) -> Found:
    rows: list[list[Array]] = []
    try:
        session = session_of(model, optimized)
        for run in runs:
            rows.append(session.run(names, dict(run)))
    except MemoryError:
        raise
    except Exception as error:  # ONNX Runtime has a family of its own
        said = _RUNTIMES_OWN.sub("", first_line(error))
        if rows and alone is not None and len(rows) >= alone:
            raise _one_at_a_time(f"several at once fail: {said}") from error
        raise OnnxRefused(
            f"ONNX Runtime cannot run the file: {said}.",
            "Try it with onnxruntime alone; where a size does not fit, give inputs that do: --inputs FILE.npz.",
        ) from error
    return {name: [row[index] for row in rows] for index, name in enumerate(names)}


def _in_double(model: onnx.ModelProto, runs: list[Tensors], names: list[str]) -> Found:
    net = InDouble(model)
    rows = [net.answers(run) for run in runs]
    return {name: [row[name] for row in rows] for name in names}


def _are_near(right: Found, plain: Found, fast: Found, alone: int, rounding: float) -> bool:
    """Whether double precision computes what the runtime does, but for rounding."""
    for name, values in right.items():
        if [value.shape for value in values] != [value.shape for value in plain[name]]:
            return False
        if values[0].dtype.kind in "biu":
            continue
        off, apart = most_off(values, plain[name]), most_off(plain[name], fast[name])
        if not ROUNDINGS * off <= max(rounding * _spread(values[:alone]), _NO_ROUNDING * apart):
            return False
    return True


def _answers(right: Sequence[Array], single: Sequence[Array], dtype: np.dtype, alone: int) -> Answers:
    if dtype.kind in "biu":
        return Answers(tuple(right), alone, _spread(right[:alone]), 0.0, tuple(single), str(dtype))
    values = tuple(value.astype(np.float64) for value in right)
    return Answers(
        values, alone, _spread(values[:alone]), most_off(values, single), (), str(dtype), worst_mean(values, single)
    )


def _spread(values: Sequence[Array]) -> float:
    """The standard deviation; of one number for everything, its size."""
    return spread_of(values) or float(np.abs(values[0]).max(initial=0.0))


def _require_fixed_sizes(found: Found, alone: int) -> None:
    for name, values in found.items():
        shapes = {value.shape for value in values[:alone]}
        if len(shapes) > 1 or any(0 in shape for shape in shapes):
            raise OnnxRefused(
                f"The size of the output {name} depends on the numbers that come in: "
                f"{', '.join('x'.join(map(str, shape)) for shape in sorted(shapes)[:3])}.",
                "Leave such a selection (NonZero, NonMaxSuppression) out of the graph, and do it behind it.",
            )


def _require_numbers(found: Found) -> None:
    for name, values in found.items():
        broken = sum(int((~np.isfinite(value)).sum()) for value in values if value.dtype.kind == "f")
        if broken:
            raise ParityError(
                f"The file's own output {name} has {broken} values that are NaN or infinite on {len(values)} runs.",
                "Nothing was written. Give inputs as the network knows them (--inputs, --images, --mean, --std), or "
                "look for NaN or huge weights.",
            )


def _require_calm(reference: Reference) -> None:
    for name, answers in reference.outputs.items():
        if ROUNDINGS * answers.eager_error > MOST_ALLOWED * answers.spread:
            raise ParityError(
                f"The file amplifies rounding so much that nothing can be proved: its output {name} is itself "
                f"{answers.eager_error / answers.spread:.2g} of its spread away from the right one.",
                "Nothing was written. Give inputs as the network knows them, or look for huge weights.",
            )
