"""From a word of the command line, "net.py:net" or "nets.small:net", to a network that `create_model` can build.

This is the only place that imports a user's code, and it imports what it is told and nothing else: no path of a
checkpoint, an artifact, a manifest or a campaign ever comes here but through the user's own command.
"""

import ast
import importlib
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from groupnl_deploy.errors import UsageError
from groupnl_deploy.models.own import provide
from groupnl_deploy.models.refusal import InvalidSpec
from groupnl_deploy.models.spec import CodeOrigin, ModelSpec
from groupnl_deploy.own_code.blame import users_code
from groupnl_deploy.own_code.neighbours import Neighbours
from groupnl_deploy.words import nearest_word
from groupnl_deploy.workspace import sha256_hex

if TYPE_CHECKING:
    from torch import nn

GIVEN = ("num_classes", "input_shape", "in_channels", "width")
"""What a function is called with, of these what its signature names."""
_EXAMPLE = "Write FILE.py:FUNCTION, such as net.py:net."


@dataclass(frozen=True, eq=False)
class OwnCode:
    """A user's function that makes a network.

    Args:
        origin: what a record keeps of it.
        folder: where its code lies.
        takes: which of `GIVEN` it is called with.
        defaults: what it has for those by itself.
    """

    origin: CodeOrigin
    folder: Path
    takes: tuple[str, ...]
    defaults: dict[str, Any]


def load_code(word: str) -> OwnCode:
    """Run the file or module that the user named, and make its network known to `create_model`.

    The folder of a file, or the working directory for a module, is where it may import its neighbours from. The digest
    is of the file alone, or of it and every neighbour that it imports; what is installed is no neighbour.

    Raises `UsageError` for a word that names no such function and for whatever its code raises.
    """
    place, function_name = _parsed(word)
    neighbours, module, digest = _imported(place)
    function = _function(module, function_name, place)
    origin = CodeOrigin(place.name if isinstance(place, Path) else place, function_name, digest)
    takes, defaults = _signature(function, origin)
    provide(origin, _Factory(origin, function, takes, neighbours))
    return OwnCode(origin, neighbours.folder, takes, defaults)


class _Factory:
    """Makes the network of a spec by the user's function."""

    def __init__(
        self, origin: CodeOrigin, function: Callable[..., Any], takes: tuple[str, ...], neighbours: Neighbours
    ) -> None:
        self._origin, self._function, self._takes, self._neighbours = origin, function, takes, neighbours

    def __call__(self, spec: ModelSpec) -> "nn.Module":
        """Raises `UsageError` for what the code raises, and for what is no network that can be trained and exported."""
        from groupnl_deploy.own_code.network import require_network

        if spec.width != 1 and "width" not in self._takes:
            raise InvalidSpec(
                f"width is {spec.width:g}, and {self._origin} takes no width", "Leave width out.", "width"
            )
        values = (spec.num_classes, spec.input_shape, spec.input_shape[0], spec.width)
        given = {name: value for name, value in zip(GIVEN, values, strict=True) if name in self._takes}
        known = set(self._neighbours.modules)
        with self._neighbours.at_home(), users_code(f"{self._origin} cannot be called", self._neighbours.folder):
            made = self._function(**given)
        late = sorted(set(self._neighbours.modules) - known)
        if late:
            raise UsageError(
                f"{self._origin} imports {late[0]} when it is called, so that its digest was not kept.",
                f"Import {late[0]} at the top of {self._origin.file}.",
            )
        return require_network(made, self._origin)


def _parsed(word: str) -> tuple[Path | str, str]:
    """(a file, or a module's dotted name; the function). Raises `UsageError`."""
    place, colon, function = word.rpartition(":")
    if not colon or not place or not function.isidentifier():
        raise _no_function(word if not colon else place, function if colon else "")
    path = Path(place)
    if path.suffix == ".py" or len(path.parts) > 1:
        _require_file(path)
        return path, function
    if not all(part.isidentifier() for part in place.split(".")):
        raise UsageError(f"“{place}” is neither a Python file nor a module.", _EXAMPLE)
    return place, function


