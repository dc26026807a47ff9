"""What single keys of a campaign file cannot tell: labels, words of other packages, and what does not go together."""

import re
from collections.abc import Sequence
from dataclasses import fields

from device_agent.backend_table import BACKENDS
from device_agent.manifest import Format
from exporters.choices import DEFAULT_OPSET
from exporters.targets import TARGETS
from groupnl_deploy.bench.metered import require_measurable
from groupnl_deploy.campaign.cell import ExportPoint
from groupnl_deploy.campaign.check_evaluation import check_evaluation
from groupnl_deploy.campaign.config import Campaign, MeterConfig, ModelConfig, NamedModel
from groupnl_deploy.campaign.words import CampaignMistake, at
from groupnl_deploy.errors import UsageError
from groupnl_deploy.models.methods import CONVOLUTIONS
from groupnl_deploy.models.registry import model_spec
from groupnl_deploy.words import EMULATOR_PORT, known_word

_WHAT = ("model", "checkpoint", "init")  # one of them says what network it is


def check_campaign(campaign: Campaign) -> None:
    """Raise `UsageError`, which names the place, for a campaign that cannot be."""
    _check_labels(campaign.models)
    for model in campaign.models:
        _check_model(model, bool(campaign.trainings))
    if campaign.trainings and all(model.config.checkpoint for model in campaign.models):
        raise CampaignMistake(
            "[train] would do nothing: every model is a checkpoint that is there.", "Leave it out.", ("train",)
        )
    for export in campaign.exports:
        with at("export", "target"):
            known_word("target", export.target, TARGETS)
        with at("export", "opset"):
            _require_opset(export)
    with at("bench", "backend"):
        for backend in campaign.backends:
            known_word("backend", backend, BACKENDS)
    with at("bench", "profile"):
        for backend in campaign.backends if campaign.profile else ():
            _require_computing(backend)
    with at("export", "format"):
        for backend in campaign.backends:
            _require_format(backend, [export.format for export in campaign.exports])
    for device, meter in campaign.meters.items():
        _check_meter(campaign, device, meter)
    check_evaluation(campaign)


def _check_labels(models: Sequence[NamedModel]) -> None:
    needed = "Every entry of [[models]] needs a label of its own, of letters, digits, dots and dashes"
    if not models:
        raise CampaignMistake(f"{needed}.", "Add an entry [[models]] with a label and a model.", ("models",))
    seen: set[str] = set()
    for model in models:
        remedy = "Give the models different labels." if model.label in seen else _label_remedy(model.label)
        if remedy is not None:
            raise CampaignMistake(f"{needed}; this is “{model.label}”.", remedy, ("models", model.table, "label"))
        seen.add(model.label)


def _label_remedy(label: str) -> str | None:
    """What to do about a label that cannot name files; None for one that can."""
    if label.endswith(".resume"):
        return "Take another ending: a training keeps its state in a folder that ends like this."
    plain = re.sub(r"[^\w.-]+", "-", label).strip("-.")
    return None if plain == label and label else f"Call it “{plain or 'net'}”, for example."


def _check_model(model: NamedModel, trained: bool) -> None:
    config = model.config
    given = [name for name in _WHAT if getattr(config, name) is not None]
    if given == [] and config.module is not None:
        given = ["module"]
    if len(given) != 1 or (config.model is not None and config.module is not None):
        raise CampaignMistake(
            "An entry of [[models]] needs a model, by its name, or as module a network of your own, or a checkpoint, "
            "by its folder, or as init the folder of a checkpoint to train on from.",
            f"Leave {' and '.join(given[1:] or ['module'])} out." if given else "Give model, such as resnet18_cifar.",
            ("models", model.table, [*given, "module"][1] if given else "model"),
        )
    if config.init is not None and not trained:
        raise CampaignMistake(
            "init is where a training begins, and the file has no [train].",
            "Add [train] with a dataset, or name the folder as checkpoint to take it as it is.",
            ("models", model.table, "init"),
        )
    if given[0] in ("checkpoint", "init"):
        _require_alone(model, given[0])
    elif config.model is not None:
        with at("models", model.table, "model"):
            model_spec(config.model)  # an unknown name, before PyTorch is imported
    if config.conv is not None:
        with at("models", model.table, "conv"):
            known_word("convolution", config.conv, CONVOLUTIONS)


def _require_alone(model: NamedModel, what: str) -> None:
    """A checkpoint says itself what network it is of."""
    own = {field.name for field in fields(ModelConfig) if getattr(model.config, field.name) != field.default}
    extra = sorted(own - {"label", what, "module"})
    if extra:
        raise CampaignMistake(
            f"{' and '.join(extra)} would do nothing beside {what}, which says what network it is.",
            f"Leave {' and '.join(extra)} out.",
            ("models", model.table, extra[0]),
        )


def _require_opset(export: ExportPoint) -> None:
    refusal = TARGETS[export.target].opset_refusal(export.opset)
    if export.format == "onnx" and refusal is not None:
        raise UsageError(refusal, f"Leave opset out: it is {DEFAULT_OPSET} then.")


def _require_format(backend: str, formats: Sequence[Format]) -> None:
    if not set(BACKENDS[backend].formats) & set(formats):
        raise UsageError(
            f"The backend {backend} needs the format {BACKENDS[backend].formats[0]}, which [export] does not make.",
            f"Add “{BACKENDS[backend].formats[0]}” to formats in [export], or give [bench] backends without {backend}.",
        )


def _require_computing(backend: str) -> None:
    if not BACKENDS[backend].computes:
        raise UsageError(f"The backend {backend} computes nothing that could be profiled.", "Leave profile out.")


def _check_meter(campaign: Campaign, device: str, meter: MeterConfig) -> None:
    place = ("bench", "meters", device)
    if device not in campaign.devices:
        raise CampaignMistake(
            f"The meter of {device} measures nothing: {device} is none of {', '.join(campaign.devices)}.",
            "Name a device of [push].",
            place,
        )
    same = [name for name, other in campaign.meters.items() if other.port == meter.port != EMULATOR_PORT]
    if len(same) > 1:
        raise CampaignMistake(
            f"The meters of {' and '.join(same)} have one port.",
            "Give each its own: a meter is wired to one board.",
            (*place, "port"),
        )
    with at(*place, "meter"):
        meter.plan().require_live()  # an unknown meter or sign is refused before the training
        require_measurable(campaign.settings[0].workload)
