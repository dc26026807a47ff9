"""The campaign file of `groupnl run`: strict TOML into a `Campaign`.

A key that is not known, missing or of the wrong type names itself before anything has run. Where a key has a list,
each of its values is tried with all others: `axes.read_points`.
"""

import re
import tomllib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from device_agent.backend_table import BACKENDS
from device_agent.manifest import FORMATS, Format
from device_agent.strict import StrictError, from_dict
from groupnl_deploy.campaign.axes import read_points
from groupnl_deploy.campaign.cell import ExportPoint
from groupnl_deploy.campaign.check import check_campaign
from groupnl_deploy.campaign.config import (
    BenchConfig,
    Campaign,
    EvaluateConfig,
    MeterConfig,
    ModelConfig,
    NamedModel,
    PushConfig,
    ReportConfig,
    TrainConfig,
)
from groupnl_deploy.campaign.words import CampaignMistake, as_typed, at, dotted, in_toml_words, place_in, speaking_of
from groupnl_deploy.errors import UsageError
from groupnl_deploy.words import nearest_word

_USUAL_BACKENDS = ("pytorch", "onnxruntime")


@dataclass(frozen=True)
class _File:
    """The file's tables as TOML has them, before lists become axes."""

    out: str
    models: tuple[Any, ...]
    train: dict[str, Any] | None = None
    export: dict[str, Any] = field(default_factory=dict)
    push: dict[str, Any] = field(default_factory=dict)
    evaluate: EvaluateConfig | None = None
    bench: dict[str, Any] = field(default_factory=dict)
    report: ReportConfig = field(default_factory=ReportConfig)
    schema_version: int = 1


_WAYS_OUT: dict[type[OSError], str] = {
    FileNotFoundError: "Name a campaign file that exists; examples/digits.toml is one to begin with.",
    IsADirectoryError: "Name the campaign's file, not its folder.",
    PermissionError: "Make it readable for you, or name another file.",
}


def load_campaign(path: Path) -> Campaign:
    """Read and check a campaign file. Raises `UsageError`, which names the table, the key and the line."""
    with speaking_of(path):
        campaign = _read(path)
        check_campaign(campaign)
        return campaign


