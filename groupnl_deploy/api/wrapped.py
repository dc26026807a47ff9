"""A module in memory as a network of the user's own: known again by its structure, for its code lies in no file."""

import copy

from torch import nn

from groupnl_deploy.models.own import provide
from groupnl_deploy.models.spec import CodeOrigin, ModelSpec
from groupnl_deploy.own_code.network import require_network
from groupnl_deploy.workspace import sha256_hex

_MEMORY = "memory"


def origin_of(module: nn.Module) -> CodeOrigin:
    """What a record keeps of a module: its class, and a digest of its layers and of the shapes of its tensors.

    From now on `create_model` makes copies of it in this process. What its `forward` does is in no digest.
    """
    shapes = "".join(f"{key} {tuple(tensor.shape)}\n" for key, tensor in module.state_dict().items())
    origin = CodeOrigin(_MEMORY, type(module).__name__, sha256_hex(f"{module}\n{shapes}".encode()))
    mine = copy.deepcopy(require_network(module, origin))

    def build(spec: ModelSpec) -> nn.Module:
        return copy.deepcopy(mine)

    provide(origin, build)
    return origin
