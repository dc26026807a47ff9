"""A network of ncnn's, as the device runs it and the host proves it; needs numpy and ncnn's own package."""

import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ncnn
import numpy as np

from device_agent.arrays import Array
from device_agent.ncnn_layers import LayerLibrary, LayerNet
from device_agent.ncnn_param import NotNcnn, inputs_of, outputs_of, read_param, require_reader

VERSION = str(ncnn.__version__)
# What ncnn would do by itself, where a processor can: halve the precision of what is stored or computed.
_FP32_ALONE = ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_storage", "use_vulkan_compute")


class NcnnNet:
    """In float32. Which blob is which input or output the numbers in their names say.

    ncnn's maps have no batch: arrays lose their first axis, of 1, and get it back.

    Args:
        param: the network's text, which is read strictly before ncnn does.
        weights: of it.
        threads: of an inference.
        library: of native operators, as `open_verified` gives it, where the network has layers of GroupNL's.

    Raises `NotNcnn` for files that are no network, or none that this ncnn knows; `NeedsNewerNcnn` where a newer does.
    """

    def __init__(self, param: Path, weights: Path, threads: int, library: str | None = None) -> None:
        layers = read_param(param.read_bytes())
        require_reader(layers, VERSION)
        self.inputs, self.outputs = inputs_of(layers), outputs_of(layers)
        self._ours = None if library is None else self._taken(LayerLibrary(library, threads))
        self._net = ncnn.Net() if self._ours is None else self._ours.net
        self._net.opt.num_threads = threads
        for option in _FP32_ALONE:
            setattr(self._net.opt, option, False)
        if self._net.load_param(str(param)) or self._net.load_model(str(weights)):
            raise NotNcnn(
                self._fault() or f"ncnn {VERSION} does not know a layer of it, or the weights are not its own"
            )

    def _taken(self, library: LayerLibrary) -> LayerNet:
        taken = LayerNet.taken(library)
        weakref.finalize(self, taken.released)
        return taken

    def _fault(self) -> str | None:
        fault = None if self._ours is None else self._ours.fault
        return None if fault is None else f"of a layer of GroupNL's: {fault}"

    def prepared(self, arrays: Sequence[Array]) -> list[Any]:
        """The inputs, (1, …) each, as ncnn's matrices.

        In memory of ncnn's own: in that of others it would let its first layer work in place.
        Raises `ValueError` for several images at once, of which ncnn would compute one.
        """
        images = [np.ascontiguousarray(array) for (array,) in arrays]  # a matrix does not keep what it is made of
        return [ncnn.Mat(image).clone() for image in images]

    def run(self, prepared: list[Any]) -> list[Any]:
        """One inference, to ncnn's matrices. Raises `RuntimeError` where ncnn cannot."""
        extractor = self._net.create_extractor()
        for blob, matrix in zip(self.inputs, prepared, strict=True):
            extractor.input(blob, matrix)
        found = [extractor.extract(blob) for blob in self.outputs]
        if any(failed for failed, _ in found):
            raise RuntimeError(self._fault() or "ncnn could not compute the network")
        return [matrix for _, matrix in found]

    def arrays(self, matrices: list[Any]) -> list[Array]:
        """The outputs, (1, …) each."""
        return [np.array(matrix)[None] for matrix in matrices]

    def answers(self, arrays: Sequence[Array]) -> list[Array]:
        """The outputs for these inputs: all of the above."""
        return self.arrays(self.run(self.prepared(arrays)))
