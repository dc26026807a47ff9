"""Tables of evaluations: what was held out, and means that never share a column with others."""

import dataclasses

from groupnl_deploy.evaluation.record import EvaluationRecord, ImagesRecord, Score, SubjectRecord
from groupnl_deploy.report.evaluations import evaluation_notes, evaluation_sections, held_out_section, names_of
from tests.report.test_robustness_columns import IMAGES, OF_ARTIFACT, OF_CHECKPOINT, TWO

HELD_OUT = {"apple": 94, "facebook": 91, "google": 86, "samsung": 84}


def held_out(label: str, company: str, right: int) -> EvaluationRecord:
    images = ImagesRecord(f"icons50:{company}", None, None, 100, 100)
    subject = SubjectRecord("checkpoint", label, f"{label}{company}")
    return EvaluationRecord(subject, images, Score(100, right), (), "2026-01-01T00:00:00", "1")


def test_what_was_held_out_stands_in_a_line_with_its_mean() -> None:
    records = [held_out("gnl", company, right) for company, right in HELD_OUT.items()]
    section = held_out_section([*records, held_out("plain", "apple", 90)])
    assert section is not None
    assert [heading for heading, _ in section.headings] == ["Network", *HELD_OUT, "Mean"]
    assert section.rows[0] == ("gnl, icons50", "94.00", "91.00", "86.00", "84.00", "88.75")
    assert section.rows[1] == ("plain, icons50", "90.00", "–", "–", "–", "90.00")
    assert section.notes == ("The mean of plain, icons50 is of 1 of 4.",)
    assert held_out_section(records[:1]) is None is held_out_section([*records, records[0]])


def test_means_of_different_things_have_columns_of_their_own() -> None:
    fewer = dataclasses.replace(IMAGES, corruptions=("fog",))
    ones = tuple(one for one in OF_ARTIFACT.corrupted if one.corruption == "fog")
    other = dataclasses.replace(OF_ARTIFACT, images=fewer, corrupted=ones)
    means, errors = evaluation_sections([OF_CHECKPOINT, other])
    headings = [heading for heading, _ in means.headings]
    assert headings[3:5] == ["Mean error of 2 corruptions (snow, fog) at severities 1, 2", "Weather (2 of 5)"]
    assert "Mean error of 1 corruption (fog) at severities 1, 2" in headings
    assert [row[headings.index("Weather (1 of 5)")] for row in means.rows] == ["–", "50.00"]
    assert [row[0] for row in errors.rows] == ["snow", "fog"]
    assert evaluation_notes([OF_CHECKPOINT, other])[0].startswith(f"net: digits, generated, {TWO} at")


def test_equal_labels_are_told_apart_by_their_ids() -> None:
    twin = dataclasses.replace(OF_CHECKPOINT, subject=SubjectRecord("checkpoint", "net", "d" * 64))
    assert names_of([OF_CHECKPOINT, twin, OF_ARTIFACT]) == ("net #cccccccc", "net #dddddddd", "net, onnx")
