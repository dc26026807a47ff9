"""The networks of a campaign: every model of the file under every training."""

import functools
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from groupnl_deploy.campaign.axes import Point
from groupnl_deploy.campaign.cell import Source, Training
from groupnl_deploy.campaign.config import Campaign, ModelConfig, NamedModel, TrainConfig
from groupnl_deploy.campaign.words import at, at_images
from groupnl_deploy.images.datasets import at_size, load_dataset, module_of
from groupnl_deploy.images.source import DataSource
from groupnl_deploy.models.departure import Departure, departure
from groupnl_deploy.models.registry import create_model, model_spec
from groupnl_deploy.models.spec import ConvSpec, ModelSpec, require_semantics
from groupnl_deploy.own_code.load import OwnCode, load_code
from groupnl_deploy.own_code.spec import OwnNetwork, own_network, sketched
from groupnl_deploy.progress import Reporter
from groupnl_deploy.training.checkpoint import checkpoint_id, load_checkpoint, load_model
from groupnl_deploy.training.recipe import Recipe
from groupnl_deploy.training.recipe_changes import recipe_for


def sources_of(campaign: Campaign) -> tuple[Source, ...]:
    """Every network, with mistakes named by their place in the file. Nothing is built yet."""
    for point in campaign.trainings:
        with at("train", "input"):
            source = point.value.source
        with at("train", "dataset"):
            module_of(source.name)
        with at_images("train", source.path):
            load_dataset(source)
        if all(model.config.checkpoint is not None for model in campaign.models):  # of others the network is asked, too
            _recipe(point.value, False)
    load = functools.cache(load_code)  # once, however many networks it makes
    return tuple(source for model in campaign.models for source in _of_model(campaign, model, load))


def on_images(network: ModelSpec, source: DataSource, reporter: Reporter | None = None) -> tuple[DataSource, ModelSpec]:
    """Images without a size of their own at the network's, unless another was asked for, and the network for them."""
    source = at_size(source, network.input_shape)
    data = load_dataset(source, reporter=reporter)
    return source, replace(network, num_classes=data.num_classes, input_shape=data.input_shape)


def own_on_images(
    code: OwnCode, conv: ConvSpec, source: DataSource, reporter: Reporter | None = None, **changes: Any
) -> tuple[DataSource, OwnNetwork]:
    """`on_images` for a network of the user's own, which must have the classes of these images."""
    source, sized = on_images(sketched(code, conv), source, reporter)
    return source, own_network(code, conv, sized.num_classes, sized.input_shape, **changes)


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
            point = next(iter(campaign.trainings), None)
            spec = _spec(model.config, point)
            one = departure(model.config.model, spec if point is None else on_images(spec, point.value.source)[1])
            if one is not None:
                found[model.label] = one
    return found


def _size(network: nn.Module) -> int:
    return sum(tensor.numel() for tensor in network.state_dict().values())


def _labels(campaign: Campaign, model: NamedModel) -> list[str]:
    return [f"{model.label}{point.suffix}" for point in campaign.trainings] or [model.label]


def _of_model(campaign: Campaign, model: NamedModel, load: Callable[[str], OwnCode]) -> Iterator[Source]:
    config = model.config
    code = None
    if config.module is not None:
        with at("models", model.table, "module"):
            code = load(config.module)
    if code is not None and config.checkpoint is None and config.init is None:
        yield from _of_code(campaign, model, code)
        return
    if config.checkpoint is not None:
        with at("models", model.table, "checkpoint"):
            checkpoint_id(Path(config.checkpoint))
        yield Source(model.label, checkpoint=Path(config.checkpoint), module=config.module, table=model.table)
        return
    with at("models", model.table, "model" if config.init is None else "init"):
        if not campaign.trainings:
            yield Source(model.label, _spec(config, None), table=model.table)
        for point, label in zip(campaign.trainings, _labels(campaign, model), strict=False):
            init = None if config.init is None else Path(config.init)
            source, spec = on_images(_spec(config, point), point.value.source)
            training = Training(_recipe(point.value, init is not None, spec.name), source, init)
            yield Source(label, spec, training, module=config.module, table=model.table)


def _of_code(campaign: Campaign, model: NamedModel, code: OwnCode) -> Iterator[Source]:
    """Of a network of the user's own: its classes and input are those of the images, else its function's."""
    config = model.config
    about: dict[str, Any] = {"width": config.width, "padding": config.padding, "bn_eps": config.bn_eps}
    with at("models", model.table, "module"):
        conv = ConvSpec.preset(config.conv or "standard", config.semantics, **config.knobs)
        require_semantics(config.semantics, conv.method)
        if not campaign.trainings:
            yield Source(model.label, own_network(code, conv, **about).spec, module=config.module, table=model.table)
        for point, label in zip(campaign.trainings, _labels(campaign, model), strict=False):
            source, own = own_on_images(code, conv, point.value.source, seed=point.value.seed, **about)
            training = Training(_recipe(point.value, False), source)
            yield Source(label, own.spec, training, module=config.module, table=model.table)


def _recipe(training: TrainConfig, init: bool, network: str | None = None) -> Recipe:
    with at("train"):
        return recipe_for(training.dataset, training, training.seed, init, network)


def _spec(config: ModelConfig, point: Point[TrainConfig] | None) -> ModelSpec:
    """The specification of a net, or that of the checkpoint it begins with; the images say its classes and input."""
    if config.init is not None:
        return load_checkpoint(Path(config.init)).spec
    spec = model_spec(
        config.model or "",
        config.conv,
        config.semantics,
        otherwise="groupnl",
        knobs=config.knobs,
        width=config.width,
        padding=config.padding,
        bn_eps=config.bn_eps,
        **({} if point is None else {"seed": point.value.seed}),
    )
    require_semantics(config.semantics, spec.conv.method)
    return spec


def _folder(source: Source) -> Path:
    assert source.checkpoint is not None
    return source.checkpoint
