"""The model files of an artifact: one, and beside it those for other processors or runtimes, with what each is for."""

from dataclasses import dataclass
from pathlib import Path

import onnx

from device_agent.manifest import ArtifactFile, NativeModel, NativeOperators, Role
from exporters.native.nodes import native_operators
from exporters.native.operators import DOMAIN, VERSION
from exporters.targets.base import Target

MODEL_FILE = "model.onnx"


@dataclass(frozen=True)
class Variant:
    """One of the model files of an artifact with native operators, and what the manifest says of it."""

    model: onnx.ModelProto
    about: NativeModel


@dataclass(frozen=True)
class WrittenModels:
    """The model files that were written, the one in the role "model" first; `native` is for the manifest."""

    files: tuple[ArtifactFile, ...]
    native: NativeOperators | None


def variants(model: onnx.ModelProto, target: Target) -> tuple[Variant, ...]:
    """The forms of a graph with native operators for a target, in order of preference."""
    return (Variant(model, NativeModel(MODEL_FILE, 0, target.oldest_runtime)),)


def write_models(folder: Path, model: onnx.ModelProto, target: Target) -> WrittenModels:
    """Write a graph to a folder: as it is, or with operators of ours in every form for the target."""
    operators = native_operators(model)
    if not operators:
        return WrittenModels((_written(folder / MODEL_FILE, model, "model"),), None)
    made = variants(model, target)
    files = [
        _written(folder / one.about.file, one.model, "other_model" if place else "model")
        for place, one in enumerate(made)
    ]
    models = tuple(one.about for one in made)
    return WrittenModels(tuple(files), NativeOperators(DOMAIN, VERSION, operators, models))


def _written(path: Path, model: onnx.ModelProto, role: Role) -> ArtifactFile:
    path.write_bytes(model.SerializeToString(deterministic=True))
    return ArtifactFile.in_role(role, path)
