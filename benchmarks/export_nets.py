"""What `export.py` compares: a network's graphs as the exporter, onnxsim, onnxslim and our compiler leave them.

python benchmarks/export_nets.py NET     export NET at level full and print the seconds and bytes it took, as JSON
"""

import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import torch
from export_worker import highest_rss
from torch import nn

from exporters.choices import INPUT_NAME, Level
from exporters.onnx_exporter import export_onnx, opset_of
from exporters.optimize import optimize
from exporters.parity import onnx_logits, prove_onnx
from exporters.reference import Float32Array, reference_of
from exporters.right_answers import Reference
from groupnl_deploy.images.bench_images import bench_images
from groupnl_deploy.images.preprocessing import as_input, preprocessing
from groupnl_deploy.models.layers.build import build_conv
from groupnl_deploy.models.layers.shape import ConvShape
from groupnl_deploy.models.networks import ALIASES
from groupnl_deploy.models.registry import create_model, model_spec
from groupnl_deploy.models.spec import ConvSpec, ModelSpec, Semantics

IMAGES = 8


@dataclass(frozen=True)
class Subject:
    """An eager model in eval mode, and the right answers to real inputs."""

    model: nn.Module
    reference: Reference

    @property
    def inputs(self) -> Float32Array:
        return np.concatenate([sample[INPUT_NAME] for sample in self.reference.samples])

    def error(self, graph: onnx.ModelProto) -> float:
        """max |Δ| of a graph's outputs, over the standard deviation of the right ones."""
        right = self.reference.main
        return float(np.abs(onnx_logits(graph, self.inputs) - right.rows).max() / right.spread)


@dataclass(frozen=True)
class Contestant:
    """A graph on disk and what is to be said of it before anyone runs it."""

    path: Path
    inputs: Path
    ops: dict[str, int]
    bytes: int
    opset: int
    ir_version: int
    error: float

    @property
    def nodes(self) -> int:
        return sum(self.ops.values())


def network(spec: ModelSpec, fresh: bool = False) -> Subject:
    """A network of the zoo on crops of photographs; a fresh one keeps its BatchNorms as they are made."""
    shown = bench_images(None, spec.input_shape, IMAGES)
    inputs = as_input(torch.tensor(shown.images), *preprocessing(None, 3)).numpy()
    model = create_model(spec).eval()
    return Subject(model, reference_of(model, inputs)) if fresh else subject(model, inputs)


def table16(ratio: int, sparse: bool) -> Subject:
    """The GroupNL layer that Table 16 of the paper times, alone, on noise."""
    torch.manual_seed(0)
    conv = ConvSpec("groupnl-sparse" if sparse else "groupnl", ratio=ratio)
    layer = build_conv(conv, ConvShape(512, 512, 3, 2, padding=1))
    return subject(nn.Sequential(layer, nn.Flatten()), torch.randn(IMAGES, 512, 32, 32).numpy())


def subject(model: nn.Module, inputs: Float32Array) -> Subject:
    randomise_batchnorm(model.eval(), torch.from_numpy(inputs))
    return Subject(model, reference_of(model, inputs))


def randomise_batchnorm(model: nn.Module, inputs: torch.Tensor) -> None:
    """Random scales and shifts, and statistics like those of the maps that these lead to.

    A fresh BatchNorm is almost the identity, and would hide what a wrong rewrite does. With statistics that have
    nothing to do with the maps, or with the exact ones of an untrained network, whose small channels are then blown
    up, a deep network multiplies rounding errors until the two runtimes differ by more than any rewrite makes.
    """
    random = torch.Generator().manual_seed(0)
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.weight.data = 0.5 + 0.5 * torch.rand(norm.num_features, generator=random)
        norm.bias.data = 0.1 * torch.randn(norm.num_features, generator=random)
        norm.train().momentum = 1.0
    with torch.no_grad():
        model(inputs)
    for norm in norms:
        norm.eval()
        assert norm.running_var is not None, "these networks track statistics"
        norm.running_var += norm.running_var.mean()


