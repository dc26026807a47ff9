import json
import os
from dataclasses import dataclass
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_agent.strict import StrictError, from_dict, from_json, to_dict, to_json


@dataclass(frozen=True)
class Inner:
    x: int
    y: tuple[float, ...] = ()


@dataclass(frozen=True)
class Outer:
    name: str
    inner: Inner
    mode: Literal["a", "b"] = "a"
    pair: tuple[int, str] | None = None
    table: dict[str, float] | None = None
    flag: bool = False


@given(
    st.builds(
        Outer,
        name=st.text(),
        inner=st.builds(
            Inner, x=st.integers(), y=st.lists(st.floats(allow_nan=False, allow_infinity=False)).map(tuple)
        ),
        mode=st.sampled_from(["a", "b"]),
        pair=st.none() | st.tuples(st.integers(), st.text()),
        table=st.none() | st.dictionaries(st.text(), st.floats(allow_nan=False, allow_infinity=False)),
        flag=st.booleans(),
    )
)
def test_round_trip(value: Outer) -> None:
    assert from_json(Outer, to_json(value)) == value
    assert to_json(from_json(Outer, to_json(value))) == to_json(value)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"name": "n", "inner": {"x": 1}, "nmae": 1}, ["Outer", "unknown key “nmae”", "known keys are name, inner"]),
        ({"inner": {"x": 1}}, ["missing key “name”"]),
        ({"name": 3, "inner": {"x": 1}}, ["Outer.name", "expected str"]),
        ({"name": "n", "inner": {"x": "1"}}, ["Outer.inner.x", "expected int"]),
        ({"name": "n", "inner": {"x": True}}, ["Outer.inner.x", "expected int"]),
        ({"name": "n", "inner": {"x": 1, "y": [1, "z"]}}, ["Outer.inner.y[1]"]),
        ({"name": "n", "inner": {"x": 1, "y": [1.0, True]}}, ["Outer.inner.y[1]", "expected float"]),
        ({"name": "n", "inner": {"x": 1}, "mode": "c"}, ["'c' is not one of 'a', 'b'"]),
        ({"name": "n", "inner": {"x": 1}, "pair": [1]}, ["expected 2 values"]),
        ({"name": "n", "inner": {"x": 1}, "flag": 1}, ["Outer.flag", "expected bool"]),
        ([], ["expected a table of keys, found list"]),
    ],
)
def test_refusals_name_the_key(data: object, words: list[str]) -> None:
    with pytest.raises(StrictError) as caught:
        from_dict(Outer, data)
    for word in words:
        assert word in str(caught.value)


def test_text_that_is_no_json_is_a_strict_error() -> None:
    with pytest.raises(StrictError, match="not valid JSON"):
        from_json(Inner, "{")


@dataclass(frozen=True)
class Versioned:
    x: int
    schema_version: int = 3


def test_a_record_says_its_version_and_a_table_need_not() -> None:
    assert from_dict(Versioned, {"x": 1}) == from_json(Versioned, to_json(Versioned(1)))
    with pytest.raises(StrictError, match=r"^Versioned: missing key “schema_version”$"):
        from_json(Versioned, '{"x": 1}')
    with pytest.raises(StrictError, match="expected a table of keys"):
        from_json(Versioned, "[]")


@dataclass(frozen=True)
class Signed:
    sign: Literal[1, -1] = 1
    count: int = 1

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError("There are none.")


@pytest.mark.parametrize("sign", [True, -1.0, "1", [1]])
def test_a_choice_of_numbers_takes_nothing_that_only_equals_one(sign: object) -> None:
    with pytest.raises(StrictError, match="is not one of 1, -1"):
        from_dict(Signed, {"sign": sign})
    assert from_dict(Signed, {"sign": -1}).sign == -1


def test_what_a_class_says_of_itself_is_quoted_without_its_full_stop() -> None:
    with pytest.raises(StrictError, match=r"^Signed: There are none$"):
        from_dict(Signed, {"count": 0})


def test_whole_numbers_may_stand_for_floats_and_nan_may_not_be_written() -> None:
    assert from_dict(Inner, {"x": 1, "y": [2]}).y == (2.0,)
    with pytest.raises(ValueError, match="JSON compliant"):
        to_json(Inner(1, (float("nan"),)))
    with pytest.raises(StrictError, match="NaN is no number"):
        from_json(Inner, '{"x": 1, "y": [NaN]}')


def test_json_is_canonical() -> None:
    assert list(json.loads(to_json({"b": 1, "a": (2,)}))) == ["a", "b"]
    assert to_dict(Inner(1, (2.0,))) == {"x": 1, "y": [2.0]}


def test_a_path_that_is_no_utf_8_can_be_encoded_and_comes_back() -> None:
    path = os.fsdecode(b"/tmp/\xff\xfe ok")
    assert json.loads(to_json({"path": path}).encode()) == {"path": path}


def test_a_whole_number_beyond_all_floats_is_a_strict_error() -> None:
    with pytest.raises(StrictError, match=r"Inner\.y\[0\].*beyond all floats"):
        from_dict(Inner, {"x": 1, "y": [10**400]})
