"""GroupNL's own layers in a network of ncnn's: its package takes layers from outside, and our library computes them.

In the text such a layer is one line of the type `OWN_LAYER`, with the numbers `OWN_NUMBERS`; its weights are raw
float32: filters (seeds, inputs, kh, kw) unless the seed maps are given, then S (2, seeds), then
G (5, channels − seeds), as the operators GroupNL and Generate of `groupnl.native` have them.
"""

import ctypes
from collections.abc import Callable
from functools import cache, wraps
from pathlib import Path
from typing import Any

import ncnn
import numpy as np

from device_agent.ncnn_param import OWN_LAYER, OWN_NUMBERS

_RAW = 1  # of `ModelBin.load`: float32 as it stands
_MOST_FLOATS, _MOST_BLOCK = 1 << 29, 16
_FAILED = -1  # what ncnn takes for an error
Step = Callable[..., int]
_RUN = ("", "there is no memory to work in", "the image has another size than it says")


class _Asked(ctypes.Structure):
    """`gnl_layer` of the library."""

    _fields_ = (
        *((name, ctypes.c_int) for name in OWN_NUMBERS[:8]),
        *(("block", ctypes.c_int), ("apart", ctypes.c_int), ("epsilon", ctypes.c_float)),
        *((name, ctypes.c_int) for name in OWN_NUMBERS[9:]),
    )


_ASKED, _WHY = ctypes.POINTER(_Asked), ctypes.POINTER(ctypes.c_char_p)
_MAPS = (ctypes.c_void_p, ctypes.c_size_t)  # where they lie, and the step from one to the next
_FUNCTIONS: dict[str, tuple[Any, ...]] = {
    "floats": (ctypes.c_size_t, _ASKED, _WHY),
    "new": (ctypes.c_void_p, _ASKED, ctypes.c_void_p, _WHY),
    "free": (None, ctypes.c_void_p),
    "size": (ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_int, ctypes.c_void_p),
    "run": (ctypes.c_int, *[ctypes.c_void_p] * 2, ctypes.c_uint, *_MAPS, ctypes.c_int, ctypes.c_int, *_MAPS),
}
"""`groupnl_layer_…` of native/src/layer_alone.c: what each gives, and what it takes."""


class LayerLibrary:
    """The library's functions for layers by themselves, and OpenMP's threads, as ncnn has them, to run them on.

    Args:
        path: of the library, from `device_agent.native.open_verified`.
        threads: of a layer.
    """

    block: int
    """Of channels, that the library and ncnn both keep together on this processor; 0 where they do not agree."""

    floats: Any
    new: Any
    free: Any
    size: Any
    run: Any

    def __init__(self, path: str, threads: int) -> None:
        library, self.threads = ctypes.CDLL(path), threads
        self.together = _open_mp() if threads > 1 else None
        for name, (result, *arguments) in _FUNCTIONS.items():
            function = getattr(library, f"groupnl_layer_{name}")
            function.restype, function.argtypes = result, arguments
            setattr(self, name, function)
        block = library.groupnl_layer_block()
        self.block = block if block == _block_of_ncnn() else 0


def _open_mp() -> ctypes.c_void_p | None:
    """`GOMP_parallel` of the OpenMP that ncnn brought into this process; None where there is none, or no telling.

    So our layers run on ncnn's own threads. Others beside them would wait for those, which spin between its layers.
    """
    try:
        lines = Path("/proc/self/maps").read_text().splitlines()
    except OSError:
        return None
    paths = {line.split(maxsplit=5)[5] for line in lines if "libgomp" in line or "libomp" in line}
    for path in sorted(paths):
        function = getattr(ctypes.CDLL(path), "GOMP_parallel", None)
        if function is not None:
            return ctypes.cast(function, ctypes.c_void_p)
    return None


def _contained(step: Step) -> Step:
    """An exception would end the process where it met ncnn's own code: what it says becomes the layer's fault."""

    @wraps(step)
    def contained(layer: "GroupNLLayer", *given: Any) -> int:
        try:
            return step(layer, *given)
        except Exception as error:
            return layer.failed(f"{type(error).__name__}: {error}")

    return contained


