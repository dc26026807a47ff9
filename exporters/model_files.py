"""The model files of an artifact: one, and beside it those for other processors or runtimes, with what each is for."""

from dataclasses import dataclass, replace
from pathlib import Path

import onnx

from device_agent.manifest import ArtifactFile, NativeModel, NativeOperators, Role
from exporters.blocks import blocked_model
from exporters.choices import Level
from exporters.graph_facts import graph_facts
from exporters.native.nodes import native_operators
from exporters.native.operators import DOMAIN, POINTWISE, VERSION
from exporters.native.pointwise import native_pointwise
from exporters.optimize import Optimized, Proof, continued, multiply_pixels
from exporters.passes import Pass, by_rule, by_sweep, strip
from exporters.rules.tidy import tidy
from exporters.runtimes import range_of
from exporters.targets.base import Target

MODEL_FILE = "model.onnx"
_TIDY = (Pass("tidy", by_sweep(tidy)), Pass("strip", strip))
_POINTWISE = (Pass("native_pointwise", by_rule(("Conv",), native_pointwise)), *_TIDY)


@dataclass(frozen=True)
class Variant:
    """One of the model files of an artifact with native operators, and what the manifest says of it."""

    best: Optimized
    about: NativeModel


@dataclass(frozen=True)
class Written:
    """The model files that were written, the one in the role "model" first, and how it was made.

    `native` is what the manifest says of them; None where there are no operators of ours.
    """

    files: tuple[ArtifactFile, ...]
    best: Optimized
    native: NativeOperators | None = None


def write_models(folder: Path, best: Optimized, level: Level, target: Target, proof: Proof) -> Written:
    """Write a model to a folder; of the level native in every form for the target, each proved.

    Raises as `optimize`.
    """
    made = variants(best, target, proof) if level == "native" else ()
    if not made or not native_operators(made[0].best.model):
        best = made[0].best if made else best
        return Written((_written(folder / MODEL_FILE, best.model, "model"),), best)
    files = [_written(folder / made[0].about.file, made[0].best.model, "model")]
    files += [_written(folder / one.about.file, one.best.model, "other_model") for one in made[1:]]
    first, models = made[0].best, tuple(one.about for one in made)
    own = [report for one in (*made[1:], made[0]) for report in one.best.passes[len(best.passes) :]]
    first = replace(first, passes=(*best.passes, *own))  # the last one is of the file in the role "model"
    return Written(tuple(files), first, NativeOperators(DOMAIN, VERSION, native_operators(first.model), models))


def variants(best: Optimized, target: Target, proof: Proof) -> tuple[Variant, ...]:
    """The forms of a model of the level native, in the order in which a device prefers them."""
    if target.native_blocks != (0,) and native_operators(best.model):
        return _in_blocks(best, target, proof)
    if target.block:  # the runtime's own convolutions over single pixels are in blocks there
        return (_plain(best, MODEL_FILE, target),)
    more = continued(best, _POINTWISE, proof)
    rows = continued(best, (multiply_pixels(target), *_TIDY), proof)
    if not native_operators(more.model).get(POINTWISE):
        return (_plain(rows, MODEL_FILE, target),)
    return _plain(more, MODEL_FILE, target), _plain(rows, "model_layers.onnx", target)


def _plain(best: Optimized, file: str, target: Target) -> Variant:
    return Variant(best, range_of(file, 0, graph_facts(best.model), target))


def _in_blocks(best: Optimized, target: Target, proof: Proof) -> tuple[Variant, ...]:
    """One for each block of the target; a single plain one where the graph has to stay so."""
    first, *others = target.native_blocks
    model = Variant(*blocked_model(best, first, MODEL_FILE, target, proof))
    if not model.about.block:
        return (model,)
    files = {block: f"model-block{block}.onnx" for block in others}
    return model, *(Variant(*blocked_model(best, block, file, target, proof)) for block, file in files.items())


def _written(path: Path, model: onnx.ModelProto, role: Role) -> ArtifactFile:
    path.write_bytes(model.SerializeToString(deterministic=True))
    return ArtifactFile.in_role(role, path)
