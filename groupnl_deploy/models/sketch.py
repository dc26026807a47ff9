"""A network without numbers: its layers, keys and shapes on PyTorch's meta device, drawn by nobody."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from groupnl_deploy.models.registry import create_model
from groupnl_deploy.models.spec import ModelSpec

# Filling a meta tensor from a normal distribution imports PyTorch's compiler: seconds, and 75 MB.
_DRAWING = (
    *(torch.Tensor.normal_, torch.Tensor.uniform_, torch.Tensor.zero_, torch.Tensor.fill_),
    *(nn.init.normal_, nn.init.uniform_, nn.init.constant_, nn.init.kaiming_uniform_),
)


class _Undrawn(TorchFunctionMode):
    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func in _DRAWING:  # those of nn.init come with the tensor by its name
            return args[0] if args else (kwargs or {})["tensor"]
        return func(*args, **(kwargs or {}))


def sketch(spec: ModelSpec) -> nn.Module:
    """The network of a spec with every parameter and buffer on the meta device. Raises `InvalidSpec`."""
    if spec.code:
        return create_model(spec).to("meta")  # a stranger's code may look at values while it builds
    with torch.device("meta"), _Undrawn():
        return create_model(spec)
