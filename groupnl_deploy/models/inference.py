"""The inference form of a network: the same function on a CPU in less time, built from the specification alone.

`to_inference` copies a network in evaluation mode and rewrites the copy. What is known is traced by `torch.fx`, so
that data flow is proved and not guessed from the order of registration:

* a BatchNorm that alone reads a convolution goes into it (`inference_folding`);
* a convolution of our own becomes what it says (`OwnConv2d.to_inference`);
* sums and products happen in place where nothing else needs the tensor they overwrite;
* a network of the zoo with depthwise or sparse convolutions runs in channels-last, where those take a half to a third
  of the time; dense 3x3 ones of small images take longer there, so that others stay as they are.

Which modules come out, with which names and shapes, depends on the network's structure alone and never on the
values of its weights: `inference_form(spec)` has a place for every tensor of `to_inference(network).state_dict()`.
"""

import copy
import operator
from collections import Counter

import torch
from torch import fx, nn

from groupnl_deploy.models.inference_folding import convert_conv, is_affine
from groupnl_deploy.models.inference_layers import InferenceLayer
from groupnl_deploy.models.layers.own import OwnConv2d
from groupnl_deploy.models.layers.sparse import SparseConv2d
from groupnl_deploy.models.padding import SamePad2d
from groupnl_deploy.models.registry import create_model
from groupnl_deploy.models.spec import ModelSpec

# Only classes written here are traced: in a stranger's, Python that looks at values would be frozen as it ran once.
_ZOO = f"{__package__}."
# Elementwise functions that may work in place, as the zoo's do: their result can be their input's memory.
_ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.Hardswish, nn.SiLU, nn.Hardsigmoid, nn.Sigmoid)
# Modules whose result is always a new tensor.
_FRESH = (InferenceLayer, nn.Conv2d, nn.Linear, nn.AdaptiveAvgPool2d)
_INPLACE = {operator.add: "add_", operator.mul: "mul_"}


def inference_form(spec: ModelSpec) -> nn.Module:
    """The module that a state dict of `to_inference(network)` fits, for any network of this specification."""
    return to_inference(create_model(spec).eval())


@torch.no_grad()
def to_inference(network: nn.Module) -> nn.Module:
    """A copy of `network` that gives the same outputs in less time and follows no gradients.

    Modules of unknown classes stay as they are, but for the layers of this project inside them. Raises `ValueError`
    where anything is in training mode.
    """
    learning = [name or "the network itself" for name, module in network.named_modules() if module.training]
    if learning:
        raise ValueError(f"an inference form needs evaluation mode, call eval() first; in training: {learning[0]}")
    form = _converted(copy.deepcopy(network), whole=True)
    return form.requires_grad_(False).eval()


def _converted(module: nn.Module, whole: bool = False) -> nn.Module:
    """The module's own inference form; `whole` where it is the network."""
    if _is_known(module):
        return _form_of(module, None)
    if _is_traced(module):
        return _rewritten(module, whole)
    _convert_inside(module)
    return module


def _convert_inside(stranger: nn.Module) -> None:
    """Exchange what can only be called; convolutions and rows of modules, a stranger may look into."""
    for name, child in stranger.named_children():
        known = _is_known(child) and type(child) is not nn.Conv2d
        if known or (_is_traced(child) and type(child) is not nn.Sequential):
            stranger.set_submodule(name, _converted(child))
        else:
            _convert_inside(child)


def _is_plain(module: nn.Module, kind: type[nn.Module]) -> bool:
    """Whether the module is exactly of this class and nothing hangs on its calls."""
    return type(module) is kind and not module._forward_hooks and not module._forward_pre_hooks


def _is_known(module: nn.Module) -> bool:
    """Whether it has a form of its own: no stranger's subclass, which may compute something else."""
    kind = type(module)
    own = issubclass(kind, OwnConv2d) and kind.__module__.startswith(_ZOO)
    return (own or kind in (nn.Conv2d, SparseConv2d, SamePad2d)) and _is_plain(module, kind)


def _form_of(module: nn.Module, norm: nn.BatchNorm2d | None) -> nn.Module:
    """The form of a known module and of the BatchNorm behind it."""
    if isinstance(module, OwnConv2d):
        return module.to_inference(norm)
    # Zeros around the maps stay as they are: one step, of which a tracer must see no more than that.
    return convert_conv(module, norm) if isinstance(module, nn.Conv2d) else module


def _is_traced(module: nn.Module) -> bool:
    kind = type(module)
    zoo = kind.__module__.startswith(_ZOO) and not issubclass(
        kind, InferenceLayer | OwnConv2d | SparseConv2d | SamePad2d
    )
    return (kind is nn.Sequential or zoo) and _is_plain(module, kind)


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return not _is_traced(m)


