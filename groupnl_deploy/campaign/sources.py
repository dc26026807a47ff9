"""The networks of a campaign: every model of the file under every training."""

from collections.abc import Iterator
from pathlib import Path

from groupnl_deploy.campaign.axes import Point
from groupnl_deploy.campaign.cell import Source, Training
from groupnl_deploy.campaign.config import Campaign, ModelConfig, NamedModel, TrainConfig
from groupnl_deploy.campaign.words import at
from groupnl_deploy.images.datasets import load_dataset
from groupnl_deploy.models.departure import Departure, departure
from groupnl_deploy.models.registry import create_model, model_spec
from groupnl_deploy.models.spec import ModelSpec, require_semantics
from groupnl_deploy.training.checkpoint import load_model
from groupnl_deploy.training.recipe import Recipe


def sources_of(campaign: Campaign) -> tuple[Source, ...]:
    """Every network, with mistakes named by their place in the file. Nothing is built yet."""
    for point in campaign.trainings:
        with at("train", "dataset"):
            load_dataset(point.value.dataset)
        with at("train"):
            _recipe(point.value)
    return tuple(source for model in campaign.models for source in _of_model(campaign, model))


def count_weights(sources: tuple[Source, ...]) -> dict[str, int]:
    """How many numbers each source's weights are, by label. Builds every network: what cannot be built shows here."""
    counts: dict[str, int] = {}
    for source in sources:
        with at("models", source.table, "checkpoint" if source.checkpoint else "model"):
            network = create_model(source.spec) if source.spec else load_model(_folder(source))[1]
        counts[source.label] = sum(tensor.numel() for tensor in network.state_dict().values())
    return counts


def departures_of(campaign: Campaign) -> dict[str, Departure]:
    """What every model is that its name alone does not stand for, by label."""
    found = {}
    for model in campaign.models:
        if model.config.model is not None:
            one = departure(model.config.model, _spec(model.config, next(iter(campaign.trainings), None)))
            if one is not None:
                found[model.label] = one
    return found


def _of_model(campaign: Campaign, model: NamedModel) -> Iterator[Source]:
    config = model.config
    if config.checkpoint is not None:
        yield Source(model.label, checkpoint=Path(config.checkpoint), table=model.table)
        return
    with at("models", model.table, "model"):
        if not campaign.trainings:
            yield Source(model.label, _spec(config, None), table=model.table)
        for point in campaign.trainings:
            training = Training(_recipe(point.value), point.value.dataset)
            yield Source(f"{model.label}{point.suffix}", _spec(config, point), training, table=model.table)


def _recipe(training: TrainConfig) -> Recipe:
    return Recipe.with_defaults(training.epochs, training.seed, training.threads)


def _spec(config: ModelConfig, point: Point[TrainConfig] | None) -> ModelSpec:
    """The specification of a net; its classes and input are those of the data set it is trained on, if there is one."""
    of_data = {}
    if point is not None:
        data = load_dataset(point.value.dataset)
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