class GroupNLLayer(ncnn.Layer):  # type: ignore[misc]  # untyped
    """One layer. What failed is kept in `fault`, and ncnn is told that it did.

    Where channels are whole blocks of this processor's vectors it computes in ncnn's own layout, which is the
    library's too; elsewhere ncnn lays its input out plain before it.
    """

    def __init__(self, library: LayerLibrary) -> None:
        super().__init__()
        self.one_blob_only = True
        self.fault: str | None = None
        self._library, self._layer = library, None
        self._of, self._size = (0, 0), (0, 0)  # height and width, of the last image and of what came out of it

    @_contained
    def load_param(self, numbers: Any) -> int:
        """Read the line."""
        self._asked = asked = _Asked()
        for key, name in enumerate(OWN_NUMBERS):
            setattr(asked, name, numbers.get(key, 0.0 if name == "epsilon" else 0))
        self._inputs, self._channels = asked.seeds * asked.inputs, asked.channels
        block = self._library.block
        asked.block = block if block and self._inputs % block == 0 and self._channels % block == 0 else 0
        self.support_packing = asked.block > 0
        self._pack = asked.block or 1
        return 0

    @_contained
    def load_model(self, weights: Any) -> int:
        """Read the constants, as many as the numbers ask for, and make the layer."""
        why = ctypes.c_char_p()
        count = self._library.floats(self._asked, why)
        if count == 0:
            return self.failed(f"it is no layer: {_words(why)}")
        found = weights.load(count, _RAW) if count <= _MOST_FLOATS else None
        if found is None or found.w != count:
            return self.failed("its weights are missing")
        constants = np.ascontiguousarray(found.numpy(), dtype=np.float32)
        self._layer = self._library.new(self._asked, constants.ctypes.data, why)
        return 0 if self._layer else self.failed(f"it is no layer: {_words(why)}")

    @_contained
    def forward(self, image: Any, made: Any, options: Any) -> int:
        """Compute it, into memory of ncnn's."""
        library, pack = self._library, self._pack
        height, width = image.h, image.w
        if image.dims != 3 or image.elempack != pack or image.c * pack != self._inputs:
            return self.failed("it reads other channels than there are")
        if not self._sized(height, width):
            return self.failed("the image is smaller than its filters, or too large")
        high, wide = self._size
        made.create(
            wide, high, self._channels // pack, elemsize=4 * pack, elempack=pack, allocator=options.blob_allocator
        )
        if made.empty():
            return self.failed("there is no memory for its maps")
        source = _address(image, pack), image.cstep * pack, height, width
        place = _address(made, pack), made.cstep * pack
        failed = library.run(self._layer, library.together, library.threads, *source, *place)
        return self.failed(_RUN[failed]) if failed else 0

    def _sized(self, height: int, width: int) -> bool:
        """Whether there is a size for what comes out of such an image, which is `_size` then."""
        if self._of != (height, width):
            size = (ctypes.c_int * 2)()
            if not self._library.size(self._layer, height, width, size):
                return False
            self._of, self._size = (height, width), (size[0], size[1])
        return True

    def failed(self, why: str) -> int:
        """Keep why; what ncnn takes for an error."""
        self.fault = self.fault or why
        return _FAILED

    def close(self) -> None:
        """Give back what the library holds."""
        self._library.free(self._layer)
        self._layer = None


class _Probe(ncnn.Layer):  # type: ignore[misc]  # untyped
    """Sees how many channels ncnn keeps together in what it gives to a layer."""

    def __init__(self) -> None:
        super().__init__()
        self.one_blob_only = self.support_inplace = self.support_packing = True
        self.block = 0

    def forward_inplace(self, image: Any, options: Any) -> int:
        """Look, and leave it."""
        self.block = image.elempack
        return 0


@cache
def _block_of_ncnn() -> int:
    """How many channels ncnn keeps together on this processor: 16, 8 or 4. It tells nobody, and so is tried."""
    probe, net = _Probe(), ncnn.Net()
    net.register_custom_layer("Probe", lambda: probe, lambda layer: None)
    net.load_param_mem("7767517\n2 2\nInput in0 0 1 in0\nProbe probe 1 1 in0 out0\n")
    net.load_model_mem(b"\0")
    extractor = net.create_extractor()
    extractor.input("in0", ncnn.Mat(1, 1, _MOST_BLOCK))
    extractor.extract("out0")
    return int(probe.block)


class LayerNet:
    """A net of ncnn's that knows our layers.

    It keeps the functions that make them, and they keep it: such a net would never go. So nets are used again, and
    `released` empties this one for whoever comes next. (The package of early 2026 had room for ten in a process.)
    """

    def __init__(self) -> None:
        self.net = ncnn.Net()
        self._library: LayerLibrary | None = None
        self._layers: list[GroupNLLayer] = []
        self.net.register_custom_layer(OWN_LAYER, self._create, self._forget)

    @classmethod
    def taken(cls, library: LayerLibrary) -> "LayerNet":
        """An empty one, whose layers this library computes."""
        taken = _idle.pop() if _idle else cls()
        taken._library = library
        return taken

    def _create(self) -> GroupNLLayer:
        assert self._library is not None, "as long as it is taken"
        self._layers.append(GroupNLLayer(self._library))
        return self._layers[-1]

    def _forget(self, layer: Any) -> None:
        """ncnn is through with a layer; it goes when the net is released."""

    @property
    def fault(self) -> str | None:
        """Why the first layer that failed did."""
        return next((layer.fault for layer in self._layers if layer.fault is not None), None)

    def released(self) -> None:
        """Empty it."""
        self.net.clear()
        for layer in self._layers:
            layer.close()
        self._layers.clear()
        self._library = None
        _idle.append(self)


_idle: list[LayerNet] = []


def _words(why: ctypes.c_char_p) -> str:
    return (why.value or b"").decode()


def _address(matrix: Any, pack: int) -> int:
    """Where its numbers lie. The package tells it of plain ones alone, so that for a moment others are called plain."""
    if pack == 1:
        plain: int = np.asarray(matrix).__array_interface__["data"][0]  # there may be gaps between planes
        return plain
    matrix.elempack, matrix.elemsize = 1, 4
    try:
        return ctypes.addressof(ctypes.c_char.from_buffer(matrix))
    finally:
        matrix.elempack, matrix.elemsize = pack, 4 * pack