def _no_function(place: str, function: str) -> UsageError:
    """For a word without a function that can be one; those that the file has, without running it."""
    path = Path(place)
    said = f"--module {place}:{function} names no function." if function else f"--module {place} names no function."
    if path.suffix != ".py" or not path.is_file():
        return UsageError(said, _EXAMPLE)
    with users_code(f"{path} cannot be read", path.parent.resolve()):
        names = [one.name for one in ast.parse(path.read_bytes()).body if isinstance(one, ast.FunctionDef)]
    return UsageError(said, f"Write {path}:{names[-1]}." if names else "Write one that makes and returns the network.")


def _require_file(path: Path) -> None:
    if path.is_file():
        return
    if path.is_dir():
        raise UsageError(f"{path} is a folder.", "Name the Python file in it: FILE.py:FUNCTION.")
    beside = [one.name for one in path.parent.glob("*.py")] if path.parent.is_dir() else []
    nearest = nearest_word(path.name, beside)
    raise UsageError(f"{path} does not exist.", f"Did you mean {path.with_name(nearest)}?" if nearest else _EXAMPLE)


def _imported(place: Path | str) -> tuple[Neighbours, ModuleType, str]:
    if isinstance(place, str):
        return _module(place)
    neighbours, data = Neighbours(place.resolve().parent), place.read_bytes()
    digest = sha256_hex(data)
    module = ModuleType(neighbours.name_of(place.stem, digest))
    module.__file__ = str(place.resolve())
    sys.modules[module.__name__] = module  # where dataclasses and TorchScript look for it
    with neighbours.at_home(), users_code(f"{place} cannot be imported", neighbours.folder):
        exec(compile(data, module.__file__, "exec"), vars(module))  # the very bytes of the digest
    beside = neighbours.digests()
    return neighbours, module, _together({place.name: digest} | beside) if beside else digest


def _module(name: str) -> tuple[Neighbours, ModuleType, str]:
    """A module that lies below the working directory, or is installed; the latter's digest is of its file alone."""
    here = Neighbours(Path())
    with here.at_home(), users_code(f"the module {name} cannot be imported", here.folder):
        module = importlib.import_module(name)
    if module.__file__ is None:
        raise UsageError(f"{name} is a package without a file.", "Name the module in it that has the function.")
    if here.modules:
        return here, module, _together(here.digests())
    return here, module, sha256_hex(Path(module.__file__).read_bytes())


def _together(digests: dict[str, str]) -> str:
    """Of several files: the digest of the list that `sha256sum` would write of them."""
    return sha256_hex("".join(f"{digests[name]}  {name}\n" for name in sorted(digests)).encode())


def _function(module: ModuleType, name: str, place: Path | str) -> Callable[..., Any]:
    if not hasattr(module, name):
        known = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        own = [key for key in known if getattr(getattr(module, key), "__module__", None) == module.__name__]
        nearest = nearest_word(name, own or known)
        has = f"it has {', '.join(sorted(own))}" if own else "it defines no function"
        raise UsageError(
            f"{place} has no function “{name}”; {has}.",
            f"Did you mean {place}:{nearest}?" if nearest else "Name the function that makes the network.",
        )
    function: Any = getattr(module, name)
    if _is_module_object(function):
        raise UsageError(
            f"{name} in {place} is a network, not a function that makes one, and so has the same weights every time.",
            f"Write a function that makes and returns it, and name that in place of {name}.",
        )
    if not callable(function):
        raise UsageError(
            f"{name} in {place} is a {type(function).__name__}, which cannot be called.",
            "Name the function, or the class, that makes the network.",
        )
    called: Callable[..., Any] = function
    return called


def _is_module_object(value: object) -> bool:
    from torch import nn

    return isinstance(value, nn.Module)


def _signature(function: Callable[..., Any], origin: CodeOrigin) -> tuple[tuple[str, ...], dict[str, Any]]:
    """What of `GIVEN` it names, and its defaults for them. Raises `UsageError` where it needs what nobody gives."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # of C, perhaps; it is called with nothing
        return (), {}
    plain = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    needed = [
        one.name
        for one in parameters
        if one.default is one.empty
        and one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
        and (one.name not in GIVEN or one.kind not in plain)
    ]
    if needed:
        raise UsageError(
            f"{origin} needs {' and '.join(needed)}; a network's function is called with {', '.join(GIVEN[:-1])} and "
            f"{GIVEN[-1]}, whichever of these it names.",
            f"Give {' and '.join(needed)} a default, or write a function without.",
        )
    named = [one for one in parameters if one.name in GIVEN and one.kind in plain]
    return tuple(one.name for one in named), {one.name: one.default for one in named if one.default is not one.empty}
