"""What a mistake in a campaign file is called: its table, its key and its line, and no option of the command line.

Errors of deeper layers name the settings by fields, or by options where only the command line was thought of; here
they become the file's words.
"""

import contextlib
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import exporters.errors as export_errors
import power.errors as power_errors
from device_agent.settings import SettingError
from device_agent.strict import StrictError
from groupnl_deploy.errors import GroupNLError, InvalidSetting, UsageError
from groupnl_deploy.models.own import CodeChanged, CodeNotLoaded
from groupnl_deploy.models.refusal import InvalidSpec
from groupnl_deploy.training.recipe_changes import RecipeChanges
from groupnl_deploy.words import EMULATOR_PORT, sentence

Place = tuple[str | int, ...]
"""Tables, indices and a key, such as ("models", 0, "ratio")."""

_WORKLOAD, _METER, _METERS = ("bench", "workload"), ("bench", "meter"), ("bench", "meters")
# How the file may call a key that is read under the last name, the usual way first.
_SPELLINGS: dict[Place, tuple[Place, ...]] = {
    ("train", "seed"): (("train", "seed"), ("train", "seeds")),
    ("export", "format"): (("export", "formats"), ("export", "format")),
    ("push", "device"): (("push", "device"), ("push", "devices")),
    ("bench", "backend"): (("bench", "backends"), ("bench", "backend")),
    ("bench", "threads"): ((*_WORKLOAD, "threads"), ("bench", "threads")),
}
_OF_RECIPES = tuple(field.name for field in fields(RecipeChanges) if field.name != "threads")  # which bench has, too
# Where fields of deeper layers stand in the file, where that is not in the table that was being read.
_PLACES: dict[str, Place] = {
    **{name: (*_WORKLOAD, name) for name in ("images", "idle_s", "warmup_s", "cool_to_c", "cool_within_s")},
    **{name: (*_WORKLOAD, name) for name in ("min_iterations", "min_seconds")},
    **{name: (*_METER, name) for name in ("meter", "port", "sign", "rate_hz")},
    **{name: (*_METER, "emulator", name) for name in ("voltage_v", "idle_a", "busy_a")},
    **{name: ("train", name) for name in ("dataset", "data", "seed", *_OF_RECIPES)},
    **dict.fromkeys(("num_classes", "input_shape"), ("train", "dataset")),
    **{name: ("export", name) for name in ("format", "optimize", "target", "opset", "batch")},
    **{name: ("bench", name) for name in ("backend", "threads", "spinning", "arena", "graph_level", "repeats")},
    **{name: ("bench", name) for name in ("order_seed", "profile")},
    **{name: ("evaluate", name) for name in ("corruptions", "severities", "clean", "frost", "on")},
    "device": ("push", "device"),
    **{name: ("models", name) for name in ("init", "module")},
}
# A key of two tables is that of the one that was being read.
_OF_TWO_TABLES: frozenset[Place] = frozenset({("train", "threads"), ("evaluate", "images"), ("evaluate", "seed")})
_KEYS = {"method": "conv", "name": "model"}
_OPTIONS: dict[str, str] = {
    "--duration": "min_seconds",
    "--seconds": "min_seconds",
    "--iterations": "min_iterations",
    "--warmup": "warmup_s",
    "--cool-to": "cool_to_c",
    "--cool-within": "cool_within_s",
    "--idle": "idle_s",
    "--meter-rate": "rate_hz",
    "--graph-level": "graph_level",
    **{
        f"--{name}": name
        for name in ("threads", "images", "meter", "port", "sign", "epochs", "seed", "dataset", "recipe", "lr")
    },
    **{f"--{name}": name for name in ("corruptions", "severities", "clean", "frost")},
    **{"--batch-size": "batch_size", "--init": "init", "--module": "module", "--no-flip": "flip"},
    **{f"--{name}": name for name in ("format", "optimize", "target", "opset", "batch", "backend", "device")},
}
_TYPES = {"int": "an integer", "float": "a float", "str": "a string", "bool": "a boolean"}
_TYPES |= {"list": "a list", "dict": "a table"}
_NOT_OF_A_CAMPAIGN = ", or wait longer with --wait SECONDS"  # it waits as long as push and bench do by default
_VALUE = re.compile(rf"(--[a-z][a-z-]*)(?:[ =](-?\d[\w.]*|/[\w/.-]+|{EMULATOR_PORT}\b|km003c[\w-]*|onnx\b|torch\b))?")
_SET = re.compile(r"--set ([a-z]\w*)=([\w.,-]*\w)")
_COMMAND = re.compile(r"`?groupnl [a-z]+[^.;,`]*`?")