def _read(path: Path) -> Campaign:
    try:
        text = path.read_text(encoding="utf-8")
        with at():
            return _campaign(tomllib.loads(text), path.name)
    except OSError as error:
        raise UsageError(
            f"Cannot read {path}: {error.strerror}.", _WAYS_OUT.get(type(error), "Name another file.")
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not valid TOML: {error}.", "Mend that line.") from error
    except StrictError as error:
        raise _mistake(str(error).removeprefix(path.name), path.name, text) from error


def _mistake(said: str, file: str, text: str) -> CampaignMistake:
    """From the place, in the file's own words, and the problem that a `StrictError` names."""
    described, _, problem = said.partition(":")
    place = as_typed(text, place_in(described))
    key = re.search(r"(?:unknown|missing) key “([^”]+)”|^ (schema_version) ", problem)
    problem = in_toml_words(problem.strip())
    names = [key[1] or key[2]] if key else []
    return CampaignMistake(f"{file}{dotted(place)}: {problem}.", _way_out(problem), (*place, *names))


def _campaign(table: dict[str, Any], name: str) -> Campaign:
    file = from_dict(_File, table, name)
    if not file.out:
        raise CampaignMistake("out is empty.", "Name a folder that may keep everything, such as runs/mine.", ("out",))
    trainings = () if file.train is None else read_points(TrainConfig, file.train, f"{name}.train", seeds="seed")
    formats = _or_else(file.export, "format", "formats", _usual_formats(file.bench))
    exports = read_points(ExportPoint, _batch_as_word(formats), f"{name}.export", formats="format")
    pushes = read_points(PushConfig, file.push, f"{name}.push", devices="device")
    benches = _benches(file.bench, f"{name}.bench", {point.value.format for point in exports})
    devices = tuple(point.value.device for point in pushes)
    return Campaign(
        out=file.out,
        trainings=trainings,
        models=tuple(model for index, one in enumerate(file.models) for model in _models(one, index, name)),
        exports=tuple(point.value for point in exports),
        devices=devices,
        backends=tuple(dict.fromkeys(bench.backend for bench in benches)),
        settings=tuple(dict.fromkeys(bench.settings() for bench in benches)),
        repeats=benches[0].repeats,
        order_seed=benches[0].order_seed,
        profile=benches[0].profile,
        meters=_meters(benches[0], devices),
        report_formats=file.report.formats,
        evaluate=file.evaluate,
    )


def _usual_formats(bench: dict[str, Any]) -> list[str]:
    """Those of the usual backends, and of the file's. What is no backend is refused when [bench] is read."""
    named = bench.get("backends", bench.get("backend", ()))
    words = [*_USUAL_BACKENDS, *(named if isinstance(named, list) else [named])]
    run = {BACKENDS[word].formats[0] for word in words if isinstance(word, str) and word in BACKENDS}
    return [format for format in FORMATS if format in run]


def _models(table: Any, index: int, name: str) -> list[NamedModel]:
    points = read_points(ModelConfig, table, f"{name}.models[{index}]", ("label", "checkpoint", "init", "module"))
    return [NamedModel(replace(point.value, label=f"{point.value.label}{point.suffix}"), index) for point in points]


def _benches(table: dict[str, Any], where: str, formats: Collection[Format]) -> list[BenchConfig]:
    """Threads may stand with the workload, where they stood when they had no list.

    Backends that are left out are the usual ones that run one of the formats.
    """
    workload = table.get("workload")
    if isinstance(workload, dict) and "threads" in workload:
        if "threads" in table:
            raise StrictError(f"{where}.workload.threads: threads stands in two tables")
        rest = {key: value for key, value in workload.items() if key != "threads"}
        table = table | {"workload": rest, "threads": workload["threads"]}
    usual = [backend for backend in _USUAL_BACKENDS if {*BACKENDS[backend].formats} & {*formats}]
    table = _or_else(table, "backend", "backends", usual)
    fixed = ("repeats", "order_seed", "profile", "workload", "meter", "meters")
    return [point.value for point in read_points(BenchConfig, table, where, fixed, backends="backend")]


def _batch_as_word(table: dict[str, Any]) -> dict[str, Any]:
    """One image at a time is a number in TOML, and a word beside "dynamic" everywhere else."""
    if "batch" not in table:
        return table
    given = table["batch"]
    word = [_word(one) for one in given] if isinstance(given, list) else _word(given)
    return table | {"batch": word}


def _word(value: Any) -> Any:
    return str(value) if type(value) is int else value


def _or_else(table: dict[str, Any], name: str, plural: str, usual: list[str]) -> dict[str, Any]:
    """With the usual values where the file has none."""
    return table if name in table or plural in table else table | {plural: usual}


def _meters(bench: BenchConfig, devices: Sequence[str]) -> dict[str, MeterConfig]:
    """The meter of each device that has one: a meter is wired to one board."""
    if bench.meter is None:
        return bench.meters
    if bench.meters:
        raise CampaignMistake("[bench.meter] stands beside [bench.meters].", "Keep one of the two.", ("bench", "meter"))
    if len(devices) > 1:
        raise CampaignMistake(
            f"One meter cannot measure {len(devices)} devices.",
            f"Say whose it is: name its table [bench.meters.{devices[0]}].",
            ("bench", "meter"),
        )
    return {devices[0]: bench.meter}


def _way_out(problem: str) -> str:
    """What to do about a key or a value that the file may not have."""
    unknown = re.fullmatch(r"unknown key “([^”]+)”; known keys are (.*)", problem)
    if unknown and (nearest := nearest_word(unknown[1], unknown[2].split(", "))):
        return f"Did you mean “{nearest}”?"
    return "Mend it in that file; examples/digits.toml is one that runs."
