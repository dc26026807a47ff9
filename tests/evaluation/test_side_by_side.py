"""Several networks under corruptions: the same images, the same draws, and what an early end leaves."""

import contextlib
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn.functional import one_hot

from device_agent.manifest import PICKED
from groupnl_deploy.errors import DeviceUnavailable, UsageError
from groupnl_deploy.evaluation import side_by_side
from groupnl_deploy.evaluation.asked import Asked, corruptions_of, severities_of
from groupnl_deploy.evaluation.chosen import choose
from groupnl_deploy.evaluation.contender import contender, created_now, of_subject
from groupnl_deploy.evaluation.going_on import kept_of
from groupnl_deploy.evaluation.record import keep
from groupnl_deploy.evaluation.robustness import ALL, USUAL
from groupnl_deploy.evaluation.side_by_side import EndedEarly, evaluate_side_by_side
from groupnl_deploy.images.confusion import count_confusion
from groupnl_deploy.images.in_memory import InMemoryImages
from groupnl_deploy.progress import Silence
from groupnl_deploy.training.evaluate import EvaluationImages, ask
from tests.evaluation.toy_corruptions import TOYS, generated
from tests.images.cifar_c_files import write_folder

THREE = ("gaussian_noise", "fog", "contrast")


@pytest.fixture
def asked(net):
    return Asked(data=str(net.pictures), corruptions=THREE, severities=(1, 5))


def evaluated(contenders, asked, reporter=None):
    images = choose([one.subject for one in contenders], asked, reporter or Silence(), generated)
    return evaluate_side_by_side(contenders, images, reporter or Silence(), asked.batch_size)


def test_a_checkpoint_and_its_artifact_answer_alike_to_the_same_corrupted_images(net, artifacts, asked):
    folders = (net.checkpoint, artifacts["onnx", "1"])
    of_checkpoint, of_artifact = evaluated([contender(folder, Silence()) for folder in folders], asked)
    assert of_checkpoint.errors == of_artifact.errors
    assert list(of_checkpoint.errors) == list(THREE)
    assert of_checkpoint.clean.accuracy > 0.9 > 1 - of_checkpoint.errors["contrast"][5]
    assert of_artifact.subject.checkpoint_sha256 == of_checkpoint.subject.checkpoint_sha256
    assert (of_checkpoint.subject.kind, of_artifact.subject.kind) == ("checkpoint", "artifact")
    assert of_checkpoint.finished
    which = of_checkpoint.images.which[:8]
    said = f"folder, generated, 3 corruptions ({', '.join(THREE)}) at severities 1, 5, images {which}"
    assert of_checkpoint.measured == said
    assert of_checkpoint.clean.right_in_five is None  # it has three classes


def test_of_images_that_picked_the_epoch_each_network_says_so(net, artifacts, asked):
    last = contender(net.checkpoint, Silence())
    best = replace(last, subject=replace(last.subject, picked=True))
    records = evaluated([last, best], replace(asked, severities=(1,), images=3))
    assert [PICKED in record.images.notes for record in records] == [False, True]
    part = choose([last.subject], asked, Silence(), generated).parts[0]()
    others = replace(part, data=replace(part.data, sha256="0" * 64))
    assert part.for_subject(best.subject)[1] == (PICKED,) and not others.for_subject(best.subject)[1]


def test_alone_or_together_and_in_any_batches_the_numbers_are_the_same(net, artifacts, asked):
    one = contender(net.checkpoint, Silence())
    together = evaluated([one, contender(artifacts["onnx", "1"], Silence())], asked)[0]
    alone = evaluated([one], replace(asked, batch_size=5))[0]
    assert replace(alone, created_at=together.created_at) == together
    other = evaluated([one], replace(asked, seed=7))[0]
    assert (other.images.seed, other.images.origin) == (7, "generated")


def test_some_of_the_images_are_the_same_ones_clean_and_corrupted(net, asked):
    one = contender(net.checkpoint, Silence())
    first, again = (choose([one.subject], replace(asked, images=5), Silence(), generated) for _ in range(2))
    chosen = [part().chosen for part in first.parts]
    assert all(part == chosen[0] for part in chosen)
    assert chosen[0] == again.parts[0]().chosen
    assert (first.record.count, first.record.of, first.total) == (5, 12, 5 * 7)
    record = evaluate_side_by_side([one], first, Silence())[0]
    assert "5 of 12 images" in record.measured
    assert record.robustness.mean_error.whole is False


