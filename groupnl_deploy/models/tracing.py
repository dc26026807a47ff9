"""The way of maps through a network's layers, as a graph of `torch.fx`."""

from torch import fx, nn

from groupnl_deploy.models.layers.own import OwnConv2d
from groupnl_deploy.models.padding import SamePad2d
from groupnl_deploy.models.widths import Gate

_LAYERS = (nn.Conv2d, OwnConv2d, Gate, SamePad2d)


class Untraceable(Exception):
    """A network's code has conditions that stand-ins for tensors cannot answer; the text says what went wrong."""


def layer_graph(network: nn.Module) -> fx.Graph:
    """A node for each layer; what is inside of convolutions of our own, gates and modules of PyTorch's is not seen.

    Raises `Untraceable`.
    """
    try:
        return _Tracer().trace(network)
    except Exception as error:  # a stranger's code meets stand-ins for tensors, and may raise anything
        raise Untraceable(str(error).strip().partition("\n")[0].rstrip(".")) from error


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, _LAYERS) or super().is_leaf_module(m, module_qualified_name)
