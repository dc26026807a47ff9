"""The numerical gate: an exported model that does not equal its source is not written.

The right answers are the source's in double precision (`exporters.reference`). The tolerance is ours, not a helper's
default: max |Δ| ≤ 1e-4 of their standard deviation over all images, or twice what the source itself is off by in
single precision where that is more; and the same arg-max on each.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Literal

import numpy as np
import onnx
import onnxruntime
from torch import nn

from device_agent.manifest import Amplifier, Golden, Parity
from exporters.choices import OUTPUT_NAME
from exporters.errors import Amplified, BatchBaked, ParityError
from exporters.reference import Float32Array, first_line, torch_answers
from exporters.right_answers import Answers, Array, Reference, Runs, Tensors, runs_of, samples_of, spread_of, worst_mean
from exporters.tolerances import ON_A_DEVICE, ONE_BY_ONE, QUANTIZED_TIES, ROUNDINGS, TOLERANCE, quantized_allowance, tie

# No rewrite of ours is off by more than three times what eager is; one that is off by so much more, and not by next to
# nothing, is wrong in something that these images hardly show.
_STRANGE, _NEAR = 10, 0.05

Register = Callable[[onnxruntime.SessionOptions], None]
"""Gives a session operators that the runtime has not."""

Found = Mapping[str, Sequence[Array]]
"""What was computed, by output: one array a run."""


def prove_onnx(reference: Reference, model: onnx.ModelProto, register: Register | None = None) -> Parity:
    """Run a graph in ONNX Runtime at every batch of the reference. Raises `ParityError`, `BatchBaked`."""
    return proved(reference, partial(onnx_answers, model, tuple(reference.outputs), register=register))


def prove_torch(reference: Reference, model: nn.Module) -> Parity:
    """Run an eager network. Raises `ParityError`."""
    return proved(reference, lambda samples, batches: {OUTPUT_NAME: torch_answers(model, samples, batches)})


def proved(reference: Reference, run: Callable[[Sequence[Tensors], tuple[int, ...]], Found]) -> Parity:
    """Judge what `run` computes: on all samples, and on those of the wider reference where the difference is more than
    rounding explains.

    The answer is about the output that is nearest to its limit.
    """
    parities = _judged(reference, run(reference.samples, reference.batches))
    if reference.wider is not None and any(map(_is_strange, parities)):
        wide = replace(reference.wider(), amplifier=reference.amplifier)
        found = run(wide.samples, wide.batches)
        for name, answers in wide.outputs.items():
            spread = reference.outputs[name].spread
            _compared(wide, name, replace(answers, spread=spread), found[name], len(answers.values))
    return max(parities, key=_share_of_limit)


def _is_strange(parity: Parity) -> bool:
    limit = parity.tolerance * parity.output_std
    return parity.max_abs_error > max(_STRANGE * parity.eager_error, _NEAR * limit)


def _share_of_limit(parity: Parity) -> float:
    limit = parity.tolerance * parity.output_std
    return parity.max_abs_error / limit if limit else 0.0


def _judged(reference: Reference, found: Found) -> list[Parity]:
    """One a output: of the samples one by one first, as what is wrong there has nothing to do with the batch."""
    alone = {
        name: _compared(reference, name, answers, found[name], answers.alone)
        for name, answers in reference.outputs.items()
    }
    try:
        return [
            parity if len(answers.values) == answers.alone else _compared(reference, name, answers, found[name])
            for (name, answers), parity in zip(reference.outputs.items(), alone.values(), strict=True)
        ]
    except ParityError as error:
        raise _baked(f"with several images at once {_lower(error.message)}") from error


def _compared(
    reference: Reference, name: str, answers: Answers, found: Sequence[Array], runs: int | None = None
) -> Parity:
    """The first runs of one output: all of them, or those of the samples one by one."""
    if answers.is_exact:
        _require_equal(name, answers, found[:runs])
    elif reference.quantized:
        _require_near(name, answers, found[:runs])
    return compare(
        found[:runs] if answers.is_exact else answers.values[:runs],
        found[:runs],
        eager_error=answers.eager_error,
        spread=answers.spread,
        batches=reference.batches,
        amplifier=reference.amplifier,
        images=len(reference.samples),
        scores=answers.is_scores,
        output=name,
        computed=reference.computed,
    )


def compare(
    right: Runs,
    found: Runs,
    tolerance: float = TOLERANCE,
    *,
    eager_error: float = 0.0,
    spread: float | None = None,
    batches: tuple[int, ...] = ONE_BY_ONE,
    amplifier: Amplifier | None = None,
    images: int | None = None,
    scores: bool = True,
    output: str = OUTPUT_NAME,
    computed: Literal["float64", "float32"] = "float64",
) -> Parity:
    """Compare two answers to the same runs. Raises `ParityError`; NaN anywhere is a difference.

    Args:
        right: an array of numbers for each run.
        found: those to be judged.
        tolerance: of the spread; the least that is allowed.
        eager_error: max |Δ| of the source in single precision.
        spread: standard deviation of the right ones, if not that of `right`.
        batches: kept in the answer.
        amplifier: kept in the answer.
        images: how many there are, if not one a run.
        scores: whether the last axis has the classes, of which the best must be the same.
        output: its name, kept in the answer.
        computed: how `right` was; kept in the answer.
    """
    _require_same_shapes(right, found)
    with np.errstate(invalid="ignore"):
        spread = spread_of(right) if spread is None else spread
        pairs = zip(right, found, strict=True)
        errors = np.concatenate([np.abs(one.astype(np.float64) - two).ravel() for one, two in pairs])
        error, usual = (float(errors.max()), float(np.quantile(errors, 0.99))) if errors.size else (0.0, 0.0)
        same = not scores or _same_answers(right, found, tie(eager_error))
    allowed = max(tolerance, ROUNDINGS * eager_error / spread) if spread > 0 else tolerance
    count = len(right) if images is None else images
    parity = Parity(count, error, usual, spread, allowed, same, eager_error, computed, batches, amplifier, output)
    if not (same and error <= allowed * spread):  # also false when a NaN makes the comparison false
        raise _differs(parity)
    return parity


def _require_same_shapes(right: Runs, found: Runs) -> None:
    shapes = [tuple(array.shape for array in arrays) for arrays in (right, found)]
    if shapes[0] != shapes[1]:
        one, two = next(pair for pair in zip(*shapes, strict=False) if pair[0] != pair[1])
        raise ParityError(
            f"The exported model's outputs have shape {two}, its source's {one}.",
            "Nothing was written; report it with the model's name.",
        )


def _require_equal(name: str, answers: Answers, found: Sequence[Array]) -> None:
    """Raise `ParityError` for a whole number that the source gives in neither precision."""
    _require_same_shapes(answers.values[: len(found)], found)
    for right, single, given in zip(answers.values, answers.single or answers.values, found, strict=False):
        wrong = int(((given != right) & (given != single)).sum())
        if wrong:
            raise ParityError(
                f"The exported model's {name} differs from its source's in {wrong} of {given.size} whole numbers.",
                "Nothing was written. Such a number may stand on an edge that rounding decides: "
                "export with --optimize none.",
            )


def _require_near(name: str, answers: Answers, found: Sequence[Array]) -> None:
    """Raise `ParityError` for answers of a quantized graph that are off by more than rounding to other steps."""
    right = answers.values[: len(found)]
    _require_same_shapes(right, found)
    off, allowed = worst_mean(right, found), quantized_allowance(answers.spread, answers.apart)
    if not off <= allowed:
        raise ParityError(
            f"The exported model's {name} is off by {off:.3g} in the mean, and {allowed:.3g} are allowed.",
            "Nothing was written; quantize the network again, with more pictures to calibrate it.",
        )


def _same_answers(right: Runs, found: Runs, tied: float) -> bool:
    """Whether the best of each row of `found` is the best of `right`'s, or tied with it."""
    return all(_same_answer(one, two, tied) for one, two in zip(right, found, strict=True))


