"""`groupnl run`: a campaign's stages in order, each step skipped when what it would make is there already.

A step is up to date when the digest of everything it reads is the one it was made from, and what it made is
whole. So an interrupted campaign goes on where it stopped, and a changed line of the campaign file redoes
what depends on it and nothing else. A product that is replaced moves to `replaced/`; nothing is deleted.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import groupnl_deploy
from device_agent.manifest import Format
from device_agent.strict import StrictError, from_json, to_dict, to_json
from device_agent.wire import BACKENDS, Deployment
from exporters.artifact import open_artifact
from exporters.errors import ExportError
from groupnl_deploy.bench.bench_device import bench_device
from groupnl_deploy.bench.run import load_run
from groupnl_deploy.campaign.config import Campaign, ModelConfig
from groupnl_deploy.campaign.readiness import Needs, require_ready
from groupnl_deploy.campaign.words import at
from groupnl_deploy.deploy.inventory import get_device
from groupnl_deploy.deploy.push import deploy_artifact
from groupnl_deploy.errors import GroupNLError, UsageError, VerificationFailed
from groupnl_deploy.export import ExportOptions, export_checkpoint
from groupnl_deploy.images.datasets import load_dataset
from groupnl_deploy.models.departure import Departure, departure
from groupnl_deploy.models.registry import create_model, model_spec
from groupnl_deploy.models.spec import ModelSpec, require_semantics
from groupnl_deploy.progress import Reporter
from groupnl_deploy.remote.bundle import build_bundle
from groupnl_deploy.report.build import Report, build_report
from groupnl_deploy.report.tables import SUFFIXES, render
from groupnl_deploy.training.checkpoint import checkpoint_id, load_checkpoint
from groupnl_deploy.training.recipe import Recipe
from groupnl_deploy.training.train import train_checkpoint
from groupnl_deploy.workspace import RUN_FILE, atomic_directory, file_sha256, sha256_hex, write_atomically
from power.errors import PowerError

Stage = Literal["train", "export", "push", "bench", "report"]
STAGES: tuple[Stage, ...] = ("train", "export", "push", "bench", "report")


@dataclass(frozen=True)
class Step:
    """One unit of a stage. `make` creates `product`, which does not exist then.

    `reads` gives settings and digests as plain data. `identity` gives the product's digest and raises when it
    is damaged. `model` is the label of the net it belongs to, None for all of them.
    """

    stage: Stage
    name: str
    product: Path
    reads: Callable[[], dict[str, Any]]
    identity: Callable[[], str]
    make: Callable[[], object]
    model: str | None = None


@dataclass(frozen=True)
class Stamp:
    """What a finished product was made from, and what it was."""

    key: str
    identity: str
    schema_version: int = 1


@dataclass(frozen=True)
class StepDone:
    """A step of a finished campaign: where its product is, and whether it was there already."""

    stage: Stage
    name: str
    product: str
    up_to_date: bool


@dataclass(frozen=True)
class CampaignResult:
    """All steps in order; the report of all runs where they were made; the networks that their names do not mean."""

    out: str
    steps: tuple[StepDone, ...]
    report: Report | None
    departures: tuple[Departure, ...] = ()
    schema_version: int = 1


def run_campaign(
    campaign: Campaign, reporter: Reporter, redo_from: Stage | None = None, last: Stage = "report"
) -> CampaignResult:
    """Run the stages up to `last`, redoing all from `redo_from` on.

    Raises the error of the step that failed; everything made before it stays, and so does what the step was to
    replace.
    """
    if redo_from is not None and STAGES.index(redo_from) > STAGES.index(last):
        raise UsageError(f"--from {redo_from} comes after --to {last}.", f"The order is {' → '.join(STAGES)}.")
    networks = _check_ahead(campaign)
    _require_ready(campaign, networks, pending(campaign, reporter, redo_from, last), last, reporter)
    departures = _tell_departures(campaign, reporter)
    chosen = _chosen(campaign, reporter, redo_from, last)
    done = [_run_step(step, Path(campaign.out), forced, reporter) for step, forced in chosen]
    report = build_report(_run_folders(campaign)) if last in ("bench", "report") else None
    return CampaignResult(campaign.out, tuple(done), report, departures)


def steps(campaign: Campaign, reporter: Reporter) -> Iterator[Step]:
    """Every step of a campaign, in order. Nothing is read before the step's turn comes."""
    for model in campaign.models:
        yield _train_step(campaign, model, reporter)
    for model in campaign.models:
        for format in campaign.export.formats:
            yield _export_step(campaign, model, format, reporter)
    for model in campaign.models:
        for format in campaign.export.formats:
            yield _push_step(campaign, model, format, reporter)
    for model in campaign.models:
        for backend in campaign.bench.backends:
            yield _bench_step(campaign, model, backend, reporter)
    yield _report_step(campaign)


