"""What a manifest says of native operators, held against the graphs: see `groupnl_deploy.recheck`."""

from collections.abc import Iterator, Mapping

from device_agent.manifest import ArtifactManifest, NativeModel, NativeOperators
from device_agent.native_choice import is_newer, release
from exporters.graph_facts import GraphFacts
from exporters.native.operators import DOMAIN
from exporters.runtimes import range_of
from exporters.targets import TARGETS

_BLOCKS = (0, 8, 16)


def of_native(manifest: ArtifactManifest, graphs: Mapping[str, GraphFacts]) -> Iterator[str]:
    """The record of native operators against all graphs, by the name of their file."""
    native, first = manifest.native, graphs[manifest.file("model").name]
    if native is None:
        if first.native:
            yield f"its graph has native operators ({_counted(first.native)}), and it has no record of them"
        return
    if manifest.optimize != "native":
        yield f"its level is {manifest.optimize}, and it has native operators"
    if native.domain != DOMAIN:
        yield f"its native operators are of {native.domain}, and ours are of {DOMAIN}"
    if native.operators != first.native:
        yield f"its native operators are {_counted(native.operators)}, and the graph's {_counted(first.native)}"
    for model in native.models:
        graph = graphs[model.file]
        yield from _of_layout(model, graph)
        yield from _of_export(manifest, model, graph)
        yield from _of_version(native, model, graph)
        if (graph.inputs, graph.outputs) != (first.inputs, first.outputs):
            yield f"its files {manifest.file('model').name} and {model.file} have other inputs or outputs"
    ran = sorted({model.block for model in native.models if model.block and model.proof == "run"})
    if len(ran) > 1:
        yield f"its files in blocks of {' and of '.join(map(str, ran))} ran in the proof, and no processor has both"


def _of_export(manifest: ArtifactManifest, model: NativeModel, graph: GraphFacts) -> Iterator[str]:
    """What an export says of such a graph for its target: the range of runtimes, threads, how it was proved."""
    target = TARGETS.get(manifest.target or "")
    if target is None:
        return  # which is told elsewhere
    right, file = range_of(model.file, model.block, graph, target), f"its file {model.file}"
    if not _is_range(model, right):
        yield f"{file} is for ONNX Runtime {_range(model)}, and such a graph for {target.name} for {_range(right)}"
    if model.one_thread_below != right.one_thread_below:
        said, of_right = model.one_thread_below or "none", right.one_thread_below or "none"
        yield f"{file} has one_thread_below {said}, and such a graph has {of_right}"
    made_by = manifest.producer.get("onnxruntime", model.oldest_runtime)
    if model.proof == "decoded" and not model.block:
        yield f"{file} was proved as it is read back, and what is in no blocks is run"
    elif model.proof == "run" and model.block and release(made_by) < release(model.oldest_runtime):
        yield f"{file} ran in the proof by ONNX Runtime {made_by}, and is for {_range(model)}"


def _is_range(said: NativeModel, right: NativeModel) -> bool:
    """Whether a range is that of an export; an older version of ours had not tried the newest runtime."""
    if said.oldest_runtime != right.oldest_runtime or said.newest_runtime is None or right.newest_runtime is None:
        return (said.oldest_runtime, said.newest_runtime) == (right.oldest_runtime, right.newest_runtime)
    oldest, newest = release(said.oldest_runtime), release(said.newest_runtime)
    return () < oldest[: len(newest)] <= newest and not is_newer(said.newest_runtime, right.newest_runtime)


def _range(model: NativeModel) -> str:
    return f"{model.oldest_runtime} {'or newer' if model.newest_runtime is None else f'to {model.newest_runtime}'}"


def _of_layout(model: NativeModel, graph: GraphFacts) -> Iterator[str]:
    """The block against those of the graph's nodes. A graph in blocks may have plain parts, and no other block."""
    found = graph.blocks - {0}
    if model.block not in _BLOCKS:
        yield f"its file {model.file} is in blocks of {model.block}, which no processor has"
    elif not found <= {model.block} or (graph.in_blocks and not model.block):
        others = ", ".join(map(str, sorted(found))) or "the runtime's"
        yield f"its file {model.file} is in blocks of {model.block}, and the graph of {others}"
    elif model.block and not graph.in_blocks:
        yield f"its file {model.file} is in blocks of {model.block}, and the graph has none"


def _of_version(native: NativeOperators, model: NativeModel, graph: GraphFacts) -> Iterator[str]:
    if not graph.native and not _is_for_threads(native, model):
        yield f"its file {model.file} has no native operator"
    elif graph.native and graph.native_version != native.version:
        yield (
            f"its native operators are of version {native.version}, and those of {model.file} of {graph.native_version}"
        )


def _is_for_threads(native: NativeOperators, model: NativeModel) -> bool:
    """Whether it runs with several threads in place of the first, whose products it has not, nor perhaps any other."""
    first = native.models[0]
    return model != first and not model.block and first.one_thread_below is not None


def _counted(operators: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(operators.items())) or "none"