def _same_answer(right: Array, found: Array, tied: float) -> bool:
    answers = np.expand_dims(found.argmax(axis=-1), -1)
    lead = right.max(axis=-1, keepdims=True) - np.take_along_axis(right, answers, axis=-1)
    if tied == 0.0:  # of two that are equal the first is the answer
        return bool((answers == np.expand_dims(right.argmax(axis=-1), -1)).all())
    return bool((lead <= tied).all())


def _differs(parity: Parity) -> ParityError:
    noise = parity.amplification
    remedy = "Check the checkpoint's weights for NaN or huge values, and report the model."
    if noise is not None:
        remedy = "Such a network cannot be proved any better: train it, or look for huge weights."
    return (ParityError if noise is None else Amplified)(
        f"The exported model differs from its source by {parity.max_abs_error:.3g} on {parity.images} images, "
        f"more than {parity.tolerance:.3g} of the outputs' spread {parity.output_std:.3g}"
        f"{'' if parity.same_top1 else ', and its top-1 answers differ'}.{'' if noise is None else f' {noise}'}",
        f"Nothing was written. {remedy}",
    )


def golden_pair(reference: Reference, parity: Parity) -> tuple[Golden, Tensors, Tensors]:
    """The sample whose answer is clearest, the right answers to it, and what a device may be off by.

    Other processors sum in another order: ten times what the proof allows, of |Δ| and of ties alike.
    """
    best = _clearest(reference)
    right = {name: answers.values[best].astype(answers.dtype) for name, answers in reference.outputs.items()}
    return _allowed_on_a_device(reference, parity), reference.samples[best], right