def test_ctrl_c_leaves_the_parts_that_came_to_their_end_for_every_network(net, artifacts, asked, monkeypatch):
    count = 0

    def interrupted(*args, **kwargs):
        nonlocal count
        count += 1
        if count == 8:  # the fourth part's second network
            raise KeyboardInterrupt
        return ask(*args, **kwargs)

    monkeypatch.setattr(side_by_side, "ask", interrupted)
    two = [contender(folder, Silence()) for folder in (net.checkpoint, artifacts["onnx", "1"])]
    with pytest.raises(EndedEarly) as caught:
        evaluated(two, asked)
    for record in caught.value.records:
        assert [(one.corruption, one.severity) for one in record.corrupted] == [
            *(("gaussian_noise", 1), ("gaussian_noise", 5)),
        ]
        assert (record.finished, record.clean.images) == (False, 12)
        assert record.robustness.mean_error.name == "mean error of 1 corruption (gaussian_noise) at severities 1, 5"


def test_an_evaluation_goes_on_behind_what_is_kept_of_the_same_images_alone(net, asked, tmp_path):
    one, some = contender(net.checkpoint, Silence()), replace(asked, images=5)
    split = one.subject.split
    first = next(file for file in split.files if file.part == "test")
    seen = tuple(replace(file, part="train") if file == first else file for file in split.files)
    other = replace(one.subject, split=replace(split, files=seen))

    def chosen(subjects, wanted):
        return choose(subjects, wanted, Silence(), generated)

    together = chosen([one.subject, other], some)  # without the image that the other has seen
    early = evaluate_side_by_side([one], replace(together, parts=together.parts[:3]), Silence())[0]
    keep(early, tmp_path / "early")
    assert kept_of([one.record], together, tmp_path) == ((tmp_path / "early", early),) and not early.finished
    alone = chosen([one.subject], some)
    assert (alone.record.count, alone.record.of) == (together.record.count, together.record.of)
    for images in (alone, chosen([one.subject, other], replace(some, seed=1)), replace(together, has_clean=False)):
        assert kept_of([one.record], images, tmp_path) == (None,)
    keep(evaluate_side_by_side([one], together, Silence(), before=[early])[0], tmp_path / "whole")
    assert kept_of([one.record], together, tmp_path) == (None,)  # who asks again wants all of it anew


def test_a_device_that_is_lost_for_good_costs_the_part_that_it_was_at(net, artifacts, asked, monkeypatch):
    count, kept = 0, []

    def lost(*args, **kwargs):
        nonlocal count
        count += 1
        if count == 4:
            raise DeviceUnavailable("The connection to pi broke.", "Check it.")
        return ask(*args, **kwargs)

    monkeypatch.setattr(side_by_side, "ask", lost)
    one = [contender(net.checkpoint, Silence())]
    images = choose([one[0].subject], asked, Silence(), generated)
    with pytest.raises(DeviceUnavailable):
        evaluate_side_by_side(one, images, Silence(), cut_short=kept.extend)
    (record,) = kept
    assert (len(record.corrupted), record.finished, record.clean.images) == (2, False, 12)


def test_progress_is_of_all_parts_and_says_what_is_left(net, asked, monkeypatch):
    told: list = []
    monkeypatch.setattr(side_by_side, "_KNOWN_AFTER_S", -1.0)

    class Listening(Silence):
        def task(self, name):
            return _Recorded(told if name.startswith("evaluate") else [])

    evaluated([contender(net.checkpoint, Silence())], asked, Listening())
    assert [done for done, _, _ in told] == [12, 24, 36, 48, 60, 72, 84]
    assert {total for _, total, _ in told} == {84}
    assert re.match(r"clean images, vgg11_cifar x0.125 standard: 12/84 images, about \d+ s left", told[0][2])
    assert told[-1][2].startswith("contrast 5, ")


class _Recorded:
    def __init__(self, told):
        self._told = told

    def __enter__(self):
        return lambda done, total, detail="": self._told.append((done, total, detail))

    def __exit__(self, *error):
        return None


def test_what_cannot_be_shown_the_same_images_is_refused(net, asked):
    one = contender(net.checkpoint, Silence())
    large = of_subject(replace(one.subject, input_shape=(3, 64, 64)))
    with pytest.raises(UsageError, match="images of different shapes"):
        evaluated([one, large], asked)
    with pytest.raises(UsageError, match=r"“folder” has no snow here; it has gaussian_noise"):
        evaluated([one], replace(asked, corruptions=("gaussian_noise", "snow")))
    fewer = of_subject(replace(one.subject, num_classes=2, data=None))
    with pytest.raises(UsageError, match="answers with 2 classes"):
        evaluated([one, fewer], asked)
    other = of_subject(replace(one.subject, data=replace(one.subject.data, split_seed=5)))
    with pytest.raises(UsageError, match=r"was trained on another split .* has seen some"):
        evaluated([one, other], asked)