def _chosen(
    campaign: Campaign, reporter: Reporter, redo_from: Stage | None, last: Stage
) -> Iterator[tuple[Step, bool]]:
    """The steps up to `last`, each with whether it is done again though it be up to date."""
    for step in steps(campaign, reporter):
        position = STAGES.index(step.stage)
        if position <= STAGES.index(last):
            yield step, redo_from is not None and position >= STAGES.index(redo_from)


def campaign_spec(campaign: Campaign, model: ModelConfig) -> ModelSpec:
    """The specification of one net of a campaign; its classes and input are the data set's."""
    data = load_dataset(campaign.train.dataset)
    spec = model_spec(
        model.model,
        model.conv,  # type: ignore[arg-type]  # `load_campaign` has checked it
        model.semantics,
        otherwise="groupnl",
        knobs=model.knobs,
        width=model.width,
        num_classes=data.num_classes,
        input_shape=data.input_shape,
        seed=campaign.train.seed,
        padding=model.padding,
        bn_eps=model.bn_eps,
    )
    require_semantics(model.semantics, spec.conv.method)
    return spec


def pending(campaign: Campaign, reporter: Reporter, redo_from: Stage | None, last: Stage) -> list[Step]:
    """The steps up to `last` that will be done, as far as it can be foreseen: after one, all later ones of its net."""
    found: list[Step] = []
    for step, forced in _chosen(campaign, reporter, redo_from, last):
        if forced or any(before.model == step.model for before in found) or not _is_up_to_date(step, campaign):
            found.append(step)
    return found


def _is_up_to_date(step: Step, campaign: Campaign) -> bool:
    try:
        key = sha256_hex(to_json(step.reads()).encode())
    except (OSError, GroupNLError, ExportError, PowerError):  # what it reads is not there yet, or damaged
        return False
    return _is_done(step, _stamp_path(step, Path(campaign.out)), key)


def _require_ready(
    campaign: Campaign, networks: dict[str, int], todo: list[Step], last: Stage, reporter: Reporter
) -> None:
    """Ask for all that the steps to do will need, and for nothing that they will not."""
    made = [step for step in todo if step.stage != "report"]
    if not made:
        return
    reaches_device = STAGES.index(last) >= STAGES.index("push")
    benches = STAGES.index(last) >= STAGES.index("bench")
    labels = {step.model for step in made if step.stage != "bench"}
    meter = campaign.bench.meter
    require_ready(
        Needs(
            out=Path(campaign.out),
            parameters=tuple(count for label, count in networks.items() if label in labels),
            formats=len(campaign.export.formats),
            device=get_device(campaign.push.device) if reaches_device else None,
            backends=campaign.bench.backends if benches else (),
            threads=campaign.bench.settings.threads if benches else 0,
            plan=meter.plan() if benches and meter is not None else None,
        ),
        reporter,
    )


