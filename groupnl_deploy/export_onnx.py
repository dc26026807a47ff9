"""Somebody's own ONNX file → artifact: what is asked of it, and the glue to the passes and the manifest."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

import numpy as np
import onnx
import torch

from device_agent.arrays import write_arrays
from device_agent.manifest import (
    ArtifactFile,
    ArtifactManifest,
    Format,
    Preprocessing,
    Role,
    Source,
    TensorInfo,
)
from exporters.artifact import Artifact, open_artifact, write_manifest
from exporters.errors import OnnxRefused
from exporters.gain import gain_of_native, nothing_native
from exporters.model_files import write_models
from exporters.ncnn.packages import require_ncnn
from exporters.ncnn.write import require_fits_ncnn
from exporters.onnx_exporter import opset_of
from exporters.optimize import Optimized, Proof, optimize
from exporters.options import ExportOptions
from exporters.own_onnx.given import read_inputs
from exporters.own_onnx.quantized import is_quantized
from exporters.own_onnx.random_inputs import random_inputs
from exporters.own_onnx.read import digest_of, read_onnx
from exporters.own_onnx.ready import ready
from exporters.own_onnx.refusals import require_runnable
from exporters.own_onnx.right import Right, right_answers, widened
from exporters.own_onnx.signature import Input, inputs_of
from exporters.parity import golden_pair, prove_onnx
from exporters.right_answers import Array, Reference, Tensors
from exporters.targets import target_named
from exporters.targets.ncnn import for_format
from exporters.tolerances import PROVED_AT
from groupnl_deploy.errors import UsageError
from groupnl_deploy.export import PARITY_IMAGES, Exported, as_ncnn, producer, require_fits_format
from groupnl_deploy.images.bench_images import bench_images
from groupnl_deploy.images.dataset import PerChannel, Pixels
from groupnl_deploy.images.pictures import read_pictures
from groupnl_deploy.images.preprocessing import as_input, preprocessing, typed
from groupnl_deploy.native.session import registration
from groupnl_deploy.progress import Reporter, Silence
from groupnl_deploy.training.preparation import statistics_of
from groupnl_deploy.workspace import atomic_directory

_AS_USUAL = ExportOptions()
_WHOLE_PIXELS = (0.0,), (1 / 255,)  # a mean and std that leave pixels as they are


@dataclass(frozen=True)
class TriedWith:
    """What the user gives to try the file with.

    Args:
        inputs: an .npz file of arrays by input.
        images: a folder of pictures.
        mean: of pixels from 0 to 1, per channel or one for all; ImageNet's where nobody says.
        std: likewise.
    """

    inputs: Path | None = None
    images: Path | None = None
    mean: PerChannel | None = None
    std: PerChannel | None = None


@dataclass(frozen=True)
class _Samples:
    """What is asked of the file, more of it for what looks strange, and how an image becomes its input."""

    samples: tuple[Tensors, ...]
    more: Callable[[], tuple[Tensors, ...]] | None
    notes: tuple[str, ...]
    how: Preprocessing | None = None


def export_own_onnx(
    file: Path,
    out: Path,
    options: ExportOptions = _AS_USUAL,
    asked: TriedWith = TriedWith(),
    reporter: Reporter | None = None,
    bisect: bool = False,
    format: Format = "onnx",
) -> Artifact:
    """Optimise an ONNX file and write it as an artifact, proved equal to itself as it was given.

    Raises `OnnxRefused` for a file that cannot become an artifact, `ParityError` where a pass changes its answers,
    `UsageError` for what does not fit the file or where `out` exists.
    """
    watcher = reporter or Silence()
    require_fits_format(format, options)
    if format == "ncnn":
        require_ncnn()
    with atomic_directory(out) as folder, watcher.task(f"export {file.name}") as tell:
        model = read_onnx(file)
        require_runnable(model)
        inputs = inputs_of(model)
        _require_batch(inputs, options)
        chosen = _samples(model, inputs, asked)
        quantized = is_quantized(model)
        if quantized:
            options = replace(options, optimize="none")
        right = right_answers(model, chosen.samples, PROVED_AT[options.batch], quantized)
        for note in (*chosen.notes, *_remarks(right)):
            watcher.note(note)
        reference = replace(right.reference, wider=_wider(file, chosen, right))
        if format == "ncnn":
            require_fits_ncnn(reference)
        target = for_format(target_named(options.target), format)
        graph, remarks = ready(model, reference, target, options.batch == "dynamic")
        for note in remarks:
            watcher.note(note)
        proof = partial(prove_onnx, reference, register=registration(options.optimize, watcher))
        best = optimize(graph, proof, options.optimize, target, bisect, tell)
        if format == "ncnn":
            infos = tuple(_info(name, array) for name, array in reference.samples[0].items())
            made = as_ncnn(folder, best, infos, len(reference.outputs), reference, options.optimize, watcher)
        else:
            made = _as_onnx(folder, graph, best, options, proof, watcher)
        _write(folder, file, inputs, chosen, right, made, options, format)
    return open_artifact(out)


def _as_onnx(
    folder: Path, graph: onnx.ModelProto, best: Optimized, options: ExportOptions, proof: Proof, watcher: Reporter
) -> Exported:
    target = target_named(options.target)
    made = write_models(folder, best, options.optimize, target, proof)
    for remark in (gain_of_native(graph, options.optimize, target), nothing_native(options.optimize, made.native)):
        if remark is not None:
            watcher.note(remark)
    model, proved = made.best.model, made.best
    return Exported(made.files, proved.parity, proved.passes, opset_of(model), model.ir_version, native=made.native)


def _require_batch(inputs: tuple[Input, ...], options: ExportOptions) -> None:
    if not inputs:
        raise OnnxRefused("The graph has no input, so it always gives one answer.", "Export it with its inputs.")
    fixed = [one for one in inputs if not one.has_open_batch]
    if options.batch == "dynamic" and fixed:
        raise OnnxRefused(
            f"--batch dynamic needs a first axis of any size, and the input {fixed[0]} has none.",
            "Leave --batch out, or export the file with a dynamic first axis.",
        )


def _samples(model: onnx.ModelProto, inputs: tuple[Input, ...], asked: TriedWith) -> _Samples:
    image = inputs[0] if len(inputs) == 1 and inputs[0].layout else None
    _require_fitting(inputs, image, asked)
    if asked.inputs is not None:
        given = read_inputs(asked.inputs, inputs)
        rest = given[PARITY_IMAGES:]
        return _Samples(given[:PARITY_IMAGES], (lambda: rest) if rest else None, (), None)
    if image is not None and image.image_shape is not None:
        return _pictures(image, asked)
    drawn = random_inputs(model, inputs, PARITY_IMAGES)
    note = f"It is tried on seeded random numbers for {', '.join(one.name for one in inputs)}; --inputs gives others."
    return _Samples(drawn, partial(random_inputs, model, inputs, 4 * PARITY_IMAGES, 1), (note,))


def _require_fitting(inputs: tuple[Input, ...], image: Input | None, asked: TriedWith) -> None:
    """Raise `UsageError` for options about images where there is none."""
    given = {"--images": asked.images, "--mean": asked.mean, "--std": asked.std}
    named = [option for option, value in given.items() if value is not None]
    if image is None and named:
        verb = "is" if len(named) == 1 else "are"
        raise UsageError(
            f"{' and '.join(named)} {verb} for a file whose only input is an image, and this one takes "
            f"{', '.join(map(str, inputs))}.",
            "Give its inputs as arrays: --inputs FILE.npz.",
        )
    if image is not None and image.dtype == "uint8" and (asked.mean or asked.std):
        raise UsageError(
            "--mean and --std are for an input of floats, and this file takes whole pixels.", "Leave them out."
        )


def _pictures(image: Input, asked: TriedWith) -> _Samples:
    shape, layout = image.image_shape, image.layout
    assert shape is not None and layout is not None, "the caller has looked"
    mean, std, notes = _statistics(image, shape[0], asked)
    how = Preprocessing(mean, std, layout)

    def samples(pixels: Pixels) -> tuple[Tensors, ...]:
        return tuple({image.name: prepared(one[None], how, image.dtype)} for one in pixels)

    def show(count: int) -> Pixels:
        if asked.images is None:
            return bench_images(None, shape, count).images
        return read_pictures(asked.images, shape, count)

    first = show(PARITY_IMAGES)
    source = "scikit-learn's photographs" if asked.images is None else f"{len(first)} pictures of {asked.images}"
    notes = (*notes, f"It is tried on {source}.")
    # Pixels cannot be read back from half precision, so such inputs travel ready-made.
    sent = None if image.dtype == "float16" else how
    return _Samples(samples(first), lambda: samples(show(4 * PARITY_IMAGES)), notes, sent)


def _statistics(image: Input, channels: int, asked: TriedWith) -> tuple[PerChannel, PerChannel, tuple[str, ...]]:
    if image.dtype == "uint8":
        mean, std = (values * channels for values in _WHOLE_PIXELS)
        return mean, std, ()
    usual = preprocessing(None, channels)
    said = {name: statistics_of(name, getattr(asked, name), None, channels) for name in ("mean", "std")}
    mean, std = (fact.value if fact else getattr(usual, name) for name, fact in said.items())
    unsaid = [f"{name} {', '.join(f'{value:g}' for value in getattr(usual, name))}" for name in said if not said[name]]
    note = (
        f"ImageNet's {' and '.join(unsaid)} {'is' if len(unsaid) == 1 else 'are'} assumed; --mean and --std say others."
    )
    return mean, std, (note,) if unsaid else ()


def prepared(pixels: Pixels, how: Preprocessing, dtype: str) -> Array:
    """uint8 (N, C, H, W) → what the network takes, as a device computes it: in float32, in its layout and type."""
    array: Array = typed(as_input(torch.from_numpy(pixels), how.mean, how.std), how.layout, dtype).numpy()
    return array


def _remarks(right: Right) -> list[str]:
    said = []
    if right.reference.quantized:
        said.append(
            "It is quantized: no pass rewrites it, whatever --optimize says, and its answers may be off by steps."
        )
    elif right.not_double is not None:
        said.append(
            f"It could not be computed in double precision ({right.not_double}): it is held against the file as it is, "
            "in ONNX Runtime without its optimisations."
        )
    return said


def _wider(file: Path, chosen: _Samples, right: Right) -> Callable[[], Reference] | None:
    if chosen.more is None:
        return None
    more = chosen.more
    return cache(lambda: widened(right, read_onnx(file), more()))


def _write(
    folder: Path,
    file: Path,
    inputs: tuple[Input, ...],
    chosen: _Samples,
    right: Right,
    made: Exported,
    options: ExportOptions,
    format: Format,
) -> None:
    golden, asked, answers = golden_pair(right.reference, made.parity)
    arrays: dict[Role, Tensors] = {"golden_input": asked, "golden_output": answers}
    if not chosen.how:
        arrays["samples"] = {one.name: np.stack([each[one.name] for each in chosen.samples]) for one in inputs}
    manifest = ArtifactManifest(
        format=format,
        label=file.stem,
        model={},
        trained=None,
        data=None,
        accuracy=None,
        source=Source("onnx", digest_of(file), file.name),
        files=(*made.files, *_write_arrays(folder, arrays)),
        inputs=tuple(_info(one.name, asked[one.name]) for one in inputs),
        outputs=tuple(_info(name, array) for name, array in answers.items()),
        preprocessing=chosen.how,
        producer=producer(format),
        parity=made.parity,
        passes=made.passes,
        golden=golden,
        opset=made.opset,
        ir_version=made.ir_version,
        optimize=options.optimize,
        target=options.target,
        batch=options.batch,
        quantized=right.reference.quantized,
        samples=0 if chosen.how else len(chosen.samples),
        native=made.native,
    )
    write_manifest(folder, manifest)


def _write_arrays(folder: Path, arrays: Mapping[Role, Tensors]) -> tuple[ArtifactFile, ...]:
    files: dict[Role, Path] = {}
    for role, named in arrays.items():
        files[role] = folder / f"{role}.npz"
        write_arrays(files[role], named)
    return tuple(ArtifactFile.in_role(role, path) for role, path in files.items())


def _info(name: str, array: Array) -> TensorInfo:
    return TensorInfo(name, array.shape, str(array.dtype))  # type: ignore[arg-type]  # one that `refusals` lets in