def test_a_published_set_is_asked_image_by_image_and_says_that_it_is_one(net, tmp_path):
    folder, count = write_folder(tmp_path, words=("fog", "glass_blur"), count=12), 12

    @contextlib.contextmanager
    def answering():
        yield lambda pixels: one_hot(pixels[:, 1, 0, 0].long() % count % 10, 10).float()  # the image's number

    subject = contender(net.checkpoint, Silence()).subject
    knows = of_subject(replace(subject, num_classes=10, data=None, answering=answering))
    asked = Asked("cifar10c", str(folder), severities=(2, 5), images=7)
    images = choose([knows.subject], asked, Silence())
    record = evaluate_side_by_side([knows], images, Silence())[0]
    assert record.errors == {"glass_blur": {2: 0.0, 5: 0.0}, "fog": {2: 0.0, 5: 0.0}}
    assert (record.images.origin, record.clean, record.images.count, record.images.of) == ("published", None, 7, 12)
    assert "the clean accuracy is not known: --clean DIR names the ordinary test images" in record.images.notes
    (lacking,) = [note for note in record.images.notes if "lacks" in note]
    assert lacking.startswith("“cifar10c” lacks gaussian_noise, ") and lacking.endswith(
        "saturate here, so its means are of 2 corruptions and not of 19"
    )
    chosen = choose([knows.subject], replace(asked, corruptions=("fog",)), Silence()).record
    assert not any("lacks" in note for note in chosen.notes)  # who chose some knows which
    with pytest.raises(UsageError, match=r"“cifar10c” has no snow here; it has glass_blur, fog"):
        choose([knows.subject], replace(asked, corruptions=("snow",)), Silence())


def test_top_five_counts_where_a_network_has_more_classes():
    labels = [0, 4, 5, 9]
    images = InMemoryImages(np.zeros((4, 1, 2, 2), np.uint8), np.array(labels))
    names = tuple(map(str, range(10)))
    falling = -torch.arange(10.0)  # the first five answers are always 0 to 4
    found = ask(lambda pixels: falling.repeat(len(pixels), 1), EvaluationImages.of_all(images, names, (1, 2, 2)))
    assert (found.right_in_five, found.confusion) == (2, count_confusion(labels, [0] * 4, names))
    few = EvaluationImages(images, [0], [0], names[:5], (1, 2, 2))
    assert ask(lambda pixels: falling[:5].repeat(len(pixels), 1), few).right_in_five is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("all", ALL),
        ("usual", USUAL),
        ("noise", ("gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise")),
        ("fog, gaussian-noise", ("gaussian_noise", "fog")),
        ("extra,snow", ("snow", "speckle_noise", "gaussian_blur", "spatter", "saturate")),
    ],
)
def test_words_for_corruptions(text, found):
    assert corruptions_of(text) == found


@pytest.mark.parametrize(
    ("read", "text", "says", "remedy"),
    [
        (corruptions_of, "gausian_noise", "no corruption “gausian_noise”", "Did you mean “gaussian_noise”"),
        (corruptions_of, " , ", "No corruption is named", "Write all"),
        (severities_of, "6", "“6” are no severities", "such as 1-5"),
        (severities_of, "0-3", "“0-3” are no severities", "such as 1-5"),
        (severities_of, "4-2", "“4-2” are no severities", "such as 1-5"),
        (severities_of, "low", "“low” are no severities", "such as 1-5"),
    ],
)
def test_words_that_are_none_name_the_nearest(read, text, says, remedy):
    with pytest.raises(UsageError, match=says) as caught:
        read(text)
    assert remedy in caught.value.remedy


def test_severities_one_by_one_and_in_rows():
    assert [severities_of(text) for text in ("3", "1-5", "5,1", "1-2,4")] == [
        *((3,), (1, 2, 3, 4, 5), (1, 5), (1, 2, 4)),
    ]


@pytest.mark.parametrize("wrong", [{"images": 0}, {"batch_size": 0}, {"seed": -1}, {"clean": "cifar"}])
def test_numbers_and_places_that_mean_nothing_are_refused(wrong):
    with pytest.raises(UsageError, match=f"--{next(iter(wrong)).replace('_', '-')}"):
        Asked(**wrong)


def test_toys_are_what_they_are_called():
    assert set(TOYS) < set(ALL)
    assert created_now().endswith("+00:00")
