"""Extended JSON, canonical and relaxed, there and back."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import Any

import pytest
from bson import Binary, Code, DatetimeMS, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from hypothesis import given
from hypothesis import strategies as st

from mongo_svc.ejson import from_ejson, from_milliseconds, parse_ejson
from mongo_svc.rendering import canonical, iso_date, plain, relaxed, shown_date

INT64 = st.integers(-(2**63), 2**63 - 1)
SCALARS: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.text(),
    st.integers(-(2**31), 2**31 - 1),
    INT64.map(Int64),
    st.floats(allow_nan=False),
    st.binary().map(lambda data: Binary(data, 0)),
    st.binary().map(lambda data: Binary(data, 128)),
    st.binary(min_size=12, max_size=12).map(ObjectId),
    INT64.map(from_milliseconds),
    st.integers(-(10**30), 10**30).map(lambda number: Decimal128(str(number))),
    st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1)).map(lambda pair: Timestamp(*pair)),
    st.sampled_from(["", "i", "ims", "x"]).map(lambda options: Regex("^a+$", options)),
    st.text().map(Code),
    st.sampled_from([MinKey(), MaxKey()]),
)
KEYS = st.text().filter(lambda key: not key.startswith("$") and "\0" not in key)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=10,
)


@given(VALUES)
def test_canonical_keeps_every_type(value: Any) -> None:
    back = parse_ejson(canonical(value))
    assert back == value
    assert canonical(back) == canonical(value)


@given(VALUES)
def test_relaxed_means_the_same(value: Any) -> None:
    assert relaxed(parse_ejson(relaxed(value))) == relaxed(value)


@given(VALUES)
def test_plain_is_json(value: Any) -> None:
    json.loads(plain(value))


def test_floats_that_are_no_json() -> None:
    for value in (math.nan, math.inf, -math.inf):
        (back,) = parse_ejson(relaxed([value]))
        assert back == value or math.isnan(back) == math.isnan(value)
        assert b"$numberDouble" in relaxed({"a": {"b": value}, "c": None})


def test_dates() -> None:
    for text, milliseconds in [
        ("1970-01-01T00:00:00Z", 0),
        ("2024-05-07T07:08:09.1Z", 1715065689100),
        ("2024-05-07T07:08:09.123456789Z", 1715065689123),
        ("2024-05-07T09:08:09+02:00", 1715065689000),
        ("2024-05-07T09:08:09+0200", 1715065689000),
        ("2024-05-07T09:08:09+02", 1715065689000),
        ("0001-01-01T00:00:00Z", -62135596800000),
    ]:
        assert from_ejson({"$date": text}) == from_milliseconds(milliseconds)
    assert from_ejson({"$date": 5}) == datetime(1970, 1, 1, 0, 0, 0, 5000, UTC)
    assert canonical(from_ejson({"$date": {"$numberLong": str(2**62)}})) == (
        b'{"$date":{"$numberLong":"4611686018427387904"}}'
    )
    assert plain(from_ejson({"$date": "0099-01-01T00:00:00Z"})) == b'"0099-01-01T00:00:00Z"'


@given(INT64)
def test_a_date_is_shown_the_same_whatever_holds_it(milliseconds: int) -> None:
    value = from_milliseconds(milliseconds)
    shown = iso_date(DatetimeMS(milliseconds))
    assert iso_date(value) == shown
    if isinstance(value, datetime):
        naive = value.replace(tzinfo=None)
        assert shown_date(naive) == iso_date(naive) == shown
        assert relaxed(naive) == relaxed(value)
        assert canonical(naive) == canonical(value)
    else:
        assert shown == str(milliseconds)


@pytest.mark.parametrize(
    ("milliseconds", "shown"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (1715065689120, "2024-05-07T07:08:09.120Z"),
        (-62135596800000, "0001-01-01T00:00:00Z"),
        (-62135596800001, "-62135596800001"),
        (253402300799999, "9999-12-31T23:59:59.999Z"),
        (253402300800000, "253402300800000"),
    ],
)
def test_dates_as_text(milliseconds: int, shown: str) -> None:
    assert iso_date(from_milliseconds(milliseconds)) == shown


def test_the_older_forms() -> None:
    assert from_ejson({"$binary": "AQ==", "$type": "80"}) == Binary(b"\1", 128)
    assert from_ejson({"$symbol": "s"}) == "s"
    assert from_ejson({"$undefined": True}) is None


def test_operators_stay_what_they_are() -> None:
    query = {
        "a": {"$gt": {"$numberInt": "1"}, "$type": "int"},
        "$or": [{"b": {"$regex": "x", "$options": "i"}}],
    }
    assert from_ejson(query) == {**query, "a": {"$gt": 1, "$type": "int"}}
