"""What a run was of, trait by trait: rows of a table that differ in any of them must not look the same. Pure.

A new field of `ConvSpec` or `ModelSpec` is a trait from the day it is there; what else can differ is a field of
`Identity` and a line of `TRAITS` in `traits.py`.
"""

from dataclasses import dataclass, fields
from typing import Any

from device_agent.backend_table import BACKENDS
from device_agent.manifest import ArtifactManifest
from device_agent.messages.board import BoardFacts
from device_agent.settings import Settings
from device_agent.strict import StrictError, from_dict
from groupnl_deploy.bench.run import BenchRun
from groupnl_deploy.models.knobs import KNOBS
from groupnl_deploy.models.methods import METHODS
from groupnl_deploy.models.spec import ConvSpec, ModelSpec
from power.trace import PowerTrace

WAVES = frozenset({"phi_sign", "phi_range", "omega_range"})  # knobs of the sinusoidal function alone
_OWN_FIELDS = {"name", "conv", "width", "num_classes", "input_shape", "seed", "schema_version"}
KNOB_NAMES = (*KNOBS, *(field.name for field in fields(ModelSpec) if field.name not in _OWN_FIELDS))
"""Every knob of a convolution and of a network, in their order."""
RUNTIME_SETTINGS = tuple(field.name for field in fields(Settings) if field.name not in ("threads", "workload"))
"""What only some backends read."""


@dataclass(frozen=True, kw_only=True)
class Identity:
    """All that two runs can differ in before anything was measured. Null: it does not apply, or nobody knows.

    `knobs` are those that the convolution reads. `level`, `target` and `opset` are for ONNX; `form` is for the format
    torch. `source_sha256` tells two trainings of one network apart; `source` is "checkpoint" or "onnx", a file of
    somebody else's, of which nobody knows whether it is `trained`. `input_shape` is an image's, (C, H, W), else the
    first input's; `inputs` are all of a model that takes no image. `images` counts samples for such a model.
    `model_file`, `instructions` and `library_sha256` are what ran of an artifact with native operators.
    """

    model: str
    network: str
    trained: bool | None
    width: float | None
    convolution: str | None
    semantics: str | None
    knobs: dict[str, Any]
    seed: int | None
    input_shape: tuple[int, ...]
    inputs: str | None
    classes: int | None
    quantized: bool
    format: str
    level: str | None
    target: str | None
    opset: int | None
    batch: str
    form: str
    backend: str
    threads: int
    spinning: bool | None
    arena: bool | None
    graph_level: str | None
    device: str
    board: str
    system: str
    governor: str | None
    versions: str
    model_file: str | None
    instructions: str | None
    library_sha256: str | None
    meter: str | None
    image_source: str
    images: int
    idle_s: float
    warmup_s: float
    cool_to_c: float | None
    min_iterations: int
    min_seconds: float
    source: str
    source_sha256: str
    artifact_sha256: str
    agent_sha256: str
    groupnl: str | None
    run: str
    created_at: str


def identify(run: BenchRun, trace: PowerTrace | None, name: str) -> Identity:
    """The identity of a run that lies in a folder of this name."""
    manifest, board = run.manifest, run.result.board_before
    settings, workload = run.result.settings, run.result.settings.workload
    onnx = manifest.format == "onnx"
    return Identity(
        **_network(manifest),
        trained=manifest.trained,
        input_shape=manifest.image_shape or manifest.inputs[0].shape,
        inputs=None if manifest.image_shape else ", ".join(map(str, manifest.inputs)),
        classes=manifest.classes,
        quantized=manifest.quantized,
        format=manifest.format,
        level=manifest.optimize,
        target=manifest.target if onnx else None,
        opset=manifest.opset,
        batch=manifest.batch,
        form=manifest.form,
        backend=run.result.backend,
        threads=settings.threads,
        spinning=_if_read(run, "spinning"),
        arena=_if_read(run, "arena"),
        graph_level=_if_read(run, "graph_level"),
        device=run.device,
        board=board_name(board),
        system=f"{board.system}, kernel {board.kernel}, Python {board.python}, {board.machine}",
        governor=board.governor,
        versions=", ".join(f"{library} {version}" for library, version in sorted(run.result.versions.items())),
        **_native(run),
        meter=None if trace is None else f"{trace.facts.meter}, {trace.facts.transport}",
        image_source=run.images.source,
        images=run.request.images_sent or manifest.samples,
        idle_s=workload.idle_s,
        warmup_s=workload.warmup_s,
        cool_to_c=workload.cool_to_c,
        min_iterations=workload.min_iterations,
        min_seconds=workload.min_seconds,
        source=manifest.source.kind,
        source_sha256=manifest.source.sha256,
        artifact_sha256=run.artifact_sha256,
        agent_sha256=run.result.agent_sha256,
        groupnl=run.host.get("groupnl"),
        run=name,
        created_at=run.created_at,
    )


def board_name(board: BoardFacts) -> str:
    """What a board is called: its model where it tells it. An emulator never passes for a board."""
    return f"{board.model or f'{board.machine}, {board.cores} cores'}{' [emulated]' if board.emulated else ''}"


def _if_read(run: BenchRun, setting: str) -> Any:
    """The setting's value; None where the backend does not read it, or is one that only another version knows."""
    entry = BACKENDS.get(run.result.backend)
    return getattr(run.result.settings, setting) if entry and setting in entry.settings else None


def _native(run: BenchRun) -> dict[str, Any]:
    """What ran of an artifact with native operators; nothing of any other."""
    ran = run.result.native
    return {
        "model_file": ran and ran.file,
        "instructions": ran and ran.instructions,
        "library_sha256": ran and ran.library_sha256,
    }


def _network(manifest: ArtifactManifest) -> dict[str, Any]:
    """What the manifest's specification says, also one of another version."""
    said = manifest.model
    conv = said.get("conv") or {}
    method = conv.get("method")
    knobs = {name: value for name, value in conv.items() if name != "method" and _reads(conv, name)}
    return {
        "model": manifest.label,
        "network": said.get("name", manifest.label),
        "width": said.get("width"),
        "convolution": method,
        "semantics": _semantics(conv),
        "knobs": knobs | {name: value for name, value in said.items() if name not in _OWN_FIELDS},
        "seed": said.get("seed"),
    }


def _reads(conv: dict[str, Any], knob: str) -> bool:
    """Whether the convolution's function depends on the knob."""
    method = METHODS.get(str(conv.get("method")))
    return (method is None or knob in method.knobs) and (knob not in WAVES or conv.get("nlf") == "sinusoidal")


def _semantics(conv: dict[str, Any]) -> str | None:
    try:
        spec = from_dict(ConvSpec, conv, "conv")
    except StrictError:  # of another version
        return None
    return spec.semantics if spec.has_semantics else None
