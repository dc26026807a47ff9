"""What a manifest says of layers of GroupNL's own in ncnn's files; imports nothing slow."""

from collections.abc import Mapping

from device_agent.manifest import NativeModel, NativeOperators
from exporters.native.operators import DOMAIN, VERSION
from exporters.ncnn.names import OLDEST_WITH_LAYERS, PARAM_FILE


def layers_record(operators: Mapping[str, int]) -> NativeOperators:
    """Of so many layers of each operator: one file, for every processor."""
    about = NativeModel(PARAM_FILE, block=0, oldest_runtime=OLDEST_WITH_LAYERS)
    return NativeOperators(DOMAIN, VERSION, dict(operators), (about,), runtime="ncnn")
