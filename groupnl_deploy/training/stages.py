"""A network's stages from its stem to its head, found by its modules: what is frozen, and how fast each part learns."""

from collections.abc import Iterator

from torch import nn

from groupnl_deploy.errors import UsageError
from groupnl_deploy.words import nearest_word

_MOST_LAYERS = 0.75  # of a network's layers: a part that holds more is no stage but a row of them


def stages_of(network: nn.Module) -> tuple[str, ...]:
    """The dotted names of its stages, in the order in which their modules were registered; the head is the last.

    A stage is a child of the network with parameters; one that holds nearly all layers, such as `blocks`, is taken for
    its own children. A BatchNorm belongs to the stage before it.
    """
    found: list[str] = []
    for name, module in _split(network, "", _layers(network)):
        if not found or any(parameter.dim() > 1 for parameter in module.parameters()):
            found.append(name)
    return tuple(found)


def head_of(network: nn.Module, num_classes: int) -> str:
    """The dotted name of what gives the classes: the last linear layer, or a last convolution where there is none.

    Raises `UsageError` where no such layer has an output for each class.
    """
    linear: list[str] = []
    convs: list[str] = []
    for name, module in network.named_modules():
        if isinstance(module, nn.Linear) and module.out_features == num_classes:
            linear.append(name)
        elif isinstance(module, nn.Conv2d) and module.out_channels == num_classes:
            convs.append(name)
    if not linear and not convs:
        raise UsageError(
            f"The network has no linear layer with {num_classes} outputs, one for each class.",
            "End it with nn.Linear(…, num_classes).",
        )
    return (linear or convs)[-1]


def learning_factors(network: nn.Module, by_depth: float) -> dict[str, float]:
    """What each parameter's learning rate is multiplied by: 1 in the last stage, `by_depth` in the one before, …"""
    stages = stages_of(network)
    factors, stage = {}, 0
    for name, _ in network.named_parameters():
        stage = next((at for at in range(stage, len(stages)) if _is_in(name, stages[at])), stage)
        factors[name] = by_depth ** (len(stages) - 1 - stage)
    return factors


def freeze_up_to(network: nn.Module, place: str) -> tuple[nn.Module, ...]:
    """Let nothing be learned up to and including a stage, or any module by its name.

    Returns the modules that must stay in evaluation mode: their statistics are not to change either.

    Raises `UsageError` for an unknown place, and where nothing would be left to learn.
    """
    names = [name for name, _ in network.named_modules()]
    last = _last_of(place, names, stages_of(network))
    ahead = set(names[1 : last + 1])
    frozen = [module for name, module in network.named_modules() if name and _subtree(name, names) <= ahead]
    own = {id(parameter) for name in ahead for parameter in network.get_submodule(name).parameters(recurse=False)}
    if all(id(parameter) in own for parameter in network.parameters() if parameter.requires_grad):
        raise UsageError(
            f"Frozen up to {place} the network has nothing left to learn.",
            f"Name an earlier stage: {', '.join(stages_of(network)[:-1])}.",
        )
    for parameter in network.parameters():
        if id(parameter) in own:
            parameter.requires_grad_(False)
    return tuple(frozen)


def _last_of(place: str, names: list[str], stages: tuple[str, ...]) -> int:
    """The index of the last module of a place; a stage's own BatchNorm belongs to it."""
    inside = [index for index, name in enumerate(names) if _is_in(name, place)]
    if not place or not inside:
        nearest = nearest_word(place, stages)
        raise UsageError(
            f"The network has no stage “{place}”; its stages are {', '.join(stages)}.",
            (f"Did you mean “{nearest}”? " if nearest else "Choose one of these. ")
            + "Any module's name will do as well, as groupnl models show prints it.",
        )
    if place not in stages[:-1]:
        return inside[-1]
    following = stages[stages.index(place) + 1]
    begin = names.index(following)
    parents = {following[:at] for at, mark in enumerate(following) if mark == "."}
    return max(index for index in range(begin) if names[index] not in parents)


def _subtree(name: str, names: list[str]) -> set[str]:
    return {other for other in names if _is_in(other, name)}


def _is_in(name: str, place: str) -> bool:
    return name == place or name.startswith(f"{place}.")


def _split(network: nn.Module, name: str, total: int) -> Iterator[tuple[str, nn.Module]]:
    for leaf, child in network.named_children():
        dotted = f"{name}.{leaf}" if name else leaf
        if not any(True for _ in child.parameters()):
            continue
        if _layers(child) > _MOST_LAYERS * total and any(_layers(inner) for inner in child.children()):
            yield from _split(child, dotted, total)
        else:
            yield dotted, child


def _layers(network: nn.Module) -> int:
    """Modules with parameters of their own."""
    return sum(any(True for _ in module.parameters(recurse=False)) for module in network.modules())
