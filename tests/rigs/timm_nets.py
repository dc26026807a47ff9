"""timm's networks as ONNX files: random seeded weights, statistics settled on photographs, exported by torch."""

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from groupnl_deploy.training.from_timm import timm_module

WHY_NOT = "needs timm: make zoo installs it"


def has_timm() -> bool:
    """Whether both packages are there."""
    return all(importlib.util.find_spec(name) is not None for name in ("timm", "torchvision"))


def import_timm() -> ModuleType:
    """timm, by the only door to it."""
    return timm_module("timm")


def settled(name: str, images: torch.Tensor, **options: Any) -> nn.Module:
    """A network of timm's with seeded random weights and the BatchNorm statistics of these images."""
    torch.manual_seed(0)
    model: nn.Module = import_timm().create_model(name, exportable=True, **options)
    _waken(model)
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over batches
    if norms:
        model.train()
        with torch.no_grad():
            model(images)
    return model.eval()


def _waken(model: nn.Module) -> None:
    """Give scales that begin at zero, or at next to nothing, a size: the branches behind them would be dead."""
    for name, parameter in model.named_parameters():
        is_scale = name.endswith(("gamma", "bn.weight", "bn1.weight", "bn2.weight", "bn3.weight"))
        if is_scale and parameter.ndim == 1:
            nn.init.uniform_(parameter, 0.5, 1.5)


def write_onnx(model: nn.Module, shape: tuple[int, ...], path: Path, dynamic: bool = False) -> None:
    """Export by torch as most people do; with `dynamic` for any number of images."""
    axes = {"input": {0: "N"}, "logits": {0: "N"}} if dynamic else None
    torch.onnx.export(
        model,
        (torch.zeros(shape),),
        path,
        opset_version=17,
        input_names=["input"],
        output_names=["logits"],
        dynamic_axes=axes,
        dynamo=False,
    )
