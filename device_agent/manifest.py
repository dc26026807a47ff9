"""What is written of an exported model: its files, its numbers, how it was proved. Standard library only.

The manifest travels with the artifact, and its SHA-256 is the artifact's id.
"""

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from device_agent.file_digest import FileDigest
from device_agent.strict import from_json, to_json
from device_agent.training_step import TrainingStep

MANIFEST_FILE = "manifest.json"
MANIFEST_SCHEMA_VERSION = 6

ROUNDING = 2.0**-24  # of one number in float32, relative

PICKED = "the epoch of these weights was picked by these very test images, so the accuracy is a little too good"
"""Of an accuracy that flatters its network, for a sentence."""

Format = Literal["onnx", "torch", "ncnn"]
FORMATS: tuple[Format, ...] = get_args(Format)

Role = Literal["model", "other_model", "weights", "golden_input", "golden_output", "samples"]
GOLDEN_PAIR: tuple[Role, Role] = ("golden_input", "golden_output")

DType = Literal[
    "float32", "float16", "float64", "bool",
    "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
]  # fmt: skip
"""ONNX's element types that NumPy has, as NumPy calls them."""
DTYPES: tuple[DType, ...] = get_args(DType)


@dataclass(frozen=True)
class ArtifactFile(FileDigest):
    """A file of an artifact and its role there, by which whoever reads the artifact finds it, whatever its name.

    "model" is what a backend loads, with "weights" beside it where its format keeps them apart. "golden_input" and
    "golden_output" are the arrays of `Golden`, and "samples" those that a model without an image input is benchmarked
    with, as .npz (`device_agent.arrays`).
    """

    role: Role

    @staticmethod
    def in_role(role: Role, path: Path) -> "ArtifactFile":
        """Describe a file that exists."""
        found = FileDigest.of(path)
        return ArtifactFile(found.name, found.sha256, found.bytes, role)


@dataclass(frozen=True)
class TensorInfo:
    """An input or output: its name in the graph, its shape (batch first; none for a single number), its element type.

    Raises `ValueError` for a name that is empty and for an axis that is not positive.
    """

    name: str
    shape: tuple[int, ...]
    dtype: DType = "float32"

    def __post_init__(self) -> None:
        if not self.name or any(axis < 1 for axis in self.shape):
            raise ValueError(f"{self.name!r} of shape {self.shape} is no tensor: it needs a name and positive axes")

    def __str__(self) -> str:
        return f"{self.name} {self.dtype} {'x'.join(map(str, self.shape)) or 'a single number'}"

    @property
    def is_float(self) -> bool:
        """Whether its values are rounded, so that two right ones may differ."""
        return self.dtype.startswith("float")

    @property
    def is_scores(self) -> bool:
        """Whether it has one number for each of several classes, (1, classes), of which the largest is the answer."""
        return self.is_float and len(self.shape) == 2 and self.shape[0] == 1 and self.shape[1] > 1


Layout = Literal["nchw", "nhwc"]
Interpolation = Literal["bilinear", "bicubic"]
INTERPOLATIONS: tuple[Interpolation, ...] = get_args(Interpolation)


@dataclass(frozen=True)
class View:
    """What of a photograph a network is shown when it is tested, as timm and torchvision have it: the image is resized,
    with antialiasing, until its shorter side is that of the input over `crop`, and the middle of it is cut out.

    Raises `ValueError` for a crop that is no share, and for an interpolation of another name.
    """

    crop: float
    interpolation: Interpolation = "bilinear"

    def __post_init__(self) -> None:
        if not 0 < self.crop <= 1 or self.interpolation not in INTERPOLATIONS:
            raise ValueError(f"{self} shows nothing: it needs a share above 0, at most 1, and {INTERPOLATIONS}")

    def __str__(self) -> str:
        return f"crop {self.crop:g}, {self.interpolation}"


