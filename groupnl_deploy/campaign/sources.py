"""The networks of a campaign: every model of the file under every training."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from torch import nn

from groupnl_deploy.campaign.axes import Point
from groupnl_deploy.campaign.cell import Source, Training
from groupnl_deploy.campaign.config import Campaign, ModelConfig, NamedModel, TrainConfig
from groupnl_deploy.campaign.words import at
from groupnl_deploy.images.datasets import load_dataset
from groupnl_deploy.models.departure import Departure, departure
from groupnl_deploy.models.registry import create_model, model_spec
from groupnl_deploy.models.spec import ModelSpec, require_semantics
from groupnl_deploy.training.checkpoint import checkpoint_id, load_model
from groupnl_deploy.training.recipe import Recipe


def sources_of(campaign: Campaign) -> tuple[Source, ...]:
    """Every network, with mistakes named by their place in the file. Nothing is built yet."""
    for point in campaign.trainings:
        with at("train", "input"):
            source = point.value.source
        with at("train", "dataset"):
            load_dataset(source)
        with at("train"):
            _recipe(point.value)
    return tuple(source for model in campaign.models for source in _of_model(campaign, model))


def count_weights(sources: Iterable[Source]) -> dict[str, int]:
    """How many numbers each source's weights are, by label. What cannot be built shows here."""
    counts: dict[str, int] = {}
    sizes: dict[ModelSpec, int] = {}  # seeds change no size
    for source in sources:
        with at("models", source.table, "checkpoint" if source.checkpoint else "model"):
            if source.spec is None:
                counts[source.label] = _size(load_model(_folder(source))[1])
                continue
            spec = replace(source.spec, seed=0)
            if spec not in sizes:
                sizes[spec] = _size(create_model(spec))
        counts[source.label] = sizes[spec]
    return counts


def departures_of(campaign: Campaign, labels: Collection[str]) -> dict[str, Departure]:
    """What models are that their names alone do not stand for, by label, where a source of these labels is theirs."""
    found = {}
    for model in campaign.models:
        if model.config.model is not None and not set(labels).isdisjoint(_labels(campaign, model)):
            one = departure(model.config.model, _spec(model.config, next(iter(campaign.trainings), None)))
            if one is not None:
                found[model.label] = one
    return found


def _size(network: nn.Module) -> int:
    return sum(tensor.numel() for tensor in network.state_dict().values())


def _labels(campaign: Campaign, model: NamedModel) -> list[str]:
    return [f"{model.label}{point.suffix}" for point in campaign.trainings] or [model.label]


def _of_model(campaign: Campaign, model: NamedModel) -> Iterator[Source]:
    config = model.config
    if config.checkpoint is not None:
        with at("models", model.table, "checkpoint"):
            checkpoint_id(Path(config.checkpoint))
        yield Source(model.label, checkpoint=Path(config.checkpoint), table=model.table)
        return
    with at("models", model.table, "model"):
        if not campaign.trainings:
            yield Source(model.label, _spec(config, None), table=model.table)
        for point, label in zip(campaign.trainings, _labels(campaign, model), strict=False):
            training = Training(_recipe(point.value), point.value.source)
            yield Source(label, _spec(config, point), training, table=model.table)


def _recipe(training: TrainConfig) -> Recipe:
    return Recipe.with_defaults(training.epochs, training.seed, training.threads)


def _spec(config: ModelConfig, point: Point[TrainConfig] | None) -> ModelSpec:
    """The specification of a net; its classes and input are those of the data set it is trained on, if there is one."""
    of_data = {}
    if point is not None:
        data = load_dataset(point.value.source)
        of_data = {"num_classes": data.num_classes, "input_shape": data.input_shape, "seed": point.value.seed}
    spec = model_spec(
        config.model or "",
        config.conv,
        config.semantics,
        otherwise="groupnl",
        knobs=config.knobs,
        width=config.width,
        padding=config.padding,
        bn_eps=config.bn_eps,
        **of_data,
    )
    require_semantics(config.semantics, spec.conv.method)
    return spec


def _folder(source: Source) -> Path:
    assert source.checkpoint is not None
    return source.checkpoint
