"""Records of older schemas mean what they meant."""

import json

import pytest

from groupnl_deploy.older_records import SCHEMA_VERSION, as_of_today

DIGITS = {"name": "digits", "sha256": None, "class_names": list("0123456789"), "split_seed": 0}


@pytest.mark.parametrize(
    ("record", "meant"),
    [
        ({"schema_version": 1, "dataset": None, "recipe": {}}, {"data": None, "recipe": {"threads": 0}}),
        (
            {"schema_version": 2, "dataset": "digits", "recipe": {"threads": 1}},
            {"data": DIGITS, "recipe": {"threads": 1}},
        ),
        ({"schema_version": 2, "job": {"dataset": "digits", "split_seed": 0}}, {"job": {"data": DIGITS}}),
        (
            {"schema_version": 1, "job": {"dataset": "digits", "recipe": {}}},
            {"job": {"data": DIGITS, "recipe": {"threads": 0}}},
        ),
        ({"schema_version": 3, "spec": {"schema_version": 2}}, {"spec": {"schema_version": 3}}),
    ],
    ids=["untrained", "checkpoint", "state", "oldest state", "registered network"],
)
def test_an_older_record_is_read_as_what_it_meant(record: dict, meant: dict) -> None:
    assert json.loads(as_of_today(json.dumps(record).encode())) == {"schema_version": SCHEMA_VERSION, **meant}


@pytest.mark.parametrize(
    "record",
    [
        b"",
        b"[]",
        b'{"schema_version": 99}',
        f'{{"schema_version": {SCHEMA_VERSION}}}'.encode(),
        b'{"a": 1}',
        b"[" * 9999,
    ],
)
def test_what_is_no_older_record_stays_as_it_is(record: bytes) -> None:
    assert as_of_today(record) == record
