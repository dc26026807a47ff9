"""What a manifest says of native operators, held against the graphs: see `groupnl_deploy.recheck`."""

from collections.abc import Iterator, Mapping

from device_agent.manifest import ArtifactManifest, NativeModel, NativeOperators
from device_agent.native_choice import is_newer, release
from exporters.graph_facts import GraphFacts
from exporters.native.operators import DOMAIN

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
        yield from _of_runtimes(model)
        yield from _of_layout(model, graph)
        yield from _of_version(native, model, graph)
        if (graph.inputs, graph.outputs) != (first.inputs, first.outputs):
            yield f"its files {manifest.file('model').name} and {model.file} have other inputs or outputs"


def _of_runtimes(model: NativeModel) -> Iterator[str]:
    """Versions that are some, and a range that is one."""
    said = (model.oldest_runtime, model.newest_runtime, model.one_thread_below)
    if not all(release(version) for version in said if version is not None):
        yield f"its file {model.file} is for the runtimes {', '.join(map(str, said))}, which are none"
    elif model.newest_runtime is None and model.block:
        yield f"its file {model.file} is in blocks and for any newer runtime, and blocks are an inner matter of each"
    elif model.newest_runtime is not None and is_newer(model.oldest_runtime, model.newest_runtime):
        yield f"its file {model.file} is for no runtime from {model.oldest_runtime} to {model.newest_runtime}"


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