class CampaignMistake(UsageError):
    """A mistake in the campaign file at a known place."""

    def __init__(self, message: str, remedy: str, place: Place) -> None:
        super().__init__(message, remedy)
        self.place = place

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}"


@contextlib.contextmanager
def at(*place: str | int) -> Iterator[None]:
    """What is wrong in the block comes from this place of the file: a table, or a key of one."""
    try:
        yield
    except CampaignMistake:
        raise
    except CodeNotLoaded as error:
        beside = f'Name it beside the checkpoint: module = "{error.origin}".'
        remedy = error.remedy if isinstance(error, CodeChanged) else beside
        raise CampaignMistake(f"{sentence(error.problem)}.", remedy, place) from error
    except InvalidSpec as error:
        raise CampaignMistake(
            sentence(_with_keys(f"{error.problem}.", error.fields, place)),
            _with_keys(error.remedy, error.fields, place),
            _first(error.fields, place),
        ) from error
    except StrictError as error:
        if not isinstance(error.__cause__, SettingError):
            raise
        raise _mistaken_setting(error.__cause__, place) from error
    except (InvalidSetting, SettingError) as error:
        raise _mistaken_setting(error, place) from error
    except UsageError as error:
        raise CampaignMistake(_without_options(error.message), _without_options(error.remedy), place) from error


def at_images(table: str, data: str | None) -> contextlib.AbstractContextManager[None]:
    """`at` the key that says where a table's images lie, else the one that names them."""
    return at(table, "dataset" if data is None else "data")


def _mistaken_setting(error: InvalidSetting | SettingError, place: Place) -> CampaignMistake:
    message, remedy = error.worded(lambda field: key_name(_place_of(field, place)))
    return CampaignMistake(message, remedy, _first(error.fields, place))


@contextlib.contextmanager
def speaking_of(path: Path) -> Iterator[None]:
    """Errors that leave the block name the line of this file, or at least its keys and not options."""
    try:
        yield
    except CampaignMistake as error:
        message, remedy = (_respelled(path, text) for text in (error.message, error.remedy))
        raise UsageError(f"{message.rstrip('.')} ({where(path, error.place)}).", remedy) from error
    except (GroupNLError, power_errors.PowerError, export_errors.ExportError) as error:
        named = _options_in(f"{error.message} {error.remedy}")
        error.message, error.remedy = _without_options(error.message), _without_options(error.remedy)
        if named:
            error.message = f"{error.message.rstrip('.')} ({where(path, _PLACES[_OPTIONS[named[0][0]]])})."
        raise


def _respelled(path: Path, sentence: str) -> str:
    """With the file's own spellings for the names of keys."""
    text = path.read_text(encoding="utf-8")
    for place in _SPELLINGS:
        sentence = re.sub(rf"{re.escape(key_name(place))}\b", key_name(as_typed(text, place)), sentence)
    if _METER in dict(_lines(text)):
        return re.sub(r"\[bench\.meters\.[^\].]+", "[bench.meter", sentence)
    return sentence


def as_typed(text: str, place: Place) -> Place:
    """The place as the file spells it, else as people usually do."""
    spellings = _SPELLINGS.get(place, (place,))
    known = dict(_lines(text))
    if place[:2] == _METERS and _METER in known:  # the table of an only device need not name it
        return (*_METER, *place[3:])
    return next((spelling for spelling in spellings if spelling in known), spellings[0])


def where(path: Path, place: Place) -> str:
    """Such as "[bench.workload] idle_s, line 12 of job.toml"; the line of the table where the key is left out."""
    text = path.read_text(encoding="utf-8")
    place = as_typed(text, place)
    line = line_of(text, place)
    return f"{key_name(place)}, " * bool(place) + ("" if line is None else f"line {line} of ") + str(path)


def key_name(place: Place) -> str:
    """A place as people write it: "[train] epochs", "[[models]] number 2, ratio"."""
    if place[:1] == ("models",) and place[1:] and isinstance(place[1], str):
        return f"[[models]] {place[1]}"  # of whichever
    if place and place[0] == "models":
        number = f" number {int(place[1]) + 1}" if len(place) > 1 else ""
        return f"[[models]]{number}" + (f", {place[2]}" if len(place) > 2 else "")
    *tables, key = [str(part) for part in place if not isinstance(part, int)] or [""]
    return f"[{'.'.join(tables)}] {key}" if tables else key


