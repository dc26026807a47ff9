"""The graph compiler: an ordered tuple of passes over an ONNX graph, each proved against the graph as exported.

`passes` is the whole pipeline: to know what runs, read it. The proof is the caller's function from a model to a
`Parity`; it is asked after every pass, and a pass that breaks parity is named.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import onnx
import onnx_ir as ir
import onnxsim
from onnx_ir.passes import common

from device_agent.wire import Parity, PassReport
from exporters.costs import Costs, Target, load_costs, require_readable
from exporters.errors import ExportError, ExportFailed, ParityError
from exporters.rules.affine import STEPS, gather_affine
from exporters.rules.concat import sink_concat
from exporters.rules.copies import broadcast_copies, drop_expand, drop_identity_tile, rejoin_split
from exporters.rules.graph import Refused
from exporters.rules.normalise import cheapest_normalise
from exporters.rules.residual import reassociate_residual
from exporters.rules.seeds import fold_seed_half
from exporters.rules.sparse import depthwise_seeds
from exporters.rules.tidy import flush_denormals, tidy

Level = Literal["none", "standard", "full"]
LEVELS: tuple[Level, ...] = ("none", "standard", "full")

Rewrite = Callable[[ir.Node], bool | str]
Proof = Callable[[onnx.ModelProto], Parity]
Tell = Callable[[int, int, str], None]
MOST_SWEEPS = 10_000
EVERY = 1_000_000  # firings: no limit


def _silent(done: int, total: int, name: str) -> None:
    """Nobody is watching."""


@dataclass(frozen=True)
class Outcome:
    """What a pass did: how often it fired and where last, the choices it took, why it refused where it did."""

    fired: int
    notes: tuple[str, ...] = ()
    refusals: tuple[str, ...] = ()
    last: str = ""


@dataclass(frozen=True)
class Pass:
    """One step of the pipeline; `run` changes the model in place, and stops after so many firings if it counts them."""

    name: str
    run: Callable[[ir.Model, int], Outcome]


@dataclass(frozen=True)
class Optimized:
    """A model, what every pass did to it, and how far it is from its source in the end."""

    model: onnx.ModelProto
    passes: tuple[PassReport, ...]
    parity: Parity


def passes(level: Level, costs: Costs) -> tuple[Pass, ...]:
    """The passes of a level, in their order."""
    if level == "none":
        return (Pass("strip", strip),)
    if level == "standard":
        return (Pass("simplify", simplify), Pass("strip", strip))
    sparse = partial(depthwise_seeds, costs=costs)
    return (
        Pass("simplify", simplify),
        Pass("drop_expand", _rule(("Expand",), drop_expand)),
        Pass("drop_identity_tile", _rule(("Tile",), drop_identity_tile)),
        Pass("rejoin_split", _rule(("Concat",), rejoin_split)),
        Pass("broadcast_copies", _rule(("Concat", "Tile"), broadcast_copies)),
        Pass("cheapest_normalise", _rule(("Div",), cheapest_normalise)),
        Pass("sink_concat", _rule(("Concat",), sink_concat)),
        Pass("reassociate_residual", _rule(("Add",), reassociate_residual)),
        Pass("gather_affine", _rule(STEPS, gather_affine)),
        Pass("fold_seed_half", _rule(("Conv",), fold_seed_half)),
        Pass("depthwise_seeds", _rule(("Conv",), sparse)),
        Pass("flush_denormals", _sweep(flush_denormals)),
        Pass("tidy", _sweep(tidy)),
        Pass("strip", strip),
    )


def optimize(
    model: onnx.ModelProto,
    proof: Proof,
    level: Level = "full",
    target: Target = "generic",
    bisect: bool = False,
    tell: Tell = _silent,
) -> Optimized:
    """Run the passes of a level, proving each.

    Args:
        model: as the exporter gave it.
        proof: a model → how far its outputs are from the source's; raises `ParityError` where that is too far.
        level: "none", "standard" (constant folding, BN fusion, onnxsim) or "full".
        target: whose cost table chooses between equal forms.
        bisect: when a pass breaks parity, search for the firing that does, and name its node.
        tell: called before each pass with its number, how many there are, and its name.

    Raises `ParityError` naming the pass that broke it, `ExportFailed` where a pass could not run.
    """
    reports: list[PassReport] = []
    graph, parity = ir.serde.deserialize_model(model), _proved_raw(proof, model)
    steps = passes(level, load_costs(target))
    for number, step in enumerate(steps):
        tell(number, len(steps), step.name)
        before, nodes = ir.serde.serialize_model(graph) if bisect else None, len(graph.graph)
        outcome = _run(step, graph)
        if outcome.fired:
            parity = _proved(step, proof, graph, before, outcome.fired)
        reports.append(_report(step.name, nodes, len(graph.graph), outcome, parity))
    _run(Pass("check", _check), graph)
    require_readable(graph.opset_imports[""], graph.ir_version, target)
    best = ir.serde.serialize_model(graph)
    return Optimized(best, tuple(reports), proof(best))


def simplify(model: ir.Model, most: int = EVERY) -> Outcome:
    """onnxsim: fold constants, fuse BatchNorm into the conv before it, drop what nothing reads; then infer shapes."""
    before = ir.serde.serialize_model(model)
    simplified, equal = onnxsim.simplify(before)
    if not equal:
        raise ExportFailed("onnxsim's own check of its result failed.", "Report this with the model's name.")
    after = common.ShapeInferencePass()(ir.serde.deserialize_model(simplified)).model
    model.graph, model.ir_version = after.graph, after.ir_version
    return Outcome(int(_structure(before) != _structure(simplified)))


def strip(model: ir.Model, most: int = EVERY) -> Outcome:
    """Remove what depends on where and by whom the export ran, so that equal models have equal bytes.

    The shapes of what lies between input and output go too: a runtime infers them again.
    """
    common.ClearMetadataAndDocStringPass()(model)
    model.graph.doc_string = None
    for node in model.graph:
        for value in node.outputs:
            if not value.is_graph_output():
                value.shape = value.type = None
    return Outcome(0)


def _rule(anchors: tuple[str, ...], rewrite: Rewrite) -> Callable[[ir.Model, int], Outcome]:
    """A pass that offers every node of some types to a rule, again and again until nothing fires."""

    def run(model: ir.Model, most: int = EVERY) -> Outcome:
        if _has_branches(model):
            return Outcome(0, refusals=("1 × the model has branches or loops inside",))
        notes, last = Counter[str](), ""
        for _ in range(MOST_SWEEPS):
            now, refusals, where = _offer(model, anchors, rewrite, most - notes.total())
            notes, last = notes + now, where or last
            if not now:
                return Outcome(notes.total(), _counted(notes), _counted(refusals), last)
        raise ExportFailed(f"A rule was still firing after {MOST_SWEEPS} sweeps.", "Report it with the model's name.")

    return run


def _offer(
    model: ir.Model, anchors: tuple[str, ...], rewrite: Rewrite, most: int
) -> tuple[Counter[str], Counter[str], str]:
    """One sweep: the firings by their notes (the empty one for none), the refusals by reason, the last node's name."""
    fired, refused, last = Counter[str](), Counter[str](), ""
    for node in list(model.graph):
        if node.graph is None or node.op_type not in anchors or node.domain not in ("", "ai.onnx"):
            continue
        if fired.total() >= most:
            break
        name = node.name or node.op_type
        try:
            if answer := rewrite(node):
                fired[answer if isinstance(answer, str) else ""] += 1
                last = name
        except Refused as refusal:
            refused[str(refusal)] += 1
    common.RemoveUnusedNodesPass()(model)
    return fired, refused, last


