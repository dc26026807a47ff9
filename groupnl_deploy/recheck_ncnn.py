"""An artifact of ncnn's format: its text held against its manifest."""

from collections.abc import Iterator
from pathlib import Path

from device_agent.manifest import ArtifactManifest
from device_agent.ncnn_param import OWN_LAYER, NotNcnn, inputs_of, outputs_of, read_param
from exporters.native.operators import DOMAIN, VERSION
from exporters.ncnn.names import CONVERSION


def of_ncnn(manifest: ArtifactManifest, param: Path) -> Iterator[str]:
    """What differs, a clause each."""
    if manifest.batch != "1":
        yield "ncnn computes one image at a time, and its batch is dynamic"
    if not manifest.passes or manifest.passes[-1].name != CONVERSION:
        yield "its last pass is not the conversion to ncnn"
    try:
        layers = read_param(param.read_bytes())
    except NotNcnn as error:
        yield f"{param.name} is no network of ncnn's: {error}"
        return
    found = len(inputs_of(layers)), len(outputs_of(layers))
    if found != (said := (len(manifest.inputs), len(manifest.outputs))):
        yield f"its network has {found[0]} inputs and {found[1]} outputs, and it tells of {said[0]} and {said[1]}"
    if manifest.passes and manifest.passes[-1].nodes_after != len(layers):
        yield f"its network has {len(layers)} layers, and it tells of {manifest.passes[-1].nodes_after}"
    yield from _of_own(manifest, sum(layer.kind == OWN_LAYER for layer in layers))


def _of_own(manifest: ArtifactManifest, layers: int) -> Iterator[str]:
    """The record of layers of GroupNL's own."""
    native = manifest.native
    said = 0 if native is None else sum(native.operators.values())
    if said != layers:
        yield f"its network has {layers} layers of GroupNL's own, and it tells of {said}"
    if native is None:
        return
    if manifest.optimize != "native":
        yield f"its level is {manifest.optimize}, and it has native operators"
    if (native.domain, native.version, native.runtime) != (DOMAIN, VERSION, "ncnn"):
        yield f"its native operators are {native.domain} {native.version} in {native.runtime}, and ncnn's are others"
    if [(one.file, one.block, one.newest_runtime, one.one_thread_below, one.proof) for one in native.models] != [
        (manifest.file("model").name, 0, None, None, "run")
    ]:
        yield "its record of native operators is not that of ncnn's one file"
