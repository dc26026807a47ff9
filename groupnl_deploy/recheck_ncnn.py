"""An artifact of ncnn's format: its text held against its manifest."""

from collections.abc import Iterator
from pathlib import Path

from device_agent.manifest import ArtifactManifest
from device_agent.ncnn_param import NotNcnn, inputs_of, outputs_of, read_param
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