def specs(net: str, semantics: Semantics) -> tuple[ModelSpec, ModelSpec]:
    """(the network with GroupNL, the same with standard convolutions)."""
    groupnl = model_spec(net, semantics=semantics, otherwise="groupnl-sparse")
    return groupnl, model_spec(ALIASES[net].network if net in ALIASES else net, "standard")


def raw_graph(of: Subject) -> onnx.ModelProto:
    return export_onnx(of.model, (1, *of.inputs.shape[1:]))


def at_level(of: Subject, raw: onnx.ModelProto, level: Level) -> onnx.ModelProto:
    return optimize(raw, partial(prove_onnx, of.reference), level).model


def slimmed(raw: onnx.ModelProto) -> onnx.ModelProto:
    """By onnxslim. Raises `ImportError` where it is not installed."""
    import onnxslim

    copy = onnx.ModelProto()
    copy.CopyFrom(raw)  # onnxslim writes into what it is given
    return onnxslim.slim(copy)


def contestants(net: str, semantics: Semantics, folder: Path) -> dict[str, Contestant]:
    """The standard network at level full, then GroupNL's in every form."""
    groupnl, standard = specs(net, semantics)
    plain = network(standard)
    files = {"standard net": written(plain, at_level(plain, raw_graph(plain), "full"), folder / "plain")}
    return files | forms(network(groupnl), folder)


def forms(of: Subject, folder: Path) -> dict[str, Contestant]:
    """One model as exported, by onnxsim, by onnxslim where it is there, and by our compiler."""
    raw = raw_graph(of)
    makers: dict[str, Callable[[], onnx.ModelProto]] = {
        "none": partial(at_level, of, raw, "none"),
        "onnxsim": partial(at_level, of, raw, "standard"),
        "onnxslim": partial(slimmed, raw),
        "full": partial(at_level, of, raw, "full"),
    }
    files = {}
    for name, make in makers.items():
        try:
            files[name] = written(of, make(), folder / name)
        except ImportError:
            continue  # export.py says so once
    return files


def written(of: Subject, graph: onnx.ModelProto, folder: Path) -> Contestant:
    return stored(graph, of.inputs, folder, of.error(graph))


def stored(graph: onnx.ModelProto, inputs: Float32Array, folder: Path, error: float) -> Contestant:
    """A graph on disk with one image; `error` is what it is off by."""
    folder.mkdir(parents=True)
    path, image = folder / "model.onnx", folder / "input.npy"
    path.write_bytes(graph.SerializeToString(deterministic=True))
    np.save(image, inputs[:1])
    ops = dict(Counter(node.op_type for node in graph.graph.node))
    return Contestant(path, image, ops, path.stat().st_size, opset_of(graph), graph.ir_version, error)


def dynamo_line(net: str, semantics: Semantics, folder: Path) -> str:
    """What torch's other exporter makes of the network when asked for opset 17."""
    of, path = network(specs(net, semantics)[0]), folder / "dynamo.onnx"
    example = torch.from_numpy(of.inputs[:1])
    try:
        torch.onnx.export(of.model, (example,), path, opset_version=17, dynamo=True, verbose=False)
        graph = onnx.load(path)
    except Exception as error:  # torch and onnxscript raise families of their own
        return f"failed: {type(error).__name__}"
    return (
        f"asked for opset 17, returned opset {opset_of(graph)}, IR {graph.ir_version}, {len(graph.graph.node)} nodes, "
        f"max |Δ| / std {of.error(graph):.1e}"
    )


def main() -> None:
    """Export one network, as `groupnl export` does, and say what it took."""
    start = time.perf_counter()
    of = network(specs(sys.argv[1], "released")[0], fresh=True)
    graph = at_level(of, raw_graph(of), "full")
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "bytes": highest_rss(), "nodes": len(graph.graph.node)}))


if __name__ == "__main__":
    main()
