"""A campaign's evaluations: one for each checkpoint, artifact and device, made once; mistakes have a line."""

from pathlib import Path

import pytest

from groupnl_deploy.campaign.load import load_campaign
from groupnl_deploy.campaign.plan import plan_of
from groupnl_deploy.campaign.report_job import ReportJob
from groupnl_deploy.campaign.run import Choice, list_jobs, run_campaign
from groupnl_deploy.campaign.sources import sources_of
from groupnl_deploy.errors import DeviceUnreachable, UsageError
from groupnl_deploy.evaluation import side_by_side
from groupnl_deploy.evaluation.record import evaluations_in, load_evaluation
from groupnl_deploy.progress import Silence
from tests.evaluation.conftest import Net
from tests.images.test_cifar import Told

MODELS = '[train]\ndataset = "digits"\n[[models]]\nlabel = "a"\nmodel = "resnet18_cifar"\nratio = [2, 4]\n'
ALL = 'on = ["checkpoint", "artifact", "device"]\n'


def write(folder: Path, text: str) -> Path:
    path = folder / "job.toml"
    path.write_text(f'schema_version = 1\nout = "{folder / "out"}"\n{text}')
    return path


def test_each_kind_has_a_job_for_what_it_depends_on_and_the_report_waits_for_all(tmp_path: Path) -> None:
    campaign = load_campaign(write(tmp_path, f"{MODELS}[evaluate]\n{ALL}"))
    plan = plan_of(campaign, sources_of(campaign))
    needs = {job.key: job.needs for job in plan.jobs if job.kind == "evaluate"}
    assert needs == {
        key: value
        for label in ("a", "a-ratio4")
        for key, value in {
            f"evaluate-{label}-checkpoint": (f"train-{label}",),
            f"evaluate-{label}-onnx": (f"export-{label}-onnx",),
            f"evaluate-{label}-torch": (f"export-{label}-torch",),
            f"evaluate-{label}-onnx-onnxruntime-on-local": (f"push-{label}-onnx",),
            f"evaluate-{label}-torch-pytorch-on-local": (f"push-{label}-torch",),
        }.items()
    }
    (report,) = [job for job in plan.jobs if isinstance(job, ReportJob)]
    assert set(needs) < set(report.after) and len(report.evaluations) == len(needs)
    kinds = list(dict.fromkeys(job.kind for job in plan.jobs))
    assert kinds == ["train", "export", "push", "evaluate", "bench", "report"]
    without = load_campaign(write(tmp_path, MODELS))
    assert not [job for job in plan_of(without, sources_of(without)).jobs if job.kind == "evaluate"]


def test_an_evaluation_is_made_once_and_again_where_what_is_asked_for_changed(net: Net, tmp_path: Path) -> None:
    def config(corruptions: str) -> Path:
        asked = f'data = "{net.pictures}"\ncorruptions = {corruptions}\nseverities = [1, 3]\nimages = 5\n'
        model = f'[[models]]\nlabel = "net"\ncheckpoint = "{net.checkpoint}"\n'
        return write(tmp_path, f'{model}[export]\nformats = "onnx"\n[evaluate]\n{asked}')

    only = Choice(only=("evaluate-net-checkpoint",))
    (step,) = run_campaign(load_campaign(config('"brightness,contrast"')), Silence(), only).steps
    record = load_evaluation(Path(step.product))
    assert (record.images.count, list(record.errors)) == (5, ["brightness", "contrast"])
    again = load_campaign(config('["contrast", "brightness"]'))  # the same, in other words
    assert [step.up_to_date for step in run_campaign(again, Silence(), only).steps] == [True]
    (other,) = list_jobs(load_campaign(config('"contrast"')), only)
    assert not other.up_to_date


@pytest.mark.parametrize("end", [KeyboardInterrupt, DeviceUnreachable("The link is gone.", "Plug it in.")])
def test_an_evaluation_that_ended_early_is_gone_on_with(net: Net, tmp_path: Path, monkeypatch, end) -> None:
    asked = f'data = "{net.pictures}"\ncorruptions = ["brightness", "contrast"]\nseverities = [1, 3]\nimages = 5\n'
    model = f'[[models]]\nlabel = "net"\ncheckpoint = "{net.checkpoint}"\n'
    campaign = load_campaign(write(tmp_path, f'{model}[export]\nformats = "onnx"\n[evaluate]\n{asked}'))
    only = Choice(only=("evaluate-net-checkpoint",))
    real, count = side_by_side.ask, 0

    def ending(*arguments: object, **options: object) -> object:
        nonlocal count
        count += 1
        if count == 4:
            raise end
        return real(*arguments, **options)

    monkeypatch.setattr(side_by_side, "ask", ending)
    with pytest.raises((KeyboardInterrupt, DeviceUnreachable)):
        run_campaign(campaign, told := Told(), only)
    assert any("Kept as far as it came" in note for note in told.notes)
    evaluations = tmp_path / "out" / "evaluations"
    (kept,) = (evaluations / ".unfinished").iterdir()
    before = load_evaluation(kept)
    assert len(before.corrupted) == 2 and list(evaluations_in([evaluations])) == []
    count = 100
    (step,) = run_campaign(campaign, told, only).steps
    assert any("Going on behind 2 of 4 corrupted parts" in note for note in told.notes)
    record = load_evaluation(Path(step.product))
    assert (count, record.finished, record.corrupted[:2]) == (102, True, before.corrupted)
    assert list((evaluations / ".unfinished").iterdir()) == []


@pytest.mark.parametrize(
    ("text", "says", "remedy"),
    [
        ('corruptions = ["fog", "snoww"]', r"no corruption “snoww”.*\[evaluate\] corruptions, line 9", "“snow”"),
        ("severities = [0]", r"“0” are no severities.*\[evaluate\] severities, line 9", "such as 1-5"),
        ('dataset = "cifar10d"', r"no dataset “cifar10d”.*\[evaluate\] dataset, line 9", "Did you mean"),
        ("on = []", r"on is \[\].*\[evaluate\] on, line 9", "checkpoint, artifact and device"),
        ('on = ["pi"]', r"'pi' is not one of 'checkpoint', 'artifact', 'device'", "Mend it"),
        ("images = 0", r"\[evaluate\] images is 0, which is less than 1 \(\[evaluate\] images, line 9", "at least 1"),
        ("seed = -1", r"\[evaluate\] seed is -1, which is less than 0", "at least 0"),
        ("severity = 3", r"unknown key “severity”", "Did you mean “severities”?"),
    ],
)
def test_mistakes_are_named_by_their_line(tmp_path: Path, text: str, says: str, remedy: str) -> None:
    single = MODELS.replace("[2, 4]", "2").replace("ratio = 2\n", "")
    with pytest.raises(UsageError, match=says) as caught:
        load_campaign(write(tmp_path, f"{single}[evaluate]\n{text}\n"))
    assert remedy in caught.value.remedy


def test_random_weights_and_missing_images_are_refused_before_anything_is_made(tmp_path: Path) -> None:
    random = '[[models]]\nlabel = "a"\nmodel = "resnet18_cifar"\n[evaluate]\n'
    with pytest.raises(UsageError, match="a keeps its first random weights"):
        load_campaign(write(tmp_path, random))
    published = f'{MODELS}[evaluate]\ndataset = "cifar10c"\ndata = "{tmp_path / "nowhere"}"\n'
    with pytest.raises(UsageError, match="nowhere"):
        list_jobs(load_campaign(write(tmp_path, published)))
