"""Which convolutions of a network become what: the papers' own choices, as rules for `apply_conv_method`.

The GroupNL paper (arXiv 2506.12335) does not spell out where its convolutions and those of its baselines stand.
These rules are the ones under which the parameters and FLOPs that it prints come out (Tables 3, 4, 14 and 15), and for
the ImageNet networks those of the authors' released code. "Kept" and "gone" speak of the BatchNorm behind the
replaced convolution:

==================  ====================================  ===========================================
networks            GroupNL, Ghost, SineFM stand for      particulars
==================  ====================================  ===========================================
VGG, CIFAR          every convolution, the first too      Ghost with bias
basic ResNets       the 3x3 and shortcut convolutions     Ghost with bias, BN gone; SineFM with bias, its
                    of all blocks                         shortcuts with c_out / 4r seeds, their BN gone
bottlenecks, CIFAR  conv2 and shortcuts of all blocks     shortcuts have planes / r seeds; sparse GroupNL: BN over
                                                          the seeds; Ghost with bias, BN of shortcuts gone; SineFM:
                                                          BN gone
bottlenecks,        conv2 of stride 1                     BN kept
ImageNet
mobile networks     the depthwise convolutions            BN kept
==================  ====================================  ===========================================

MonoConv stands for the 3x3 convolutions of stride 1 in basic blocks, for conv2 and (where the block's stride is 1)
conv1 of bottlenecks, and for everything in VGG; its factor e is 2, 4, 8, 16 at 64, 128, 256, 512 channels. Group
convolutions stand where the E2GC paper puts them: for the depthwise convolutions of mobile networks and for conv2
of bottlenecks; elsewhere for the 3x3 convolutions of all blocks.
"""

from dataclasses import replace

from torch import nn

from groupnl_deploy.models.replace import ConvSite, Replacement, Rule
from groupnl_deploy.models.spec import KNOBS, ConvSpec


def everywhere(conv: ConvSpec) -> Rule:
    """VGG: every convolution, the first included; a group convolution leaves the first, whose channels are colours."""

    def rule(site: ConvSite) -> Replacement | str:
        if conv.method == "grouped" and site.first:
            return "the first convolution: its input channels are the image's"
        return Replacement(_widened(conv, site), bias=conv.method == "ghost")

    return rule


def basic_blocks(conv: ConvSpec) -> Rule:
    """ResNets of basic blocks: the 3x3 convolutions of all blocks and the 1x1 of the shortcuts; the stem stays."""

    def rule(site: ConvSite) -> Replacement | str:
        if site.first:
            return _STEM
        if conv.method == "mono" and site.conv.stride[0] != 1:
            return "MonoConv keeps to stride 1 in basic blocks"
        if _is_shortcut(site):
            return _basic_shortcut(conv)
        return Replacement(
            _widened(conv, site), keep_norm=conv.method != "ghost", bias=conv.method in ("ghost", "sinefm")
        )

    return rule


def bottlenecks(conv: ConvSpec) -> Rule:
    """CIFAR ResNets of bottlenecks: conv2 of every block and the shortcuts."""

    def rule(site: ConvSite) -> Replacement | str:
        if conv.method in ("mono", "grouped"):
            return _middle_of_bottlenecks(conv, site)
        ghost, sinefm = conv.method == "ghost", conv.method == "sinefm"
        if site.leaf == "conv2":
            return Replacement(conv, keep_norm=not sinefm, bias=ghost)
        if not _is_shortcut(site):
            return _POINTWISE if not site.first else _STEM
        if ghost:
            return Replacement(conv, keep_norm=False, bias=True)
        # c_out is four times the planes that the seeds are counted from.
        return Replacement(_thinned(conv), keep_norm=not sinefm)

    return rule


def stride_one_bottlenecks(conv: ConvSpec) -> Rule:
    """ImageNet ResNets of bottlenecks, as released: conv2 where its stride is 1, and nothing else."""

    def rule(site: ConvSite) -> Replacement | str:
        if conv.method in ("mono", "grouped"):
            return _middle_of_bottlenecks(conv, site)
        if site.leaf != "conv2":
            return _STEM if site.first else _POINTWISE
        return Replacement(conv) if site.conv.stride[0] == 1 else "the released networks leave stride 2 as it is"

    return rule


def depthwise_convs(conv: ConvSpec) -> Rule:
    """Mobile networks, as released: every depthwise convolution, of either stride, and nothing else."""

    def rule(site: ConvSite) -> Replacement | str:
        return Replacement(_widened(conv, site)) if site.depthwise else "not a depthwise convolution"

    return rule


_STEM = "the stem stays"
_POINTWISE = "the pointwise convolutions of bottlenecks stay"


def _is_shortcut(site: ConvSite) -> bool:
    return "downsample" in site.name


def _basic_shortcut(conv: ConvSpec) -> Replacement | str:
    if conv.method == "grouped":
        return "shortcuts stay"
    if conv.method == "sinefm":
        return Replacement(_thinned(conv), keep_norm=False, bias=True)
    ghost = conv.method == "ghost"
    return Replacement(conv, keep_norm=not ghost, bias=ghost)


def _middle_of_bottlenecks(conv: ConvSpec, site: ConvSite) -> Replacement | str:
    """Group convolution: conv2. MonoConv: conv2 too, and conv1 unless the block has stride 2."""
    if site.first:
        return _STEM
    if site.leaf == "conv2" or (conv.method == "mono" and site.leaf == "conv1" and _stride(site) == 1):
        return Replacement(_widened(conv, site))
    return _POINTWISE


def _stride(site: ConvSite) -> object:
    middle = site.parent.get_submodule("conv2")
    return middle.stride[0] if isinstance(middle, nn.Conv2d) else None


def _thinned(conv: ConvSpec) -> ConvSpec:
    """A fourth of the seeds, where the method has any."""
    return replace(conv, ratio=4 * conv.ratio) if "ratio" in KNOBS[conv.method] else conv


def _widened(conv: ConvSpec, site: ConvSite) -> ConvSpec:
    """MonoConv's e doubles with the width (Table 2): r up to 64 channels, then 2r, 4r, and 8r above 256."""
    if conv.method != "mono":
        return conv
    doublings = sum(site.conv.out_channels > width for width in (64, 128, 256))
    return replace(conv, ratio=conv.ratio << doublings)