def _rewritten(module: nn.Module, whole: bool) -> nn.Module:
    graph = _Tracer().trace(module)
    _fold(module, graph)
    _drop_identities(module, graph)
    _work_in_place(module, graph)
    if whole and type(module) is not nn.Sequential and _gains_by_channels_last(module, graph):
        _begin_in_channels_last(graph)
    return fx.GraphModule(module, graph, class_name=f"{type(module).__name__}Inference")


def _gains_by_channels_last(module: nn.Module, graph: fx.Graph) -> bool:
    """Whether there are depthwise convolutions, and no stranger that may count on rows of pixels in memory."""
    called = [module.get_submodule(str(node.target)) for node in _calls(graph)]
    known = all(
        isinstance(it, InferenceLayer | SamePad2d) or type(it).__module__.startswith("torch.nn.") for it in called
    )
    return known and any(isinstance(it, nn.Conv2d) and 1 < it.groups == it.in_channels for it in module.modules())


def _calls(graph: fx.Graph) -> list[fx.Node]:
    return [node for node in graph.nodes if node.op == "call_module"]


def _called(module: nn.Module, node: fx.Node) -> nn.Module | None:
    return module.get_submodule(str(node.target)) if node.op == "call_module" else None


def _fold(module: nn.Module, graph: fx.Graph) -> None:
    """Convert every layer that is called once, with the BatchNorm behind it where that is its only reader."""
    uses = Counter(id(_called(module, node)) for node in _calls(graph))
    for node in _calls(graph):
        layer = _called(module, node)
        if layer is None or uses[id(layer)] > 1:
            continue
        if not _is_known(layer):
            _convert_inside(layer)
            continue
        norm = _norm_behind(module, node, uses)
        folded = _called(module, norm) if norm else None
        assert folded is None or isinstance(folded, nn.BatchNorm2d)
        module.set_submodule(str(node.target), _form_of(layer, folded))
        if norm:
            norm.replace_all_uses_with(node)
            graph.erase_node(norm)


def _norm_behind(module: nn.Module, node: fx.Node, uses: Counter[int]) -> fx.Node | None:
    """The call that alone reads the layer's result, if it is one of a BatchNorm that is called there alone."""
    if len(node.users) != 1:
        return None
    (reader,) = node.users
    norm, layer = _called(module, reader), _called(module, node)
    if norm is None or uses[id(norm)] > 1 or not _is_plain(norm, nn.BatchNorm2d):
        return None
    return reader if is_affine(norm, getattr(layer, "out_channels", 0)) else None


def _drop_identities(module: nn.Module, graph: fx.Graph) -> None:
    for node in _calls(graph):
        child = _called(module, node)
        if child is not None and _is_plain(child, nn.Identity):
            node.replace_all_uses_with(node.all_input_nodes[0])
            graph.erase_node(node)


def _work_in_place(module: nn.Module, graph: fx.Graph) -> None:
    """a + b and a · b overwrite a where a is a layer's result that nothing reads later."""
    order = {node: index for index, node in enumerate(graph.nodes)}
    for node in graph.nodes:
        if node.op == "call_function" and node.target in _INPLACE and _is_last_reader(module, node, order):
            node.op, node.target = "call_method", _INPLACE[node.target]


def _is_last_reader(module: nn.Module, node: fx.Node, order: dict[fx.Node, int]) -> bool:
    """Whether the first argument came from a layer of ours, perhaps through activations, and ends here."""
    source = node.args[0]
    if not isinstance(source, fx.Node) or any(
        order[user] > order[node] or _may_return_its_input(module, user) for user in source.users if user is not node
    ):
        return False
    while isinstance(_called(module, source), _ACTIVATIONS):
        (source,) = source.all_input_nodes
        if len(source.users) > 1:
            return False
    return isinstance(_called(module, source), _FRESH)


def _may_return_its_input(module: nn.Module, reader: fx.Node) -> bool:
    mean = reader.op == "call_method" and reader.target == "mean"
    return not mean and not isinstance(_called(module, reader), _FRESH)


def _begin_in_channels_last(graph: fx.Graph) -> None:
    """The network's input changes its memory format; every layer then keeps its input's."""
    images = next(node for node in graph.nodes if node.op == "placeholder")
    with graph.inserting_after(images):
        last = graph.call_method("contiguous", (images,), {"memory_format": torch.channels_last})
    images.replace_all_uses_with(last, delete_user_cb=lambda user: user is not last)