def _allowed_on_a_device(reference: Reference, parity: Parity) -> Golden:
    outputs = reference.outputs.values()
    if reference.quantized:
        means = tuple(
            0.0 if answers.is_exact else quantized_allowance(answers.spread, answers.apart) for answers in outputs
        )
        return Golden(means, "mean", QUANTIZED_TIES * max(means))
    allowed = tuple(ON_A_DEVICE * allowed_off(answers) for answers in outputs)
    return Golden(allowed, tie=ON_A_DEVICE * tie(parity.eager_error))


def allowed_off(answers: Answers) -> float:
    """The largest |Δ| that the proof allows an output."""
    return 0.0 if answers.is_exact else max(TOLERANCE * answers.spread, ROUNDINGS * answers.eager_error)


def _clearest(reference: Reference) -> int:
    """The sample with the greatest lead of the best class over the next; the first where no output has classes."""
    scores = next((answers for answers in reference.outputs.values() if answers.is_scores), None)
    if scores is None:
        return 0
    two = np.sort(np.concatenate(scores.values[: scores.alone]), axis=1)[:, -2:]
    return int((two[:, -1] - two[:, 0]).argmax())


def onnx_logits(
    model: onnx.ModelProto,
    inputs: Float32Array,
    batches: tuple[int, ...] = ONE_BY_ONE,
    register: Register | None = None,
) -> Float32Array:
    """(M, classes) logits of a graph with one input and one output, in the order of `runs_of`."""
    samples = samples_of(model.graph.input[0].name, inputs)
    answers = onnx_answers(model, (model.graph.output[0].name,), samples, batches, register)
    return np.concatenate(next(iter(answers.values())))


def onnx_answers(
    model: onnx.ModelProto,
    outputs: tuple[str, ...],
    samples: Sequence[Tensors],
    batches: tuple[int, ...],
    register: Register | None = None,
) -> Found:
    """What ONNX Runtime on the CPU computes, by output, one array a run.

    Raises `BatchBaked` where a graph that runs on one sample does not on several, or mixes them up.
    """
    session = session_of(model, register=register)
    runs = [_one_run(session, outputs, run, batch) for run, batch in _with_batch(samples, batches)]
    return {name: [run[index] for run in runs] for index, name in enumerate(outputs)}


def session_of(
    model: onnx.ModelProto, optimized: bool = True, register: Register | None = None
) -> onnxruntime.InferenceSession:
    """One thread on the CPU, with ONNX Runtime's own optimisations of the graph or without any."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4  # what is wrong is raised as well
    if not optimized:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    if register is not None:
        register(options)
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def _with_batch(samples: Sequence[Tensors], batches: tuple[int, ...]) -> list[tuple[Tensors, int]]:
    """The runs, each with how many samples it has."""
    counts = [batch for batch in batches for _ in (samples if batch == 1 else (None,))]
    return list(zip(runs_of(samples, batches), counts, strict=True))


def _one_run(session: onnxruntime.InferenceSession, outputs: tuple[str, ...], run: Tensors, batch: int) -> list[Array]:
    try:
        found: list[Array] = session.run(list(outputs), dict(run))
    except Exception as error:  # ONNX Runtime has a family of its own
        if batch == 1:
            raise
        raise _baked(f"a batch of {batch} fails: {first_line(error)}.") from error
    lost = next((array for array in found if batch > 1 and (array.ndim < 2 or len(array) != batch)), None)
    if lost is not None:
        raise _baked(f"a batch of {batch} gives an output of shape {lost.shape}.")
    return found


def _baked(what: str) -> BatchBaked:
    return BatchBaked(
        f"One image at a time it is right, but {what}", "Nothing was written; report it with the model's name."
    )


def _lower(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]