@dataclass(frozen=True)
class Preprocessing:
    """How 8-bit pixels become the net's input: `(pixel / 255 - mean) / std`, per channel, then its axes in the layout.

    Where the input has whole numbers the result is rounded to them, and cut off at their range: a mean of 0 and a std
    of 1/255 leave the pixels as they are. `view` says how a photograph becomes these pixels; null is as its data set
    has it.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    layout: Layout = "nchw"
    view: View | None = None


@dataclass(frozen=True)
class Source:
    """What a model was exported from: a checkpoint (the digest of its record), an ONNX file (its digest and name), or a
    specification alone (its digest), whose weights are random.
    """

    kind: Literal["checkpoint", "onnx", "specification"]
    sha256: str
    file: str | None = None


@dataclass(frozen=True)
class DataRecord:
    """What is kept of the images that a network was trained on. It never says where they lay.

    Args:
        name: of the data set.
        sha256: of all its images and labels; null where its name and seed say all, or nobody wrote it down.
        class_names: by label; empty where nobody wrote them down.
        split_seed: decided which image is in which part; null where that was so from the start.
    """

    name: str
    sha256: str | None
    class_names: tuple[str, ...]
    split_seed: int | None

    def __str__(self) -> str:
        digest = "" if self.sha256 is None else f" {self.sha256[:12]}"
        return f"{self.name}{digest}, {len(self.class_names)} classes"


@dataclass(frozen=True)
class Amplifier:
    """The module of a network at which rounding grows: the root mean square error of single precision there, over
    the spread of the values, in what it reads (`before`) and in what it gives (`after`).
    """

    module: str
    before: float
    after: float


@dataclass(frozen=True)
class Parity:
    """How the exported model was compared with its source: max |Δ| ≤ `tolerance` · `output_std`.

    It is about one output, that which is nearest to its limit. 99 % of its numbers differ by `p99_abs_error` or less.
    Both are differences from `reference`: the source computed in double precision, or, where nothing computes it so,
    as it is, without any rewrite. `eager_error` is how far the source is from that in single precision.

    Args:
        images: how many, or how many samples.
        max_abs_error: of the exported model.
        p99_abs_error: of the exported model.
        output_std: the standard deviation of the reference's outputs.
        tolerance: 1e-4, or twice `eager_error` over `output_std` where that is more.
        same_top1: whether the answers are the same.
        eager_error: max |Δ| of the source in single precision.
        reference: what was compared with.
        batches: how many images at once, each of these.
        amplifier: where rounding grows, if it decides the tolerance.
        output: the name of the output.
    """

    images: int
    max_abs_error: float
    p99_abs_error: float
    output_std: float
    tolerance: float
    same_top1: bool
    eager_error: float = 0.0
    reference: Literal["float64", "float32"] = "float64"
    batches: tuple[int, ...] = (1,)
    amplifier: Amplifier | None = None
    output: str = "logits"

    @property
    def amplification(self) -> str | None:
        """That the network amplifies rounding, by how much and from where on; None where that decides nothing."""
        if self.amplifier is None:
            return None
        eager, grows = self.eager_error / self.output_std, self.amplifier
        return (
            f"The network amplifies rounding: in single precision it is itself {eager:.2g} of the spread away from "
            f"double precision, {eager / ROUNDING:,.0f} times the rounding of one number. It begins in {grows.module}: "
            f"what that reads is off by {grows.before:.2g} of its spread, what it gives by {grows.after:.2g}. Allowed "
            f"is twice the network's own error, {self.tolerance:.2g} of the spread."
        )


@dataclass(frozen=True)
class Golden:
    """The device's acceptance check: how far each output may be off the golden one, for the golden inputs.

    Of outputs that are class scores the arg-max must be the same as well; two scores that are no farther apart than
    `tie` may change places. Other processors sum in another order, so all of it is wider than the parity's own.

    Args:
        tolerances: of |Δ|, in the outputs' own unit and in their order. An output of whole numbers or truth values
            that has 0 must be equal.
        measure: what is held against them: the largest |Δ| of an output, or the mean. A quantized graph has the mean:
            processors round its sums to other whole steps, so single numbers are off by several steps and their mean
            by less than one.
        tie: in the outputs' own unit.
    """

    tolerances: tuple[float, ...]
    measure: Literal["max", "mean"] = "max"
    tie: float = 0.0

    def __post_init__(self) -> None:
        if not all(0 <= number < math.inf for number in (*self.tolerances, self.tie)):
            raise ValueError(f"{self.tolerances} and {self.tie} are no allowances: they need finite numbers from 0")


NativeRuntime = Literal["onnxruntime", "ncnn"]


@dataclass(frozen=True)
class NativeModel:
    """One of the model files of an artifact with native operators, and where it runs.

    Args:
        file: its name. The first is in the role "model", others in the role "other_model".
        block: of the layout in blocks that its tensors have; 0 for the plain layout, which every processor reads.
        oldest_runtime: the oldest runtime that it was tried in, or that reads it.
        newest_runtime: the newest, where the layout is an inner matter of the runtime's (1.32: any 1.32.x); else null.
        one_thread_below: in a runtime older than this its operators run on one thread only, so that it is for
            benchmarks with one thread there; null where that is so of no operator.
        proof: "run" where the file itself ran in the proof; "decoded" where this host does not run it, mostly since
            it has another block, so that the same graph in the plain layout, read back from the file, ran instead.
    """

    file: str
    block: int
    oldest_runtime: str
    newest_runtime: str | None = None
    one_thread_below: str | None = None
    proof: Literal["run", "decoded"] = "run"


@dataclass(frozen=True)
class NativeOperators:
    """The operators of our own in a model, which a library on the device computes. The artifact has no code.

    Args:
        domain: of the operator set.
        version: of the operator set; a library of this version or a newer one computes it.
        operators: how many nodes of each there are, in the first model.
        models: in order of preference; a device takes the first that fits its processor, runtime and threads.
        runtime: the package that runs the models, and calls the library for the operators.
    """

    domain: str
    version: int
    operators: dict[str, int]
    models: tuple[NativeModel, ...]
    runtime: NativeRuntime = "onnxruntime"


@dataclass(frozen=True)
class PassReport:
    """What one pass of the exporter did: how often it fired and with which choices, nodes before and after, why it
    refused where it did, and how far the model was from its source after it.
    """

    name: str
    fired: int
    nodes_before: int
    nodes_after: int
    notes: tuple[str, ...]
    refusals: tuple[str, ...]
    max_abs_error: float
    p99_abs_error: float


@dataclass(frozen=True)
class ArtifactManifest:
    """All that a device and a report need to know of an exported model. Its id is the SHA-256 of its bytes.

    `model` is the specification that `groupnl_deploy.models` rebuilds an eager net from, empty for a graph of somebody
    else's, and `form` says whether as it trains or as it runs fastest; the form "step" is no network to be asked but a
    `step` of a training to be measured, on a batch of images and labels. `accuracy` is what the host measured on the
    data set's test images, null for an untrained net, and `picked` says that these images picked the epoch of the
    weights: then it is a little too good. Whether a graph of somebody else's is `trained` nobody knows: null. So it is
    with `picked`, also in manifests that were written before there was that field. Inputs and outputs are those of one
    image; with a dynamic `batch` their first axis may be of any size.

    With `preprocessing` the only input is an image. Without, the artifact carries so many `samples` of its inputs.

    Raises `ValueError` for what contradicts itself.
    """

    format: Format
    label: str
    model: dict[str, Any]
    trained: bool | None
    data: DataRecord | None
    accuracy: float | None
    source: Source
    files: tuple[ArtifactFile, ...]
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    preprocessing: Preprocessing | None
    producer: dict[str, str]
    parity: Parity
    passes: tuple[PassReport, ...] = ()
    opset: int | None = None
    ir_version: int | None = None
    form: Literal["eager", "inference", "step"] = "eager"
    golden: Golden | None = None
    optimize: str | None = None
    target: str | None = None
    batch: Literal["1", "dynamic"] = "1"
    quantized: bool = False
    samples: int = 0
    native: NativeOperators | None = None
    picked: bool | None = None
    step: TrainingStep | None = None
    schema_version: int = MANIFEST_SCHEMA_VERSION

    def __post_init__(self) -> None:
        contradiction = next(self._contradictions(), None)
        if contradiction is not None:
            raise ValueError(contradiction)

    def _contradictions(self) -> Iterator[str]:
        for what, tensors in (("inputs", self.inputs), ("outputs", self.outputs)):
            if not tensors or len({info.name for info in tensors}) != len(tensors):
                yield f"its {what} need names, each another"
        if self.preprocessing is not None and (len(self.inputs) != 1 or len(self.inputs[0].shape) != 4):
            yield f"it takes an image, which is one input of four axes, and has {', '.join(map(str, self.inputs))}"
        if (self.preprocessing is None) != (self.samples > 0):
            yield f"it takes {'no ' if self.preprocessing is None else 'an '}image, and has {self.samples} samples"
        if self.golden is not None and len(self.golden.tolerances) != len(self.outputs):
            yield f"it has {len(self.outputs)} outputs, and its golden pair {len(self.golden.tolerances)} tolerances"
        if self.source.kind == "onnx" and (self.model or self.format == "torch"):
            yield f"it was made from an ONNX file, and has a specification or the format {self.format}"
        if len({self.step is not None, self.form == "step", self.source.kind == "specification"}) > 1:
            yield f"its form is {self.form}, its source a {self.source.kind}, and its step {self.step}"
        if self.step is not None and (self.format != "torch" or self.preprocessing is not None):
            yield f"it is a {self.step.called}, of the format {self.format}, with preprocessing {self.preprocessing}"
        if self._model_names() != self._native_names():
            yield f"its model files are {self._model_names()}, and those with native operators {self._native_names()}"

    def _model_names(self) -> list[str]:
        """The model files, the one in the role "model" first."""
        return [file.name for role in ("model", "other_model") for file in self.files if file.role == role]

    def _native_names(self) -> list[str]:
        return self._model_names()[:1] if self.native is None else [one.file for one in self.native.models]

    @property
    def image_shape(self) -> tuple[int, int, int] | None:
        """(C, H, W) of the image that it takes; None where it takes none."""
        if self.preprocessing is None:
            return None
        _, one, two, three = self.inputs[0].shape
        return (one, two, three) if self.preprocessing.layout == "nchw" else (three, one, two)

    @property
    def classes(self) -> int | None:
        """How many classes its first output tells apart; None where that is something else."""
        first = self.outputs[0]
        return first.shape[1] if first.is_scores else None

    def to_bytes(self) -> bytes:
        """Canonical bytes of the manifest's file."""
        return to_json(self).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "ArtifactManifest":
        """Strict inverse of `to_bytes`; raises `StrictError`."""
        return from_json(cls, data, MANIFEST_FILE)

    def file(self, role: Role) -> ArtifactFile:
        """The file in a role. Raises `LookupError` where there is none, which `damage` tells of first."""
        found = next((file for file in self.files if file.role == role), None)
        if found is None:
            raise LookupError(f"the manifest lists no file in the role {role}")
        return found

    def damage(self, directory: Path, known: Collection[tuple[str, str]] = ()) -> str | None:
        """What is wrong with the artifact's files in `directory`, as a sentence; None when all are whole.

        Files whose name and digest are `known` to be so are only looked for.
        """
        pair = () if self.golden is None else GOLDEN_PAIR
        samples: tuple[Role, ...] = ("samples",) if self.samples else ()
        weights: tuple[Role, ...] = ("weights",) if self.format == "ncnn" else ()
        for role in ("model", *weights, *pair, *samples):
            count = sum(file.role == role for file in self.files)
            if count != 1:
                return f"The manifest in {directory} lists {count or 'no'} files in the role {role}, and needs one."
        unknown = (file for file in self.files if (file.name, file.sha256) not in known or not file.is_there(directory))
        found = (file.damage(directory) for file in unknown)
        return next((damage for damage in found if damage is not None), None)
