"""Swap the convolutions of any network, by a rule, for those of another method.

A rule looks at one `ConvSite` and answers with a `Replacement`, or with the reason why the convolution stays.
The papers' own rules are in `placement`; a rule of your own is a function of three lines::

    def rule(site):
        return Replacement(ConvSpec("groupnl-sparse")) if site.depthwise else "not depthwise"

    print(apply_conv_method(timm.create_model("mobilenetv2_100"), rule))
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from torch import nn

from groupnl_deploy.models.conv_site import ConvSite, Replacement, ReplacementRule
from groupnl_deploy.models.layers.build import build_conv
from groupnl_deploy.models.layers.own import OwnConv2d
from groupnl_deploy.models.layers.shape import ConvShape
from groupnl_deploy.models.methods import METHODS
from groupnl_deploy.models.refusal import InvalidSpec


@dataclass(frozen=True)
class Outcome:
    """What became of one convolution: `now` is None where it stayed, and `note` says why, or what else changed."""

    name: str
    was: str
    now: str | None
    note: str = ""


@dataclass(frozen=True)
class Outcomes:
    """What became of every convolution, in the network's order. Its text is a table."""

    convs: tuple[Outcome, ...]

    @property
    def replaced(self) -> tuple[Outcome, ...]:
        """Those that were replaced."""
        return tuple(conv for conv in self.convs if conv.now is not None)

    @property
    def left(self) -> tuple[Outcome, ...]:
        """Those that stayed."""
        return tuple(conv for conv in self.convs if conv.now is None)

    def __str__(self) -> str:
        lines = [f"{len(self.replaced)} convolutions replaced, {len(self.left)} left"]
        for conv in self.convs:
            note = f" ({conv.note})" if conv.note else ""
            lines.append(f"  {conv.name}: {conv.was} " + (f"→ {conv.now}{note}" if conv.now else f"stays{note}"))
        return "\n".join(lines)


@dataclass(frozen=True)
class _Swap:
    """What takes a convolution's place, built and ready."""

    replacement: Replacement
    module: nn.Module


def apply_conv_method(network: nn.Module, rule: ReplacementRule) -> Outcomes:
    """Swap the convolutions of `network`, in place, as `rule` says, and report every one of them.

    New convolutions get fresh weights, on the old ones' device and in their dtype and mode; the seed
    convolutions inside layers of ours are left alone. Raises `InvalidSpec`, naming the convolution, where a
    replacement cannot be built; the network is then as it was.
    """
    if isinstance(network, nn.Conv2d | OwnConv2d):
        raise InvalidSpec(
            "the network is itself a convolution", "Put it into an nn.Sequential, where another can take its place."
        )
    plans = [
        (site, "it is used in several places" if shared else _plan(site, rule)) for site, shared in _sites(network)
    ]
    for site, plan in plans:
        if isinstance(plan, _Swap):
            _carry_out(network, site, plan)
    return Outcomes(tuple(_outcome(site, plan) for site, plan in plans))


def _plan(site: ConvSite, rule: ReplacementRule) -> _Swap | str:
    """What becomes of a convolution, or why it stays. Raises `InvalidSpec` where the replacement cannot be built."""
    decision = rule(site)
    if isinstance(decision, str):
        return decision
    if decision.drops_norm and site.norm is None:
        return "no BatchNorm directly behind it to take away"
    try:
        shape = ConvShape.of(site.conv)
    except InvalidSpec as error:
        return error.problem
    try:
        return _Swap(decision, _build(site, shape, decision))
    except InvalidSpec as error:
        if decision.required:
            raise
        return error.problem.removeprefix(f"{site.name}: ")


def _build(site: ConvSite, shape: ConvShape, replacement: Replacement) -> nn.Module:
    bias = replacement.bias or (shape.bias and METHODS[replacement.conv.method].keeps_bias)
    try:
        module = build_conv(replacement.conv, replace(shape, bias=bias))
    except InvalidSpec as error:
        raise InvalidSpec(f"{site.name}: {error.problem}", error.remedy, *error.fields) from error
    except ValueError as error:  # PyTorch's own, such as of channels that do not divide
        raise InvalidSpec(
            f"{site.name} ({_describe(site.conv)}) cannot be {replacement.conv.label}: {error}",
            "Choose other knobs, another width, or a rule that leaves it as it is.",
        ) from error
    return module.to(site.conv.weight.device, site.conv.weight.dtype).train(site.conv.training)


def _outcome(site: ConvSite, plan: _Swap | str) -> Outcome:
    if isinstance(plan, str):
        return Outcome(site.name, _describe(site.conv), None, plan)
    return Outcome(site.name, _describe(site.conv), plan.replacement.conv.label, _note(site, plan.replacement))


def _note(site: ConvSite, replacement: Replacement) -> str:
    notes = []
    if replacement.drops_norm:
        moved = "now over the seed maps" if replacement.conv.bn_position == "seeds" else "gone"
        notes.append(f"BatchNorm {site.norm} {moved}")
    if site.conv.bias is not None and not METHODS[replacement.conv.method].keeps_bias:
        notes.append("its bias is gone")
    return ", ".join(notes)


def _carry_out(network: nn.Module, site: ConvSite, swap: _Swap) -> None:
    network.set_submodule(site.name, swap.module)
    if swap.replacement.drops_norm and site.norm is not None:
        network.set_submodule(site.norm, nn.Identity())


def _sites(network: nn.Module) -> Iterator[tuple[ConvSite, bool]]:
    """Every convolution outside our own layers, once, with whether it is registered under several names."""
    everything = list(network.named_modules(remove_duplicate=False))
    ours = tuple(f"{name}." for name, module in everything if isinstance(module, OwnConv2d))
    convs = [(name, it) for name, it in everything if isinstance(it, nn.Conv2d) and not name.startswith(ours)]
    uses = [id(conv) for _, conv in convs]
    seen: set[int] = set()
    for name, conv in convs:
        if id(conv) not in seen:
            parent = network.get_submodule(name.rpartition(".")[0])
            yield ConvSite(name, conv, parent, not seen, _norm_behind(parent, name)), uses.count(id(conv)) > 1
            seen.add(id(conv))


def _norm_behind(parent: nn.Module, name: str) -> str | None:
    parent_name, dot, leaf = name.rpartition(".")
    siblings = list(parent.named_children())
    index = [sibling for sibling, _ in siblings].index(leaf)
    if index + 1 == len(siblings):
        return None
    (_, conv), (norm_name, norm) = siblings[index : index + 2]
    # Exactly this class: timm's BatchNorm with an activation inside must not be taken away with it.
    if type(norm) is nn.BatchNorm2d and norm.num_features == conv.out_channels:
        return f"{parent_name}{dot}{norm_name}"
    return None


def _describe(conv: nn.Conv2d) -> str:
    groups = "" if conv.groups == 1 else f", groups {conv.groups}"
    stride = "" if conv.stride[0] == 1 else f", stride {conv.stride[0]}"
    return f"{conv.in_channels}→{conv.out_channels} {conv.kernel_size[0]}x{conv.kernel_size[1]}{stride}{groups}"
