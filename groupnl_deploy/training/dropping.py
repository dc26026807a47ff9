"""Dropout before the head and stochastic depth in residual blocks, in training alone.

Both are hooks on modules of the finished network: no parameter, no name and no operator of it changes, so neither a
checkpoint nor an export has a trace of them. What is frozen is in evaluation mode, and drops nothing.
"""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from groupnl_deploy.errors import InvalidSetting
from groupnl_deploy.models.inverted_residual import ConvBnAct, DepthwiseSeparable, EdgeResidual, InvertedResidual
from groupnl_deploy.models.resnet import BasicBlock, Bottleneck
from groupnl_deploy.training.recipe import Recipe
from groupnl_deploy.training.stages import head_of

# The last layer of the branch that stands beside the shortcut.
_ENDS: dict[type[nn.Module], str] = {
    BasicBlock: "bn2",
    Bottleneck: "bn3",
    ConvBnAct: "act1",
    DepthwiseSeparable: "bn2",
    InvertedResidual: "bn3",
    EdgeResidual: "bn2",
}


def drop_in_training(network: nn.Module, recipe: Recipe, num_classes: int) -> None:
    """Let a network drop what the recipe says whenever it is in training mode, drawn from PyTorch's own generator.

    Raises `InvalidSetting` for `drop_path` where no residual block is known: it would do nothing.
    """
    if recipe.drop_path:
        _drop_paths(network, recipe.drop_path)
    if recipe.dropout:
        head = network.get_submodule(head_of(network, num_classes))
        head.register_forward_pre_hook(_dropping_inputs(recipe.dropout))


def drop_shares(network: nn.Module, largest: float) -> dict[str, float]:
    """The share that each residual block is left out with, by the block's dotted name, as timm has it.

    It grows evenly with the number of the block, those without a shortcut counted: up to the largest at the last block
    of a ResNet, and short of it in MobileNets and EfficientNets.
    """
    blocks = [(name, module) for name, module in network.named_modules() if type(module) in _ENDS]
    short = not all(isinstance(module, BasicBlock | Bottleneck) for _, module in blocks)
    steps = max(1, len(blocks) - 1 + short)
    return {
        name: largest * number / steps
        for number, (name, module) in enumerate(blocks)
        if getattr(module, "residual", True)
    }


def _drop_paths(network: nn.Module, largest: float) -> None:
    shares = drop_shares(network, largest)
    if not shares:
        raise InvalidSetting(
            "drop_path would do nothing: no residual block of this network is known.",
            "Set it to 0 (--set drop_path=0, in a campaign drop_path = 0).",
            "drop_path",
        )
    for name, share in shares.items():
        block = network.get_submodule(name)
        if share:
            block.get_submodule(_ENDS[type(block)]).register_forward_hook(_dropping_images(share))


def _dropping_images(share: float) -> Callable[[nn.Module, Any, Tensor], Tensor]:
    """Zeros for this share of the images, and the others larger by as much: their mean stays."""

    def drop(module: nn.Module, inputs: Any, branch: Tensor) -> Tensor:
        if not module.training:
            return branch
        kept = branch.new_empty((len(branch), *(1,) * (branch.dim() - 1))).bernoulli_(1 - share)
        return branch * kept.div_(1 - share)

    return drop


def _dropping_inputs(share: float) -> Callable[[nn.Module, Any], Any]:
    def drop(module: nn.Module, inputs: Any) -> Any:
        return (functional.dropout(inputs[0], share, module.training), *inputs[1:])

    return drop
