"""The graph compiler: an ordered tuple of passes over an ONNX graph, each proved against the graph as exported.

`passes` is the whole pipeline: to know what runs, read it. The proof is the caller's function from a model to a
`Parity`; it is asked after every pass, and a pass that breaks parity is named.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import onnx
import onnx_ir as ir

from device_agent.manifest import Parity, PassReport
from exporters.choices import DEFAULT_LEVEL, Level
from exporters.errors import Amplified, BatchBaked, ParityError
from exporters.native.depthwise import native_depthwise
from exporters.native.gates import native_means, native_scale
from exporters.native.layers import native_layers
from exporters.native.shapes import learn_shapes
from exporters.passes import Pass, PassOutcome, by_rule, by_sweep, failed, simplify, strip
from exporters.rules.activations import ANCHORS, restore_activation
from exporters.rules.affine import gather_affine
from exporters.rules.concat import sink_concat
from exporters.rules.copies import broadcast_copies
from exporters.rules.gates import spread_gate
from exporters.rules.needless import drop_expand, drop_identity_tile, rejoin_split
from exporters.rules.normalise import cheapest_normalise
from exporters.rules.pixels import ANCHORS as ONE_PIXEL
from exporters.rules.pixels import multiply_rows
from exporters.rules.pool import pool_means
from exporters.rules.residual import reassociate_residual
from exporters.rules.seeds import fold_seed_half
from exporters.rules.sparse import depthwise_seeds
from exporters.rules.steps import STEPS
from exporters.rules.tidy import flush_denormals, lift_constants, tidy
from exporters.targets import DEFAULT_TARGET, TARGETS
from exporters.targets.base import Target

# Rounds of all passes after the first; the last changes nothing. A pass may make what an earlier one looks for, and few
# networks need a third round.
MOST_ROUNDS = 6
AS_EXPORTED = "export"  # named where a tool failed before any pass
Proof = Callable[[onnx.ModelProto], Parity]
Tell = Callable[[int, int, str], None]


# Before what would take a layer apart, and behind what finds the means.
_NATIVE_LAYERS = (Pass("native_layers", by_rule(("Conv",), native_layers)),)
_NATIVE_DEPTHWISE = (Pass("native_depthwise", by_rule(("Conv",), native_depthwise)),)
_NATIVE_GATES = (
    Pass("native_means", by_rule(("GlobalAveragePool",), native_means)),
    Pass("native_scale", by_rule(("Mul",), native_scale)),
)


def _silent(done: int, total: int, name: str) -> None:
    """Nobody is watching."""


@dataclass(frozen=True)
class Optimized:
    """A model, what every pass did to it, and how far it is from its source in the end."""

    model: onnx.ModelProto
    passes: tuple[PassReport, ...]
    parity: Parity


def passes(level: Level, target: Target) -> tuple[Pass, ...]:
    """The passes of a level, in their order."""
    if level == "none":
        return (Pass("strip", strip),)
    if level == "standard":
        return (Pass("simplify", simplify), Pass("strip", strip))
    normalise, gather = (partial(rule, block=target.left_block) for rule in (cheapest_normalise, gather_affine))
    sink = partial(sink_concat, block=target.block)
    spread = partial(spread_gate, block=target.block)
    sparse = partial(depthwise_seeds, costs=target.costs, block=target.block, shuffles=target.backend == "ncnn")
    native = level == "native"
    inside = native and target.backend == "onnxruntime"  # ncnn takes whole layers of ours, and computes the rest itself
    # Where the runtime's maps are in blocks and ours are not, its own depthwise convolutions are faster.
    ours = target.block == 0 or target.native_blocks != (0,)
    return (
        Pass("simplify", simplify),
        Pass("lift_constants", by_sweep(lift_constants)),
        Pass("restore_activation", by_rule(ANCHORS, restore_activation)),
        Pass("drop_expand", by_rule(("Expand",), drop_expand)),
        Pass("drop_identity_tile", by_rule(("Tile",), drop_identity_tile)),
        Pass("rejoin_split", by_rule(("Concat",), rejoin_split)),
        *(_NATIVE_LAYERS if native else ()),
        *(_NATIVE_DEPTHWISE if inside and ours else ()),
        Pass("broadcast_copies", by_rule(("Concat", "Tile"), broadcast_copies)),
        Pass("pool_means", by_rule(("ReduceMean",), pool_means)),
        *(_NATIVE_GATES if inside else ()),
        Pass("cheapest_normalise", by_rule(("Div",), normalise)),
        Pass("sink_concat", by_rule(("Concat",), sink)),
        Pass("reassociate_residual", by_rule(("Add",), reassociate_residual)),
        Pass("gather_affine", by_rule(STEPS, gather)),
        Pass("fold_seed_half", by_rule(("Conv",), fold_seed_half)),
        Pass("depthwise_seeds", by_rule(("Conv",), sparse)),
        Pass("spread_gate", by_rule(("Mul",), spread)),
        *(() if inside else (multiply_pixels(target),)),  # to a model with operators of ours it comes last
        Pass("flush_denormals", by_sweep(flush_denormals)),
        Pass("tidy", by_sweep(tidy)),
        Pass("strip", strip),
    )


def multiply_pixels(target: Target) -> Pass:
    """The pass on convolutions over one pixel."""
    return Pass("multiply_pixels", by_rule(ONE_PIXEL, partial(multiply_rows, columns=target.columns)))


def optimize(
    model: onnx.ModelProto,
    proof: Proof,
    level: Level = DEFAULT_LEVEL,
    target: Target = TARGETS[DEFAULT_TARGET],
    bisect: bool = False,
    tell: Tell = _silent,
) -> Optimized:
    """Run the passes of a level, proving each; those of "full" and "native" again until none of them fires.

    Args:
        model: as the exporter gave it.
        proof: a model → how far its outputs are from the source's; raises `ParityError` where that is too far.
        level: "none", "standard" (constant folding, BN fusion, onnxsim), "full", or "native" (operators of ours,
            which a library computes, and "full" for the rest).
        target: whose cost table chooses between equal forms.
        bisect: when a pass breaks parity, search for the firing that does, and name its node.
        tell: called before each pass with its number, how many there are, and its name.

    Raises `ParityError` naming the pass that broke it, `ExportFailed` where a pass could not run, and for a result
    that ONNX's checker or the target's runtime would refuse.
    """
    work = _Work(ir.serde.deserialize_model(model), proof, bisect, _proved_raw(proof, model))
    steps = passes(level, target)
    reports = [_run(step, work, partial(tell, number, len(steps))) for number, step in enumerate(steps)]
    settled = level in ("none", "standard")
    for _ in range(MOST_ROUNDS):
        if settled:
            break
        again = [report for report in (_run(step, work) for step in steps) if report.fired]
        reports += [replace(report, name=f"{report.name}, again") for report in again]
        settled = not again
    best = _checked(work.graph)
    target.require_readable(work.graph.opset_imports[""], work.graph.ir_version)
    return Optimized(best, tuple(reports), _proved(steps[-1], work, None, 0))


def continued(best: Optimized, steps: tuple[Pass, ...], proof: Proof) -> Optimized:
    """Some passes more, each proved, behind those that made a model. Raises as `optimize`."""
    work = _Work(ir.serde.deserialize_model(best.model), proof, bisect=False, parity=best.parity)
    learn_shapes(work.graph)
    reports = tuple(_run(step, work) for step in steps)
    return Optimized(_checked(work.graph), (*best.passes, *reports), work.parity)


@dataclass
class _Work:
    """A graph on its way through the passes, and how far it was from its source when it was proved last."""

    graph: ir.Model
    proof: Proof
    bisect: bool
    parity: Parity


def _run(step: Pass, work: _Work, tell: Callable[[str], None] = lambda name: None) -> PassReport:
    """One pass, proved if it changed anything."""
    tell(step.name)
    before, nodes = ir.serde.serialize_model(work.graph) if work.bisect else None, len(work.graph.graph)
    outcome = step.on(work.graph)
    if outcome.fired:
        work.parity = _proved(step, work, before, outcome.fired)
    return _report(step.name, nodes, len(work.graph.graph), outcome, work.parity)


def _report(name: str, before: int, after: int, outcome: PassOutcome, parity: Parity) -> PassReport:
    return PassReport(
        name,
        outcome.fired,
        before,
        after,
        notes=outcome.notes,
        refusals=outcome.refusals,
        max_abs_error=parity.max_abs_error,
        p99_abs_error=parity.p99_abs_error,
    )


def _proved_raw(proof: Proof, model: onnx.ModelProto) -> Parity:
    try:
        return proof(model)
    except BatchBaked as error:
        raise BatchBaked(
            f"Torch's trace froze the batch of one image that it followed. {error.message}",
            "Nothing was written. A loop over the images, or a size read from the batch into Python, does this: "
            "compute on the whole batch, or export without --batch dynamic.",
        ) from error
    except ParityError as error:
        raise ParityError(
            f"The graph differs before any pass, as its exporter left it: {error.message}", error.remedy
        ) from error
    except Exception as error:  # ONNX Runtime has a family of its own
        raise failed(AS_EXPORTED, error) from error


def _proved(step: Pass, work: _Work, before: onnx.ModelProto | None, fired: int) -> Parity:
    try:
        return work.proof(ir.serde.serialize_model(work.graph))
    except ParityError as error:
        where = "" if before is None else f" ({_culprit(step, work.proof, before, fired)})"
        more = "" if before is not None else " With --bisect the node is named."
        if isinstance(error, Amplified):
            raise Amplified(f"After the pass {step.name}{where}: {error.message}", error.remedy) from error
        raise ParityError(f"The pass {step.name} broke parity{where}: {error.message}", error.remedy + more) from error
    except Exception as error:  # ONNX Runtime has a family of its own
        raise failed(step.name, error) from error


def _culprit(step: Pass, proof: Proof, before: onnx.ModelProto, fired: int) -> str:
    """The first firing after which the proof fails, found by halving."""
    good, bad, last = 0, fired, ""
    while bad - good > 1 or not last:
        middle = max((good + bad) // 2, 1)
        model = ir.serde.deserialize_model(before)
        outcome = step.on(model, middle)
        try:
            proof(ir.serde.serialize_model(model))
        except ParityError:
            bad, last = middle, outcome.last or "at once"
        else:
            if middle == good:
                return "only all firings together"
            good = middle
    return f"firing {bad} of {fired}, {last}"


def _checked(model: ir.Model) -> onnx.ModelProto:
    """The model as it will be written. Raises `ExportFailed` where ONNX's own checker refuses it."""
    try:
        proto = ir.serde.serialize_model(model)
        onnx.checker.check_model(proto, full_check=True)
    except Exception as error:  # a family of its own
        raise failed("check", error) from error
    return proto
