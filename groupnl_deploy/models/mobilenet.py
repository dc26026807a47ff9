"""MobileNets: V1 (arXiv 1704.04861), V2 (arXiv 1801.04381) and V3 large (arXiv 1905.02244), named as in timm.

Input sizes are ImageNet's 224x224 except where a name says CIFAR. `ModelSpec.width` multiplies the channels of
the stages, rounded by `round_channels`; each builder says what it does to the stem and to the head.
"""

from functools import partial

from torch import Tensor, nn

from groupnl_deploy.models.inverted_residual import (
    RELU,
    RELU6,
    Activation,
    BlockPlan,
    BlockStage,
    ConvBnAct,
    DepthwiseSeparable,
    InvertedResidual,
    SqueezeExcite,
    StagedNetwork,
    StagedTrunk,
    round_channels,
)
from groupnl_deploy.models.spec import ModelSpec

HARDSWISH: Activation = partial(nn.Hardswish, inplace=True)

_V1_STAGE = partial(
    BlockStage,
    partial(DepthwiseSeparable, activate_output=True),
    kernel_size=3,
    activation=RELU6,
    skip=False,
)
V1_STAGES = (
    _V1_STAGE(channels=64, stride=1, expansions=(1,)),
    _V1_STAGE(channels=128, stride=2, expansions=(1,) * 2),
    _V1_STAGE(channels=256, stride=2, expansions=(1,) * 2),
    _V1_STAGE(channels=512, stride=2, expansions=(1,) * 6),
    _V1_STAGE(channels=1024, stride=2, expansions=(1,) * 2),
)

V2_STAGES = (
    BlockStage(DepthwiseSeparable, 16, 3, 1, (1,), RELU6),
    BlockStage(InvertedResidual, 24, 3, 2, (6,) * 2, RELU6),
    BlockStage(InvertedResidual, 32, 3, 2, (6,) * 3, RELU6),
    BlockStage(InvertedResidual, 64, 3, 2, (6,) * 4, RELU6),
    BlockStage(InvertedResidual, 96, 3, 1, (6,) * 3, RELU6),
    BlockStage(InvertedResidual, 160, 3, 2, (6,) * 3, RELU6),
    BlockStage(InvertedResidual, 320, 3, 1, (6,), RELU6),
)


def _quarter_of_expanded(plan: BlockPlan) -> SqueezeExcite:
    """MobileNetV3's: reduced to a quarter of the expanded channels, ReLU between, a hard sigmoid as the gate."""
    reduced = round_channels(plan.mid_channels / 4)
    return SqueezeExcite(plan.mid_channels, reduced, RELU, nn.Hardsigmoid)


V3_LARGE_STAGES = (
    BlockStage(DepthwiseSeparable, 16, 3, 1, (1,), RELU),
    BlockStage(InvertedResidual, 24, 3, 2, (4, 3), RELU),
    BlockStage(InvertedResidual, 40, 5, 2, (3,) * 3, RELU, _quarter_of_expanded),
    BlockStage(InvertedResidual, 80, 3, 2, (6, 2.5, 2.3, 2.3), HARDSWISH),
    BlockStage(InvertedResidual, 112, 3, 1, (6,) * 2, HARDSWISH, _quarter_of_expanded),
    BlockStage(InvertedResidual, 160, 5, 2, (6,) * 3, HARDSWISH, _quarter_of_expanded),
    BlockStage(ConvBnAct, 960, 1, 1, (1,), HARDSWISH, skip=False),
)
V3_HEAD = 1280
V3_FIXED_STEM_BELOW = 0.75


class MobileNetV3(StagedTrunk):
    """Trunk, global average, a pointwise layer with bias and no normalisation on the 1x1 map, linear.

    (N, C, H, W) → (N, num_classes); averaging before the last wide layer is the "efficient last stage" of
    arXiv 1905.02244, Section 5.1. Timm's width rule: the stem's 16 channels are scaled from width 0.75 up and
    stay 16 below it, and the head has 1280 at every width.
    """

    def __init__(self, spec: ModelSpec) -> None:
        stem = 16 if spec.width < V3_FIXED_STEM_BELOW else round_channels(16, spec.width)
        super().__init__(spec, V3_LARGE_STAGES, HARDSWISH, stem)
        self.global_pool = nn.AdaptiveAvgPool2d(1)
        self.conv_head = nn.Conv2d(self.out_channels, V3_HEAD, 1)
        self.act2 = HARDSWISH()
        self.classifier = nn.Linear(V3_HEAD, spec.num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) → (N, num_classes)."""
        pooled = self.global_pool(self.features(x))
        logits: Tensor = self.classifier(self.act2(self.conv_head(pooled)).flatten(1))
        return logits


def mobilenetv1_100(spec: ModelSpec) -> nn.Module:
    """13 depthwise-separable blocks, each convolution followed by BN and ReLU6; (N, C, 224, 224) → (N, classes).

    arXiv 1704.04861, Table 1. Width scales the stem too; there is no head convolution.
    """
    return _mobilenetv1(spec, stem_stride=2)


def mobilenetv1_cifar(spec: ModelSpec) -> nn.Module:
    """`mobilenetv1_100` with stride 1 in the stem and nothing else changed; (N, C, 32, 32) → (N, classes).

    The usual adaptation to CIFAR: all 13 blocks keep their strides, so the maps go 32, 16, 8, 4, 2 pixels wide.
    """
    return _mobilenetv1(spec, stem_stride=1)


def mobilenetv2_100(spec: ModelSpec) -> nn.Module:
    """One depthwise-separable block and 16 inverted residuals with ReLU6; (N, C, 224, 224) → (N, classes).

    arXiv 1801.04381, Table 2. Width scales the stem too; the head's 1280 channels grow with it and never shrink.
    """
    head = max(1280, round_channels(1280, spec.width))
    return StagedNetwork(spec, V2_STAGES, RELU6, round_channels(32, spec.width), head)


def mobilenetv3_large_100(spec: ModelSpec) -> nn.Module:
    """15 blocks with ReLU or hard swish, 8 of them with squeeze-and-excitation; (N, C, 224, 224) → (N, classes).

    arXiv 1905.02244, Table 1. For the width of stem and head see `MobileNetV3`.
    """
    return MobileNetV3(spec)


def _mobilenetv1(spec: ModelSpec, stem_stride: int) -> nn.Module:
    stem = round_channels(32, spec.width)
    return StagedNetwork(spec, V1_STAGES, RELU6, stem, head_channels=0, stem_stride=stem_stride)
