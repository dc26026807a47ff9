"""The campaign file of `groupnl run`: strict TOML into frozen dataclasses, every key known or refused.

A key that is not known, missing or of the wrong type names itself before anything has run.
"""

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

from device_agent.manifest import Format
from device_agent.settings import Settings, Workload
from device_agent.strict import StrictError, from_dict
from device_agent.wire import BACKENDS
from exporters.choices import DEFAULT_LEVEL, DEFAULT_TARGET, Level, Target
from groupnl_deploy.bench.meter import EmulatedLoad, MeterPlan
from groupnl_deploy.bench.metered import require_measurable
from groupnl_deploy.campaign.words import CampaignMistake, at, in_toml_words, place_in, speaking_of
from groupnl_deploy.errors import UsageError
from groupnl_deploy.models.spec import KNOBS, BnPosition, Method, Nonlinearity, Padding, Range, Semantics
from groupnl_deploy.words import known_word, nearest_word

# Those of a whole network: "depthwise" is a layer for rules of one's own.
CONVOLUTIONS: tuple[Method, ...] = tuple(method for method in get_args(Method) if method != "depthwise")


@dataclass(frozen=True)
class TrainConfig:
    """How every net of the campaign is trained. What is left out keeps the recipe's default."""

    dataset: str
    epochs: int | None = None
    seed: int = 0


@dataclass(frozen=True)
class ModelConfig:
    """One net of the campaign; `label` names its folders.

    `conv` is one of `CONVOLUTIONS`; without it an alias says the convolution, and any other name means GroupNL.
    `padding` and `bn_eps` are `ModelSpec`'s, the other fields `ConvSpec`'s; what is left out stays as the papers have
    it.
    """

    label: str
    model: str
    conv: str | None = None
    semantics: Semantics = "released"
    width: float = 1.0
    ratio: int | None = None
    nl_groups: int | None = None
    nlf: Nonlinearity | None = None
    normalize: bool | None = None
    phi_sign: Literal[1, -1] | None = None
    phi_range: Range | None = None
    omega_range: Range | None = None
    bn_position: BnPosition | None = None
    group_size: int | None = None
    num_groups: int | None = None
    padding: Padding | None = None
    bn_eps: float | None = None

    @property
    def knobs(self) -> dict[str, Any]:
        """The fields of `ConvSpec` that the file names."""
        named = {name: getattr(self, name) for name in sorted(frozenset().union(*KNOBS.values()))}
        return {name: value for name, value in named.items() if value is not None}


@dataclass(frozen=True)
class ExportConfig:
    """Formats each net is exported to; the others are those of `groupnl export`, for ONNX."""

    formats: tuple[Format, ...] = ("onnx", "torch")
    optimize: Level = DEFAULT_LEVEL
    target: Target = DEFAULT_TARGET


@dataclass(frozen=True)
class PushConfig:
    """Where the artifacts go: a name from `groupnl device list`."""

    device: str = "local"


@dataclass(frozen=True)
class MeterConfig:
    """The meter, if any. The port `emulator` starts the project's own, whose numbers are marked emulated.

    Without a port the one meter that is plugged in is taken; `rate_hz` is for the meters that can be told.
    """

    meter: str
    port: str | None = None
    sign: int = 1
    rate_hz: int | None = None
    emulator: EmulatedLoad = field(default_factory=EmulatedLoad)

    def plan(self) -> MeterPlan:
        """The plan that a session takes."""
        return MeterPlan(self.meter, self.port, self.sign, self.emulator, self.rate_hz)


@dataclass(frozen=True)
class WorkloadConfig(Workload):
    """The workload, and the threads, which have no table of their own."""

    threads: int = Settings.threads

    def __post_init__(self) -> None:
        super().__post_init__()
        Settings(self.threads)  # refuses a number that is none


