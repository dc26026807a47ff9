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
a user's own        every kernel above 1x1 but the        sparse GroupNL for depthwise ones; BN kept; what cannot be
                    first                                 built of a convolution's channels stays
==================  ====================================  ===========================================

MonoConv stands for the 3x3 convolutions of stride 1 in basic blocks, for conv2 and (where the block's stride is 1)
conv1 of bottlenecks, and for everything in VGG; its factor e is 2, 4, 8, 16 at 64, 128, 256, 512 channels. Group
convolutions stand where the E2GC paper puts them: for the depthwise convolutions of mobile networks and for conv2
of bottlenecks; elsewhere for the 3x3 convolutions of all blocks.

Here stands what a family of networks does with every convolution; where a method departs from it, its own file says so
(`Particulars`).
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from groupnl_deploy.models.conv_site import ConvSite, Replacement, ReplacementRule
from groupnl_deploy.models.methods import METHODS
from groupnl_deploy.models.spec import ConvSpec

Family = Literal["plain", "basic", "bottleneck", "bottleneck of stride 1", "mobile", "own"]
"""The rows of the table above, in their order."""

Particulars = Callable[[ConvSpec, ConvSite, Family, Replacement | str], Replacement | str]
"""(the convolution, the site, the family, what the family does there with every convolution) → what is done."""

BOTTLENECKS: tuple[Family, ...] = ("bottleneck", "bottleneck of stride 1")
STEM = "the stem stays"
POINTWISE = "the pointwise convolutions of bottlenecks stay"


def everywhere(conv: ConvSpec) -> ReplacementRule:
    """VGG: every convolution, the first included."""
    return _with_particulars(conv, "plain", lambda site: Replacement(conv))


def itself(conv: ConvSpec) -> ReplacementRule:
    """A network of a single convolution: that one, without what a family of networks has beside it."""
    return lambda site: Replacement(conv)


def basic_blocks(conv: ConvSpec) -> ReplacementRule:
    """ResNets of basic blocks: the 3x3 convolutions of all blocks and the 1x1 of the shortcuts; the stem stays."""
    return _with_particulars(conv, "basic", lambda site: STEM if site.first else Replacement(conv))


def bottlenecks(conv: ConvSpec) -> ReplacementRule:
    """CIFAR ResNets of bottlenecks: conv2 of every block and the shortcuts."""

    def usual(site: ConvSite) -> Replacement | str:
        if site.leaf == "conv2":
            return Replacement(conv)
        if site.shortcut:
            return Replacement(thinned(conv))  # c_out is four times the planes that the seeds are counted from
        return STEM if site.first else POINTWISE

    return _with_particulars(conv, "bottleneck", usual)


def stride_one_bottlenecks(conv: ConvSpec) -> ReplacementRule:
    """ImageNet ResNets of bottlenecks, as released: conv2 where its stride is 1, and nothing else."""

    def usual(site: ConvSite) -> Replacement | str:
        if site.leaf != "conv2":
            return STEM if site.first else POINTWISE
        return Replacement(conv) if site.conv.stride[0] == 1 else "the released networks leave stride 2 as it is"

    return _with_particulars(conv, "bottleneck of stride 1", usual)


def depthwise_convs(conv: ConvSpec) -> ReplacementRule:
    """Mobile networks, as released: every depthwise convolution, of either stride, and nothing else."""
    return _with_particulars(
        conv, "mobile", lambda site: Replacement(conv) if site.depthwise else "not a depthwise convolution"
    )


def kernels(conv: ConvSpec) -> ReplacementRule:
    """A network of the user's own: every convolution that looks beyond one pixel, but the first.

    The first sees the image's few channels. Dense GroupNL in place of a depthwise convolution would make a light
    network heavy, so there it is sparse.
    """

    def usual(site: ConvSite) -> Replacement | str:
        if site.first:
            return "the first convolution stays"
        if site.conv.kernel_size == (1, 1):
            return "pointwise convolutions stay"
        sparse = conv.method == "groupnl" and site.depthwise
        return Replacement(replace(conv, method="groupnl-sparse") if sparse else conv)

    rule = _with_particulars(conv, "own", usual)

    def where_it_fits(site: ConvSite) -> Replacement | str:
        decision = rule(site)
        return decision if isinstance(decision, str) else replace(decision, required=False)

    return where_it_fits


def thinned(conv: ConvSpec) -> ConvSpec:
    """With a fourth of the seeds, where the method has any."""
    return replace(conv, ratio=4 * conv.ratio) if "ratio" in METHODS[conv.method].knobs else conv


def _with_particulars(conv: ConvSpec, family: Family, usual: ReplacementRule) -> ReplacementRule:
    method = METHODS[conv.method]
    if not method.places:
        return usual
    places: Particulars = method.load(method.places)
    return lambda site: places(conv, site, family, usual(site))
