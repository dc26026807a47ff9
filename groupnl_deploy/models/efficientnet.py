"""EfficientNets: Lite0, EdgeTPU-S and V2-S, named as in timm, and timm's `tf_` variants of them.

`ModelSpec.width` multiplies the channels of the stages, rounded by `round_channels`; each builder says what it does
to the stem and to the head. Depth stays as it is.
"""

from functools import partial

from torch import nn

from groupnl_deploy.models.inverted_residual import (
    RELU,
    RELU6,
    Activation,
    BlockPlan,
    BlockStage,
    ConvBnAct,
    DepthwiseSeparable,
    EdgeResidual,
    InvertedResidual,
    SqueezeExcite,
    StagedNetwork,
    round_channels,
)
from groupnl_deploy.models.spec import ModelSpec

SILU: Activation = partial(nn.SiLU, inplace=True)

LITE_STAGES = (
    BlockStage(DepthwiseSeparable, 16, 3, 1, (1,), RELU6),
    BlockStage(InvertedResidual, 24, 3, 2, (6,) * 2, RELU6),
    BlockStage(InvertedResidual, 40, 5, 2, (6,) * 2, RELU6),
    BlockStage(InvertedResidual, 80, 3, 2, (6,) * 3, RELU6),
    BlockStage(InvertedResidual, 112, 5, 1, (6,) * 3, RELU6),
    BlockStage(InvertedResidual, 192, 5, 2, (6,) * 4, RELU6),
    BlockStage(InvertedResidual, 320, 3, 1, (6,), RELU6),
)

EDGE_STAGES = (
    # The reference network expands the first block from its 24 outputs, not from its 32 inputs.
    BlockStage(EdgeResidual, 24, 3, 1, (4,), RELU, skip=False, expand_from=24),
    BlockStage(EdgeResidual, 32, 3, 2, (8,) * 2, RELU),
    BlockStage(EdgeResidual, 48, 3, 2, (8,) * 4, RELU),
    BlockStage(InvertedResidual, 96, 5, 2, (8,) * 5, RELU),
    BlockStage(InvertedResidual, 144, 5, 1, (8,) * 4, RELU),
    BlockStage(InvertedResidual, 192, 5, 2, (8,) * 2, RELU),
)


def _quarter_of_input(plan: BlockPlan) -> SqueezeExcite:
    """EfficientNet's: reduced to a quarter of the channels before expansion, SiLU between, a sigmoid as the gate."""
    return SqueezeExcite(plan.mid_channels, plan.in_channels // 4, SILU, nn.Sigmoid)


V2_S_STAGES = (
    BlockStage(ConvBnAct, 24, 3, 1, (1,) * 2, SILU),
    BlockStage(EdgeResidual, 48, 3, 2, (4,) * 4, SILU),
    BlockStage(EdgeResidual, 64, 3, 2, (4,) * 4, SILU),
    BlockStage(InvertedResidual, 128, 3, 2, (4,) * 6, SILU, _quarter_of_input),
    BlockStage(InvertedResidual, 160, 3, 1, (6,) * 9, SILU, _quarter_of_input),
    BlockStage(InvertedResidual, 256, 3, 2, (6,) * 15, SILU, _quarter_of_input),
)


def efficientnet_lite0(spec: ModelSpec) -> nn.Module:
    """EfficientNet-B0 (arXiv 1905.11946, Table 1) with ReLU6 and no squeeze-and-excitation.

    (N, C, 224, 224) → (N, classes): a depthwise-separable block and 15 inverted residuals. Source: "EfficientNet-Lite"
    in Google's TPU repository, models/official/efficientnet/lite. The Lite rule for width: stem 32 and head 1280
    channels at every width.
    """
    return StagedNetwork(spec, LITE_STAGES, RELU6, stem_channels=32, head_channels=1280)


def efficientnet_es(spec: ModelSpec) -> nn.Module:
    """7 edge residuals and 11 inverted residuals, ReLU, no squeeze-and-excitation; (N, C, 224, 224) → (N, classes).

    Source: "EfficientNet-EdgeTPU" (Google AI blog, August 2019) and Google's TPU repository,
    models/official/efficientnet/edgetpu. Width scales stem and head too.
    """
    stem, head = round_channels(32, spec.width), round_channels(1280, spec.width)
    return StagedNetwork(spec, EDGE_STAGES, RELU, stem, head)


def efficientnetv2_s(spec: ModelSpec) -> nn.Module:
    """2 convolutions, 8 fused and 30 inverted residuals with SiLU, the latter with squeeze-and-excitation.

    (N, C, H, W) → (N, classes); arXiv 2104.00298, Table 4. GroupNL counts its FLOPs at 224x224 and trains it at
    288x288. Width scales stem and head too.
    """
    stem, head = round_channels(24, spec.width), round_channels(1280, spec.width)
    return StagedNetwork(spec, V2_S_STAGES, SILU, stem, head)
