"""The registry of convolutions. Imports nothing slow: a layer is named, and imported where one is built.

To add a convolution: a file in `layers/`, and a line in `METHODS`.
"""

import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from groupnl_deploy.models.knobs import KNOBS
from groupnl_deploy.models.refusal import require_choice

_LAYERS = "groupnl_deploy.models.layers."


@dataclass(frozen=True)
class ConvMethod:
    """One kind of convolution: all that is known of it before PyTorch is imported.

    What it costs and what becomes of it in the inference form its layer says itself, see `layers.own.OwnConv2d`.

    Args:
        word: what users type.
        about: one line for lists.
        layer: `module:name` in `layers`, called with a `ConvSpec` and a `ConvShape`: mostly the layer's class.
        colour: of its bars in plots.
        knobs: the fields of `Knobs` that it reads; any other would do nothing and is refused.
        places: `module:function` in `layers`, a `placement.Particulars`: where it departs from what a network's
            placement does with every convolution; "" for nowhere.
        keeps_bias: whether it takes over the bias of the convolution in whose place it comes.
        one_of: of these knobs exactly one must be given.
        sample: what makes it complete where its word alone does not, for plots and tests of whole networks.
        named_by: the knobs that stand in a network's name; None is all that it reads and that have a `Knob.label`.
        paper: the knobs that the paper's text has otherwise than the released code; None where the two are one.
        whole_network: users may choose it for a network; else it is a layer for rules of one's own.
    """

    word: str
    about: str
    layer: str
    colour: str
    knobs: tuple[str, ...] = ()
    places: str = ""
    keeps_bias: bool = True
    one_of: tuple[str, ...] = ()
    sample: Mapping[str, Any] = field(default_factory=dict)
    named_by: tuple[str, ...] | None = None
    paper: Mapping[str, Any] | None = None
    whole_network: bool = True

    def __post_init__(self) -> None:
        for name in self.knobs:
            if name not in KNOBS:
                raise ValueError(
                    f"the convolution {self.word} reads “{name}”, which is no field of Knobs; "
                    'its knobs are a tuple, of one with a comma: ("num_groups",)'
                )

    def load(self, target: str) -> Any:
        """What `layer` or `places` names."""
        return pkgutil.resolve_name(f"{_LAYERS}{target}")


_GROUPNL: dict[str, Any] = {
    "knobs": ("ratio", "nl_groups", "nlf", "normalize", "phi_sign", "omega_range", "phi_range", "bn_position"),
    "keeps_bias": False,
    "paper": {"normalize": False, "phi_sign": 1, "phi_range": (1.0, 5.0)},
}
# Colours are Okabe and Ito's, which people with any colour vision tell apart; ordinary convolutions are grey.
METHODS: Mapping[str, ConvMethod] = {
    method.word: method
    for method in (
        ConvMethod("standard", "the network's own convolutions", "grouped:standard_conv2d", "#7F7F7F"),
        ConvMethod(
            "depthwise",
            "one filter for each channel",
            "grouped:depthwise_conv2d",
            "#CC79A7",
            whole_network=False,  # all over a network it would be another network
        ),
        ConvMethod(
            "mono",
            "MonoCNN: the kernels are powers of a few",
            "mono:MonoConv2d",
            "#F0E442",
            ("ratio",),
            places="mono:places",
            keeps_bias=False,
            named_by=(),  # its factor is another in wider layers
        ),
        ConvMethod(
            "ghost",
            "GhostNet: most maps are depthwise convolutions of a few",
            "ghost:GhostConv2d",
            "#56B4E9",
            ("ratio",),
            places="ghost:places",
        ),
        ConvMethod(
            "sinefm",
            "SineFM: most maps are mixed from sines of a few",
            "sinefm:SineFMConv2d",
            "#0072B2",
            ("ratio",),
            places="sinefm:places",
        ),
        ConvMethod(
            "groupnl",
            "GroupNL: most maps are nonlinear functions of a few",
            "groupnl:GroupNLConv2d",
            "#E69F00",
            **_GROUPNL,
        ),
        ConvMethod(
            "groupnl-sparse",
            "GroupNL whose seed convolution has groups",
            "groupnl:GroupNLConv2d",
            "#D55E00",
            **_GROUPNL,
        ),
        ConvMethod(
            "grouped",
            "group convolutions, of constant group size (E2GC) or number (FgGC)",
            "grouped:grouped_conv2d",
            "#009E73",
            ("group_size", "num_groups"),
            places="grouped:places",
            one_of=("group_size", "num_groups"),
            sample={"group_size": 8},  # the largest power of two under which every network here can be built
        ),
    )
}
"""Every convolution by its word."""

CONVOLUTIONS: tuple[str, ...] = tuple(method.word for method in METHODS.values() if method.whole_network)
"""The words that users may choose for a network."""


def require_method(word: str) -> ConvMethod:
    """The convolution of this word. Raises `InvalidSpec`."""
    require_choice("method", word, tuple(METHODS))
    return METHODS[word]