def _check_ahead(campaign: Campaign) -> dict[str, int]:
    """Build every net and look up the device now: a wrong word must not show after minutes of work.

    Returns how many numbers each net's weights are, by label.
    """
    sizes = {}
    with at("push", "device"):
        get_device(campaign.push.device)
    with at("train", "dataset"):
        load_dataset(campaign.train.dataset)
    with at("train"):
        Recipe.with_defaults(campaign.train.epochs, campaign.train.seed)
    for index, model in enumerate(campaign.models):
        with at("models", index, "model"):
            network = create_model(campaign_spec(campaign, model))
        sizes[model.label] = sum(tensor.numel() for tensor in network.state_dict().values())
    return sizes


def _tell_departures(campaign: Campaign, reporter: Reporter) -> tuple[Departure, ...]:
    """Say what every net is that its name alone does not stand for, with both sizes."""
    told = {m.label: found for m in campaign.models if (found := departure(m.model, campaign_spec(campaign, m)))}
    for label, one in told.items():
        reporter.note(f"{label}: {' '.join(one.sentences)}")
    return tuple(told.values())


def _run_step(step: Step, out: Path, forced: bool, reporter: Reporter) -> StepDone:
    stamp_path = _stamp_path(step, out)
    key = sha256_hex(to_json(step.reads()).encode())
    if not forced and _is_done(step, stamp_path, key):
        reporter.note(f"{step.stage} {step.name}: up to date")
        return StepDone(step.stage, step.name, str(step.product), up_to_date=True)
    with _set_aside(step, out):
        step.make()
    write_atomically(stamp_path, to_json(Stamp(key, step.identity())).encode())
    reporter.note(f"{step.stage} {step.name}: {step.product}")
    return StepDone(step.stage, step.name, str(step.product), up_to_date=False)


def _stamp_path(step: Step, out: Path) -> Path:
    return out / "stamps" / f"{step.stage}-{step.name}.json"


def _is_done(step: Step, stamp_path: Path, key: str) -> bool:
    """Whether the product is whole and was made from just this. A damaged product is simply not done."""
    try:
        stamp = from_json(Stamp, stamp_path.read_bytes())
        return stamp.key == key and stamp.identity == step.identity()
    except (OSError, StrictError, GroupNLError, ExportError, PowerError):
        return False


@contextlib.contextmanager
def _set_aside(step: Step, out: Path) -> Iterator[None]:
    """Move what stands in the product's place to `replaced/`; back again when the new product fails."""
    if not step.product.exists():
        yield
        return
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
    aside = out / "replaced" / f"{stamp}-{step.stage}-{step.product.name}"
    aside.parent.mkdir(parents=True, exist_ok=True)
    step.product.rename(aside)
    try:
        yield
    except BaseException:
        aside.rename(step.product)
        raise


def _train_step(campaign: Campaign, model: ModelConfig, reporter: Reporter) -> Step:
    product = _checkpoint(campaign, model)
    recipe = Recipe.with_defaults(campaign.train.epochs, campaign.train.seed)

    def reads() -> dict[str, Any]:
        spec = to_dict(campaign_spec(campaign, model))
        return {"spec": spec, "recipe": to_dict(recipe), "dataset": campaign.train.dataset}

    def make() -> None:
        spec = campaign_spec(campaign, model)
        train_checkpoint(spec, recipe, campaign.train.dataset, product, reporter)

    return Step("train", model.label, product, reads, lambda: _checkpoint_identity(product), make, model.label)


def _export_step(campaign: Campaign, model: ModelConfig, format: Format, reporter: Reporter) -> Step:
    source, product = _checkpoint(campaign, model), _artifact(campaign, model, format)
    options = ExportOptions(campaign.export.optimize, campaign.export.target)

    def reads() -> dict[str, Any]:
        said = {"checkpoint": checkpoint_id(source), "format": format, "groupnl": groupnl_deploy.__version__}
        return said | {"options": to_dict(options)}

    def make() -> None:
        export_checkpoint(source, product, format, options, reporter)

    return Step("export", product.name, product, reads, lambda: open_artifact(product).sha256, make, model.label)


