"""What a campaign file says: its tables, one value for each key, and the campaign that they make together."""

from dataclasses import dataclass, field
from typing import Any, Literal

from device_agent.settings import GraphLevel, SettingError, Settings, Workload
from groupnl_deploy.bench.meter import EmulatedLoad, MeterPlan
from groupnl_deploy.campaign.axes import Point
from groupnl_deploy.campaign.cell import ExportPoint
from groupnl_deploy.images.source import DataSource, shape_of
from groupnl_deploy.models.knobs import turned, with_knobs
from groupnl_deploy.models.spec import Padding, Semantics
from groupnl_deploy.report.formats import FileFormat
from groupnl_deploy.training.recipe_changes import RecipeChanges

MOST_REPEATS = 1000


@dataclass(frozen=True, kw_only=True)
class ImagesConfig:
    """Which images: a data set, the folder of one that lies in one, and what images become, such as "3,64,64"."""

    dataset: str
    data: str | None = None
    input: str | None = None

    @property
    def source(self) -> DataSource:
        """Which images. Raises `UsageError` for a shape that is none."""
        return DataSource(self.dataset, self.data, None if self.input is None else shape_of("input", self.input))


@dataclass(frozen=True, kw_only=True)
class TrainConfig(RecipeChanges, ImagesConfig):
    """How every net of the campaign is trained, and on what. What is left out stays as the recipe has it."""

    seed: int = 0


@dataclass(frozen=True)
@with_knobs(lambda knob: knob.type | None)
class ModelConfig:
    """One net of the campaign, or a checkpoint that is there; `label` names its folders.

    `checkpoint` is such a folder, imported and untrained ones included; then it stands alone with the label. So does
    `init`, the folder of one that the training begins with.
    `module` is a network of the user's own in place of `model`, FILE.py:FUNCTION; beside `checkpoint` or `init` it
    names the code again that made the checkpoint. It is run where the user allows it.
    `conv` is one of `CONVOLUTIONS`; without it an alias says the convolution, and any other name means GroupNL.
    `padding` and `bn_eps` are `ModelSpec`'s; every knob of `Knobs` is a field as well. What is left out stays as the
    papers have it.
    """

    label: str
    model: str | None = None
    checkpoint: str | None = None
    init: str | None = None
    module: str | None = None
    conv: str | None = None
    semantics: Semantics = "released"
    width: float = 1.0
    padding: Padding | None = None
    bn_eps: float | None = None

    @property
    def knobs(self) -> dict[str, Any]:
        """The fields of `ConvSpec` that the file names."""
        return turned(self)


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
class BenchConfig:
    """One backend under one set of settings; and, for all of them, how often, the workload, and the meters.

    In each round of `repeats` all are measured once, in a random order that `order_seed` decides. With `profile` each
    benchmark takes the time of each operator, behind all else.
    `meter` is that of the only device; `meters` has one for each device that has any.
    """

    backend: str
    threads: int = Settings.threads
    spinning: bool = Settings.spinning
    arena: bool = Settings.arena
    graph_level: GraphLevel = Settings.graph_level
    repeats: int = 1
    order_seed: int = 0
    profile: bool = False
    workload: Workload = field(default_factory=Workload)
    meter: MeterConfig | None = None
    meters: dict[str, MeterConfig] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.settings()  # refuses numbers and words that are none
        if not 1 <= self.repeats <= MOST_REPEATS:
            raise SettingError(
                f"{{repeats}} is {self.repeats:,}, which is not between 1 and {MOST_REPEATS:,}.",
                "Choose a number in this range.",
                "repeats",
            )

    def settings(self) -> Settings:
        """Of the benchmark."""
        return Settings(self.threads, self.spinning, self.arena, self.graph_level, self.workload)


On = Literal["checkpoint", "artifact", "device"]


@dataclass(frozen=True)
class EvaluateConfig:
    """Which corrupted images every network is asked, as `groupnl evaluate` does, and what answers.

    `corruptions` and `severities` are words as on the command line, or lists. Without `dataset` the images are those
    that the network was trained on. `on` is what answers: each checkpoint here, each artifact here, each artifact on
    each device by each backend.
    """

    corruptions: str | tuple[str, ...] = "all"
    severities: str | int | tuple[int, ...] = "1-5"
    dataset: str | None = None
    data: str | None = None
    clean: str | None = None
    frost: str | None = None
    seed: int = 0
    images: int | None = None
    on: tuple[On, ...] = ("checkpoint",)


@dataclass(frozen=True)
class ReportConfig:
    """Files the report is written to, besides the table on the terminal."""

    formats: tuple[FileFormat, ...] = ("json", "csv", "markdown", "html")


@dataclass(frozen=True)
class NamedModel:
    """A net with a label of its own, and the number of its table in the file, from 0."""

    config: ModelConfig
    table: int

    @property
    def label(self) -> str:
        """Names its folders."""
        return self.config.label


@dataclass(frozen=True)
class Campaign:
    """Everything `groupnl run` does, axis by axis, and the folder that keeps all of it.

    Without trainings a net keeps its first random weights.
    """

    out: str
    trainings: tuple[Point[TrainConfig], ...]
    models: tuple[NamedModel, ...]
    exports: tuple[ExportPoint, ...]
    devices: tuple[str, ...]
    backends: tuple[str, ...]
    settings: tuple[Settings, ...]
    repeats: int
    order_seed: int
    profile: bool
    meters: dict[str, MeterConfig]
    report_formats: tuple[FileFormat, ...]
    evaluate: EvaluateConfig | None = None
