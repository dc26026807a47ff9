"""The closed list of names that a pickle may use, and the record of ours that each becomes.

Adding one is a line here, and means that a file may hold it; the thing itself is never imported. A builder gets the
arguments that the file gives and returns a value of `inert` or a plain one. It copies nothing that the file did not pay
for with as many bytes: what it goes over it tells to `spend`.
"""

from collections.abc import Callable
from typing import Any

from groupnl_deploy.pickles.inert import Name, OddTensor, Storage, TensorView, Thing
from groupnl_deploy.pickles.names import ARRAYS, BYTES, SCALARS, Builder, Spend, shape_in, values

LONGEST_PATH = 4096


def _tensor(arguments: tuple[Any, ...], spend: Spend) -> TensorView:
    storage, offset, shape, stride, *rest = arguments
    if not isinstance(storage, Storage) or type(offset) is not int or offset < 0:
        raise ValueError("a tensor of no storage")
    dtype = rest[2].text.rpartition(".")[2] if len(rest) > 2 and isinstance(rest[2], Name) else None
    sizes, strides = shape_in(shape), shape_in(stride)
    spend(len(sizes) + len(strides))
    if len(sizes) != len(strides):
        raise ValueError("a tensor whose stride is not that of its shape")
    return TensorView(storage, offset, sizes, strides, dtype)


def _parameter(arguments: tuple[Any, ...], spend: Spend) -> Any:
    data = arguments[0]
    if not isinstance(data, TensorView | OddTensor):
        raise ValueError("a parameter of no tensor")
    return data


def _typed(arguments: tuple[Any, ...], spend: Spend) -> Any:
    """A tensor with attributes: PyTorch's (function, class, its arguments, state)."""
    function, _, inner, _ = arguments
    if not isinstance(function, Name) or function.text not in _TENSORS or not isinstance(inner, tuple):
        raise ValueError("a tensor of no kind")
    return _TENSORS[function.text](inner, spend)


def _odd(kind: str) -> Builder:
    return lambda arguments, spend: OddTensor(kind)


def _dictionary(arguments: tuple[Any, ...], spend: Spend) -> Any:
    """Python 2 gave an OrderedDict its pairs, as a list of lists."""
    pairs = arguments[0] if arguments else ()
    if isinstance(pairs, dict):
        return pairs
    found: dict[Any, Any] = {}
    for pair in pairs if isinstance(pairs, list) else ():
        spend(1)
        key, value = pair
        if not isinstance(key, str) or len(key) > LONGEST_PATH:
            raise ValueError("a dictionary has a key that is no word")
        found[key] = value
    return found


def _first(kind: type, empty: Callable[[], Any]) -> Builder:
    """What an object is made of, where it is of this kind; else nothing."""
    return lambda arguments, spend: arguments[0] if arguments and isinstance(arguments[0], kind) else empty()


def _path(arguments: tuple[Any, ...], spend: Spend) -> Any:
    spend(len(arguments))
    if not all(isinstance(part, str) for part in arguments) or sum(map(len, arguments)) > LONGEST_PATH:
        raise ValueError("a path that is none")
    return "/".join(arguments)


def _thing(name: str) -> Builder:
    return lambda arguments, spend: Thing(name, arguments)


def _things(module: str, *names: str) -> dict[str, Builder | None]:
    return {f"{module}.{name}": _thing(f"{module}.{name}") for name in names}