@dataclass(frozen=True)
class BenchConfig:
    """Backends, the workload, and the meter."""

    backends: tuple[str, ...] = ("pytorch", "onnxruntime")
    workload: WorkloadConfig = field(default_factory=WorkloadConfig)
    meter: MeterConfig | None = None

    @property
    def settings(self) -> Settings:
        """The settings of every benchmark."""
        workload = {field.name: getattr(self.workload, field.name) for field in fields(Workload)}
        return Settings(self.workload.threads, workload=Workload(**workload))


@dataclass(frozen=True)
class ReportConfig:
    """Files the report is written to, besides the table on the terminal."""

    formats: tuple[Literal["json", "csv", "markdown"], ...] = ("json", "csv", "markdown")


@dataclass(frozen=True)
class Campaign:
    """Everything `groupnl run` does, and the folder that keeps all of it."""

    out: str
    train: TrainConfig
    models: tuple[ModelConfig, ...]
    export: ExportConfig = field(default_factory=ExportConfig)
    push: PushConfig = field(default_factory=PushConfig)
    bench: BenchConfig = field(default_factory=BenchConfig)
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
        return _load(path)


def _load(path: Path) -> Campaign:
    try:
        with at():
            campaign = from_dict(Campaign, tomllib.loads(path.read_text(encoding="utf-8")), path.name)
    except OSError as error:
        raise UsageError(
            f"Cannot read {path}: {error.strerror}.", _WAYS_OUT.get(type(error), "Name another file.")
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not valid TOML: {error}.", "Mend that line.") from error
    except StrictError as error:
        described, _, problem = str(error).removeprefix(path.name).partition(":")
        key = re.search(r"(?:unknown|missing) key “([^”]+)”|^ (schema_version) ", problem)
        place = (*place_in(described), *([key[1] or key[2]] if key else []))
        said = in_toml_words(problem.strip())
        raise CampaignMistake(f"{path.name}{described}: {said}.", _way_out(said), place) from error
    _check(campaign)
    return campaign


def _way_out(problem: str) -> str:
    """What to do about a key or a value that the file may not have."""
    unknown = re.fullmatch(r"unknown key “([^”]+)”; known keys are (.*)", problem)
    if unknown and (nearest := nearest_word(unknown[1], unknown[2].split(", "))):
        return f"Did you mean “{nearest}”?"
    return "Mend it in that file; examples/digits.toml is one that runs."


def _check(campaign: Campaign) -> None:
    _check_labels(campaign.models)
    for index, model in enumerate(campaign.models):
        if model.conv is not None:
            with at("models", index, "conv"):
                known_word("convolution", model.conv, CONVOLUTIONS)
    with at("bench", "backends"):
        for backend in campaign.bench.backends:
            known_word("backend", backend, BACKENDS)
    with at("export", "formats"):
        for backend in campaign.bench.backends:
            _require_format(backend, campaign.export.formats)
    if campaign.bench.meter is not None:
        with at("bench", "meter", "meter"):
            campaign.bench.meter.plan().require_live()  # an unknown meter or sign is refused before the training
            require_measurable(campaign.bench.settings.workload)


def _check_labels(models: Sequence[ModelConfig]) -> None:
    labels = [model.label for model in models]
    wrong = (index for index, label in enumerate(labels) if not _plain(label) or label in labels[:index])
    index = next(wrong, None)
    if index is not None or not labels:
        raise CampaignMistake(
            "Every entry of [[models]] needs a label of its own, of letters, digits, dots and dashes.",
            "Give the models different labels." if labels else "Add an entry [[models]] with a label and a model.",
            ("models",) if index is None else ("models", index, "label"),
        )


def _require_format(backend: str, formats: Sequence[Format]) -> None:
    if not set(BACKENDS[backend].formats) & set(formats):
        raise UsageError(
            f"The backend {backend} needs the format {BACKENDS[backend].formats[0]}, which [export] does not make.",
            f"Add “{BACKENDS[backend].formats[0]}” to formats in [export].",
        )


def _plain(label: str) -> bool:
    return bool(label) and all(letter.isalnum() or letter in "-_." for letter in label) and label[0] not in "-."
