"""What a pass over a graph is, and the kinds there are.

`simplify` and `strip` see the model as a whole. `by_rule` offers its nodes to a rewrite rule until nothing fires;
`by_sweep` calls a function that counts what it swept up.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import onnx
import onnx_ir as ir
import onnxsim
from onnx_ir.passes import common

from exporters.errors import ExportError, ExportFailed
from exporters.native.operators import DOMAIN
from exporters.native.shapes import learn_shapes
from exporters.quiet import stdout_to_stderr
from exporters.rules.answers import Answer, Fired, NotMine, Refused
from exporters.rules.graph import kind

RewriteRule = Callable[[ir.Node], Answer]
Run = Callable[[ir.Model, int], "PassOutcome"]
MOST_SWEEPS = 10_000
EVERY = 1_000_000  # firings: no limit


@dataclass(frozen=True)
class PassOutcome:
    """What a pass did: how often it fired and where last, the choices it took, why it refused where it did."""

    fired: int
    notes: tuple[str, ...] = ()
    refusals: tuple[str, ...] = ()
    last: str = ""


@dataclass(frozen=True)
class Pass:
    """One step of the pipeline; `run` changes the model in place, and stops after so many firings if it counts them."""

    name: str
    run: Run

    def on(self, model: ir.Model, most: int = EVERY) -> PassOutcome:
        """Run on `model`. Raises `ExportFailed`, with the pass's name, for whatever stopped it."""
        try:
            return self.run(model, most)
        except ExportError:
            raise
        except Exception as error:  # onnx, onnx_ir and onnxsim raise families of their own
            raise failed(self.name, error) from error


def failed(name: str, error: Exception) -> ExportFailed:
    """The error to raise where a tool failed in the pass of that name."""
    reason = str(error).strip().partition("\n")[0] or type(error).__name__
    return ExportFailed(f"The pass {name} failed: {reason}.", "Nothing was written; report it with the model's name.")


def simplify(model: ir.Model, most: int) -> PassOutcome:
    """onnxsim: fold constants, fuse BatchNorm into the conv before it, drop what nothing reads; then infer shapes.

    Raises `ExportFailed` where onnxsim finds its own result wrong.
    """
    before = ir.serde.serialize_model(model)
    with stdout_to_stderr():
        simplified, equal = onnxsim.simplify(before, skipped_optimizers=_harmful(before))
    if not equal:
        raise ExportFailed("onnxsim's own check of its result failed.", "Report this with the model's name.")
    after = ir.serde.deserialize_model(simplified)
    if DOMAIN in after.graph.opset_imports:
        learn_shapes(after)
    else:
        after = common.ShapeInferencePass()(after).model
    model.graph, model.ir_version = after.graph, after.ir_version
    return PassOutcome(int(_structure(before) != _structure(simplified)), notes=_exchanged(before, simplified))


def _harmful(model: onnx.ModelProto) -> list[str] | None:
    """What onnxsim shall leave. With the half of a Gelu in the next convolution ONNX Runtime fuses no Gelu any more."""
    has_gelu = any(node.op_type == "Erf" for node in model.graph.node)
    return ["fuse_preceding_mul_into_conv"] if has_gelu else None


def _exchanged(before: onnx.ModelProto, after: onnx.ModelProto) -> tuple[str, ...]:
    """Of which operators there are fewer or more: folded into others, or computed beforehand."""
    old, new = (Counter(node.op_type for node in model.graph.node) for model in (before, after))
    changed = [kind for kind in sorted({*old, *new}) if old[kind] != new[kind]]
    return (", ".join(f"{kind} {old[kind]} → {new[kind]}" for kind in changed),) if changed else ()


def strip(model: ir.Model, most: int) -> PassOutcome:
    """Remove what depends on where and by whom the export ran, so that equal models have equal bytes.

    The shapes of what lies between input and output go too: a runtime infers them again.
    """
    common.ClearMetadataAndDocStringPass()(model)
    model.graph.doc_string = None
    for value in (*model.graph.inputs, *model.graph.outputs):
        value.doc_string = None
    for node in model.graph:
        for value in node.outputs:
            if not value.is_graph_output():
                value.shape = value.type = None
    return PassOutcome(0)


def by_rule(anchors: tuple[str, ...], rule: RewriteRule) -> Run:
    """A pass that offers every node of the operators `anchors` to a rule, again and again until nothing fires.

    It raises `RuntimeError` for a rule that never comes to an end; `Pass.on` names the pass.
    """

    def run(model: ir.Model, most: int) -> PassOutcome:
        notes, last = Counter[str](), ""
        for _ in range(MOST_SWEEPS):
            now, refusals, where = _offer(model, anchors, rule, most - notes.total())
            notes, last = notes + now, where or last
            if not now:
                return PassOutcome(notes.total(), _counted(notes), _counted(refusals), last)
        raise RuntimeError(f"its rule was still firing after {MOST_SWEEPS} sweeps")

    return _unless_branched(run)


def by_sweep(sweep: Callable[[ir.Model], int]) -> Run:
    """A pass that calls `sweep` once; it changes the model and returns what it counted."""

    def run(model: ir.Model, most: int) -> PassOutcome:
        return PassOutcome(sweep(model))

    return _unless_branched(run)


def _unless_branched(run: Run) -> Run:
    """Nodes inside an If or a Loop read values of the graph around them, which neither rules nor sweeps look into."""

    def run_or_refuse(model: ir.Model, most: int) -> PassOutcome:
        attributes = (attribute for node in model.graph for attribute in node.attributes.values())
        if any(attribute.type == ir.AttributeType.GRAPH for attribute in attributes):
            return PassOutcome(0, refusals=("the model has branches or loops inside",))
        return run(model, most)

    return run_or_refuse


def _offer(
    model: ir.Model, anchors: tuple[str, ...], rule: RewriteRule, most: int
) -> tuple[Counter[str], Counter[str], str]:
    """One sweep: the firings by their notes (the empty one for none), the refusals by reason, the last node's name."""
    fired, refused, last = Counter[str](), Counter[str](), ""
    for node in list(model.graph):
        if node.graph is None or kind(node) not in anchors:
            continue
        if fired.total() >= most:
            break
        name = node.name or node.op_type
        match rule(node):
            case Fired(note):
                fired[note] += 1
                last = name
            case Refused(reason):
                refused[reason] += 1
            case NotMine():
                pass
            case other:
                raise TypeError(f"its rule answered {other!r} of {name}, which is no Fired, NOT_MINE or Refused")
    common.RemoveUnusedNodesPass()(model)
    return fired, refused, last


def _counted(reasons: Counter[str]) -> tuple[str, ...]:
    times = {1: "", 2: " (twice)"}
    return tuple(f"{reason}{times.get(n, f' ({n} times)')}" for reason, n in sorted(reasons.items()) if reason)


def _structure(model: onnx.ModelProto) -> list[bytes]:
    """Nodes and initializers, without what a tool writes beside them."""
    nodes = [node.SerializeToString(deterministic=True) for node in model.graph.node]
    return nodes + [tensor.SerializeToString(deterministic=True) for tensor in model.graph.initializer]