def _push_step(campaign: Campaign, model: ModelConfig, format: Format, reporter: Reporter) -> Step:
    source, product = _artifact(campaign, model, format), _deployment(campaign, model, format)

    def reads() -> dict[str, Any]:
        device = to_dict(get_device(campaign.push.device))
        return {"artifact": open_artifact(source).sha256, "device": device, "agent": build_bundle().sha256}

    def make() -> None:
        deployment = deploy_artifact(source, campaign.push.device, reporter)
        write_atomically(product, to_json(deployment).encode())

    return Step("push", product.stem, product, reads, lambda: file_sha256(product), make, model.label)


def _bench_step(campaign: Campaign, model: ModelConfig, backend: str, reporter: Reporter) -> Step:
    format = next(format for format in BACKENDS[backend].formats if format in campaign.export.formats)
    product, meter = _run_folder(campaign, model, backend), campaign.bench.meter

    def pushed() -> Deployment:
        path = _deployment(campaign, model, format)
        try:
            return from_json(Deployment, path.read_bytes(), str(path))
        except (OSError, StrictError) as error:
            raise VerificationFailed(f"{path} cannot be read: {error}.", "Run again with --from push.") from error

    def reads() -> dict[str, Any]:
        deployment = pushed()
        return {
            "artifact": deployment.artifact_sha256,
            "agent": deployment.agent_sha256,
            "device": to_dict(get_device(deployment.device)),
            "backend": backend,
            "settings": to_dict(campaign.bench.settings),
            "meter": to_dict(meter),
        }

    def make() -> None:
        deployment, plan = pushed(), None if meter is None else meter.plan()
        bench_device(
            deployment.device,
            backend,
            artifact=deployment.artifact_sha256,
            settings=campaign.bench.settings,
            plan=plan,
            out=product,
            reporter=reporter,
        )
        if reasons := build_report([product]).rows[0].problems:  # now, not when hours of others are done
            others = f" {len(reasons) - 1} more reasons stand in the report." if len(reasons) > 1 else ""
            reporter.note(f"{product.name} is INVALID: {reasons[0]}.{others}")

    return Step("bench", product.name, product, reads, lambda: _run_identity(product), make, model.label)


def _report_step(campaign: Campaign) -> Step:
    product = Path(campaign.out) / "report"
    files = [f"report.{SUFFIXES[format]}" for format in campaign.report.formats]

    def reads() -> dict[str, Any]:
        runs = [_run_identity(folder) for folder in _run_folders(campaign)]
        return {"runs": runs, "files": files, "groupnl": groupnl_deploy.__version__}

    def make() -> None:
        report = build_report(_run_folders(campaign))
        with atomic_directory(product) as folder:
            for format, name in zip(campaign.report.formats, files, strict=True):
                (folder / name).write_text(render(report, format), encoding="utf-8")

    def identity() -> str:
        return sha256_hex("".join(file_sha256(product / name) for name in files).encode())

    return Step("report", "all", product, reads, identity, make)


def _checkpoint(campaign: Campaign, model: ModelConfig) -> Path:
    return Path(campaign.out) / "checkpoints" / model.label


def _artifact(campaign: Campaign, model: ModelConfig, format: Format) -> Path:
    return Path(campaign.out) / "artifacts" / f"{model.label}-{format}"


def _deployment(campaign: Campaign, model: ModelConfig, format: Format) -> Path:
    return Path(campaign.out) / "deployments" / f"{model.label}-{format}.json"


def _run_folder(campaign: Campaign, model: ModelConfig, backend: str) -> Path:
    return Path(campaign.out) / "runs" / f"{model.label}-{backend}"


def _run_folders(campaign: Campaign) -> list[Path]:
    return [_run_folder(campaign, model, backend) for backend in campaign.bench.backends for model in campaign.models]


def _checkpoint_identity(folder: Path) -> str:
    load_checkpoint(folder)  # verifies the weights
    return checkpoint_id(folder)


def _run_identity(folder: Path) -> str:
    load_run(folder)  # verifies the recording
    return file_sha256(folder / RUN_FILE)
