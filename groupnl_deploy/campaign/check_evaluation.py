"""What [evaluate] of a campaign file asks for. Imports nothing slow, so that a wrong word shows at once."""

from collections.abc import Sequence

from groupnl_deploy.campaign.config import Campaign, EvaluateConfig
from groupnl_deploy.campaign.words import CampaignMistake, at
from groupnl_deploy.evaluation.asked import Asked, corruptions_of, severities_of
from groupnl_deploy.images.corrupted_datasets import CORRUPTED_DATASETS
from groupnl_deploy.images.datasets import module_of


def check_evaluation(campaign: Campaign) -> None:
    """Raise `UsageError`, which names the place, for an evaluation that cannot be."""
    config = campaign.evaluate
    if config is None:
        return
    if not config.on or len(set(config.on)) < len(config.on):
        raise CampaignMistake(
            f"on is {list(config.on)}: it says what answers, each once.",
            "Write some of checkpoint, artifact and device.",
            ("evaluate", "on"),
        )
    if config.dataset is not None:
        with at("evaluate", "dataset"):
            if config.dataset not in CORRUPTED_DATASETS:
                module_of(config.dataset)
    asked_of(config)
    for model in campaign.models:
        if not campaign.trainings and model.config.checkpoint is None:
            raise CampaignMistake(
                f"[evaluate] is for networks that were trained, and {model.label} keeps its first random weights.",
                "Add [train] with a dataset, or name a trained checkpoint.",
                ("evaluate",),
            )


def asked_of(config: EvaluateConfig) -> Asked:
    """Which images. Raises `UsageError`, which names the place."""
    with at("evaluate", "corruptions"):
        corruptions = corruptions_of(_words(config.corruptions))
    with at("evaluate", "severities"):
        severities = severities_of(_words(config.severities))
    with at("evaluate"):
        return Asked(
            config.dataset,
            config.data,
            config.clean,
            None if config.dataset in CORRUPTED_DATASETS and config.corruptions == "all" else corruptions,
            severities,
            config.seed,
            config.frost,
            config.images,
        )


def _words(value: str | int | Sequence[str] | Sequence[int]) -> str:
    """As on the command line."""
    return str(value) if isinstance(value, str | int) else ",".join(map(str, value))