def place_in(described: str) -> Place:
    """The place that a `StrictError` gives behind the file's name: ".models[0].ratio"."""
    parts = re.findall(r"\.?([\w-]+)|\[(\d+)\]", described)
    return tuple(int(index) if index else name for name, index in parts)


def dotted(place: Place) -> str:
    """The inverse of `place_in`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)


def in_toml_words(problem: str) -> str:
    """With what a TOML file calls them for Python's types and values."""
    for python, toml in _TYPES.items():
        problem = re.sub(rf"\b(expected|found) {python}(?=,|$)", rf"\1 {toml}", problem)
    return re.sub(r"\b(found )?(True|False)(?=$| stands| is not)", lambda found: found[0].lower(), problem)


def line_of(text: str, place: Place) -> int | None:
    """The line of a key, else of the table it belongs to; None where nothing of it is in the text."""
    lines = dict(_lines(text))
    nearest = (place[:length] for length in range(len(place), 0, -1))
    found = (lines.get(one, lines.get((*one, 0))) for one in nearest)  # 0: a table that is written as one of several
    return next((line for line in found if line is not None), None)


def _lines(text: str) -> Iterator[tuple[Place, int]]:
    """Every table and key with the line where it first stands."""
    table: Place = ()
    count: dict[Place, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if header := re.match(r"\s*\[\[([^\]]+)\]\]", line):
            names = _dotted(header[1])
            table = (*names, count.setdefault(names, 0))
            count[names] += 1
            yield table, number
        elif header := re.match(r"\s*\[([^\[\]]+)\]\s*(?:#.*)?$", line):
            table = _dotted(header[1])
            yield table, number
        elif key := re.match(r"""\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*[\w-]+)*)\s*=""", line):
            yield (*table, *_dotted(key[1])), number


def _dotted(names: str) -> Place:
    return tuple(name.strip().strip("\"'") for name in names.split("."))


def _place_of(field: str, table: Place) -> Place:
    """Where a field is set, when the mistake was found in `table`."""
    field = field.partition(" ")[0]  # "input_shape height"
    if table[:2] == _METERS and _PLACES.get(field, ())[:2] == _METER:
        return (*table[:3], *_PLACES[field][2:])
    if field in _PLACES and (*table, field) not in _OF_TWO_TABLES:
        return _PLACES[field]
    return (*table[:2], _KEYS.get(field, field)) if table[:1] == ("models",) else (*table, field)


def _first(fields: tuple[str, ...], table: Place) -> Place:
    return _place_of(fields[0], table) if fields else table


def _with_keys(text: str, fields: tuple[str, ...], table: Place) -> str:
    """With the file's keys for the fields of a specification."""
    for field in fields:
        text = re.sub(rf"\b{re.escape(field)}\b", str(_place_of(field, table)[-1]), text)
    return text


def _without_options(text: str) -> str:
    """With the file's keys for options, and without those that a campaign has no word for."""
    text = _SET.sub(_as_key, text.replace(_NOT_OF_A_CAMPAIGN, ""))
    for option, value in _options_in(text):
        key = key_name(_PLACES[_OPTIONS[option]])
        found = re.compile(rf"{option}[ =]{re.escape(value)}" if value else rf"{option}(?![\w-])")
        text = found.sub(f"{key} = {_written(value)}" if value else key, text, count=1)
    return text


def _as_key(said: re.Match[str]) -> str:
    """What `--set` says of a recipe, as the file's key."""
    return f"{key_name(('train', said[1]))} = {_written(said[2])}"


def _written(value: str) -> str:
    return value if re.fullmatch(r"-?\d[\d.e+-]*", value) else f"“{value}”"


def _options_in(text: str) -> list[tuple[str, str]]:
    """The options that are keys of the file, with values; not those of commands, which are typed as they stand."""
    commands = [match.span() for match in _COMMAND.finditer(text)]
    return [
        (match[1], match[2] or "")
        for match in _VALUE.finditer(text)
        if match[1] in _OPTIONS and not any(begin <= match.start() < end for begin, end in commands)
    ]