def _sweep(sweep: Callable[[ir.Model], int]) -> Callable[[ir.Model, int], Outcome]:
    def run(model: ir.Model, most: int = EVERY) -> Outcome:
        if _has_branches(model):
            return Outcome(0, refusals=("1 × the model has branches or loops inside",))
        return Outcome(sweep(model))

    return run


def _has_branches(model: ir.Model) -> bool:
    """Nodes inside an If or a Loop read values of the graph around them, which the rules do not look into."""
    return any(
        attribute.type == ir.AttributeType.GRAPH for node in model.graph for attribute in node.attributes.values()
    )


def _counted(reasons: Counter[str]) -> tuple[str, ...]:
    return tuple(f"{count} × {reason}" for reason, count in sorted(reasons.items()) if reason)


def _structure(model: onnx.ModelProto) -> list[bytes]:
    """Nodes and initializers, without what a tool writes beside them."""
    nodes = [node.SerializeToString(deterministic=True) for node in model.graph.node]
    return nodes + [tensor.SerializeToString(deterministic=True) for tensor in model.graph.initializer]


def _report(name: str, before: int, after: int, outcome: Outcome, parity: Parity) -> PassReport:
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
    except ParityError as error:
        raise ParityError(
            f"The graph differs before any pass, as torch exported it: {error.message}",
            "Nothing was written. A network that amplifies rounding does this, often an untrained one: train it, or "
            "look for huge weights.",
        ) from error


def _proved(step: Pass, proof: Proof, model: ir.Model, before: onnx.ModelProto | None, fired: int) -> Parity:
    try:
        return proof(ir.serde.serialize_model(model))
    except ParityError as error:
        where = "" if before is None else f" ({_culprit(step, proof, before, fired)})"
        raise ParityError(f"The pass {step.name} broke parity{where}: {error.message}", error.remedy) from error
    except Exception as error:  # ONNX Runtime has a family of its own
        raise _failed(step.name, error) from error


def _culprit(step: Pass, proof: Proof, before: onnx.ModelProto, fired: int) -> str:
    """The first firing after which the proof fails, found by halving."""
    good, bad, last = 0, fired, ""
    while bad - good > 1 or not last:
        middle = max((good + bad) // 2, 1)
        model = ir.serde.deserialize_model(before)
        outcome = _run(step, model, middle)
        try:
            proof(ir.serde.serialize_model(model))
        except ParityError:
            bad, last = middle, outcome.last or "at once"
        else:
            if middle == good:
                return "only all firings together"
            good = middle
    return f"firing {bad} of {fired}, {last}"


def _run(step: Pass, model: ir.Model, most: int = EVERY) -> Outcome:
    try:
        return step.run(model, most)
    except ExportError:
        raise
    except Exception as error:  # onnx, onnx_ir and onnxsim raise families of their own
        raise _failed(step.name, error) from error


def _failed(name: str, error: Exception) -> ExportFailed:
    reason = str(error).strip().partition("\n")[0] or type(error).__name__
    return ExportFailed(f"The pass {name} failed: {reason}.", "Nothing was written; report it with the model's name.")


def _check(model: ir.Model, most: int = EVERY) -> Outcome:
    onnx.checker.check_model(ir.serde.serialize_model(model), full_check=True)
    return Outcome(0)