STORAGES: dict[str, tuple[str, int]] = {
    # PyTorch's word for a storage → the type of its numbers, and bytes in one
    "FloatStorage": ("float32", 4),
    "DoubleStorage": ("float64", 8),
    "HalfStorage": ("float16", 2),
    "BFloat16Storage": ("bfloat16", 2),
    "LongStorage": ("int64", 8),
    "IntStorage": ("int32", 4),
    "ShortStorage": ("int16", 2),
    "CharStorage": ("int8", 1),
    "ByteStorage": ("uint8", 1),
    "BoolStorage": ("bool", 1),
    "ComplexFloatStorage": ("complex64", 8),
    "ComplexDoubleStorage": ("complex128", 16),
    "QInt8Storage": ("qint8", 1),
    "QUInt8Storage": ("quint8", 1),
    "QInt32Storage": ("qint32", 4),
    "UntypedStorage": ("uint8", 1),
}
# fmt: off
_DTYPES = (
    "float16", "float32", "float64", "bfloat16", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32",
    "uint64", "bool", "complex64", "complex128", "complex32", "qint8", "quint8", "qint32", "float8_e4m3fn",
    "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu", "half", "float", "double", "long",
    "int", "per_tensor_affine", "per_channel_affine", "preserve_format",
)
# fmt: on
_TENSORS: dict[str, Builder] = {
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _tensor,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter,
    "torch._utils._rebuild_sparse_tensor": _odd("sparse"),
    "torch._utils._rebuild_qtensor": _odd("quantized"),
    "torch._utils._rebuild_meta_tensor_no_storage": _odd("without numbers"),
}
# fmt: off
_OPTIMIZERS = (
    "Adadelta", "Adafactor", "Adagrad", "Adam", "Adamax", "AdamW", "ASGD", "LBFGS", "NAdam", "RAdam", "RMSprop",
    "Rprop", "SGD", "SparseAdam",
)
_SCHEDULES = (
    "ChainedScheduler", "ConstantLR", "CosineAnnealingLR", "CosineAnnealingWarmRestarts", "CyclicLR",
    "ExponentialLR", "LambdaLR", "LinearLR", "MultiplicativeLR", "MultiStepLR", "OneCycleLR", "PolynomialLR",
    "ReduceLROnPlateau", "SequentialLR", "StepLR",
)
# fmt: on
_OMEGACONF = {
    "omegaconf.base": ("ContainerMetadata", "Metadata"),
    "omegaconf.dictconfig": ("DictConfig",),
    "omegaconf.listconfig": ("ListConfig",),
    "omegaconf.nodes": ("AnyNode", "BooleanNode", "FloatNode", "IntegerNode", "PathNode", "StringNode"),
}
# fmt: off
_ATTRIBUTE_DICTS = (
    "pytorch_lightning.utilities.parsing", "lightning.pytorch.utilities.parsing",
    "lightning_fabric.utilities.data", "lightning.fabric.utilities.data",
)
# fmt: on

ALLOWED: dict[str, Builder | None] = {
    **_TENSORS,
    "torch._tensor._rebuild_from_type_v2": _typed,
    "torch.Size": _first(tuple, tuple),
    "torch.device": _first(str, str),
    "torch.serialization._get_layout": _first(str, str),
    **values("torch", "Tensor", *STORAGES, *_DTYPES),
    **values("torch.storage", "UntypedStorage"),
    **values("torch.nn.parameter", "Parameter", "Buffer"),
    **{f"torch.optim.{name.lower()}.{name}": _thing(f"torch.optim.{name}") for name in _OPTIMIZERS},
    **_things("torch.optim.lr_scheduler", *_SCHEDULES),
    "collections.OrderedDict": _dictionary,
    "collections.Counter": _first(dict, dict),
    "collections.defaultdict": lambda arguments, spend: {},
    "collections.deque": _first(list, list),
    **values("builtins", "dict", "list", "int", "float", "str", "bool", "tuple", "object"),
    "builtins.set": _first(list, list),
    "builtins.frozenset": _first(list, list),
    "builtins.bytearray": lambda arguments, spend: None,
    "builtins.bytes": lambda arguments, spend: b"",
    **_things("builtins", "complex", "slice", "range"),
    **BYTES,
    **_things("argparse", "Namespace"),
    **_things("types", "SimpleNamespace"),
    **{f"pathlib.{name}": _path for name in ("Path", "PosixPath", "WindowsPath", "PurePath", "PurePosixPath")},
    "pathlib.PureWindowsPath": _path,
    **_things("datetime", "date", "datetime", "time", "timedelta", "timezone"),
    **ARRAYS,
    **SCALARS,
    **{name: builder for module, names in _OMEGACONF.items() for name, builder in _things(module, *names).items()},
    **values("typing", "Any"),
    **{f"{module}.AttributeDict": _thing("AttributeDict") for module in _ATTRIBUTE_DICTS},
    **_things("yacs.config", "CfgNode"),
    **_things("easydict", "EasyDict"),
}
