"""Which of the artifacts on a device a benchmark takes that names none."""

import pytest

from device_agent.messages.ledger import Deployment, Standing, State
from groupnl_deploy.deploy.ledger import find_deployment


def standing(
    number: int, state: State = "accepted", current: bool = False, newer: bool = False, format: str = "onnx"
) -> Standing:
    name = f"{number:x}" * 64
    deployment = Deployment("pi", name, "net", format, "f" * 64, "2026-11-26T12:00:00+00:00", None)  # type: ignore
    return Standing(deployment, 1, state, current, False, newer)


CURRENT = standing(1, current=True)
CHOICES = [
    ("what is current", [CURRENT, standing(2)], 1),
    ("a push that nobody tried yet", [CURRENT, standing(2, "pending", newer=True)], 2),
    ("the newest of these", [CURRENT, standing(2, "pending", newer=True), standing(3, "pending", newer=True)], 3),
    ("not one that is older than the switch", [standing(2, "pending"), CURRENT], 1),
    ("not one that was refused", [CURRENT, standing(2, "refused", newer=True)], 1),
    ("nothing is current: one that nobody tried", [standing(2, "pending", newer=True), standing(3, "refused")], 2),
    ("nothing is current: the newest", [standing(2, "refused", newer=True), standing(3, "refused", newer=True)], 3),
    ("of the backend's format", [CURRENT, standing(2, "pending", newer=True, format="torch")], 1),
]


@pytest.mark.parametrize(("artifacts", "chosen"), [case[1:] for case in CHOICES], ids=[case[0] for case in CHOICES])
def test_a_benchmark_without_an_artifact_takes(artifacts: list[Standing], chosen: int) -> None:
    assert find_deployment(artifacts, "pi", "onnxruntime", None).artifact_sha256[0] == f"{chosen:x}"


def test_a_named_artifact_is_taken_however_it_stands() -> None:
    artifacts = [CURRENT, standing(2, "refused", newer=True)]
    assert find_deployment(artifacts, "pi", "onnxruntime", "22222222") == artifacts[1].deployment
