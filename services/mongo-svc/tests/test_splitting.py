"""Bodies cut into documents, however their pieces fall."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mongo_svc.splitting import Items, Lines, Splitter
from svc_common import BadRequest, PayloadTooLarge

JSON_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


def split(splitter: Splitter, body: bytes, size: int) -> list[Any]:
    texts: list[bytes] = []
    for begin in range(0, len(body), size):
        texts += splitter.feed(body[begin : begin + size])
    return [json.loads(text) for text in [*texts, *splitter.end()]]


@given(st.lists(JSON_VALUES, max_size=6), st.integers(1, 40), st.booleans(), st.booleans())
def test_pieces_of_any_size_give_the_same_items(
    values: list[Any], size: int, spaced: bool, ascii_only: bool
) -> None:
    body = json.dumps(values, indent=2 if spaced else None, ensure_ascii=ascii_only).encode()
    assert split(Items(10_000), body, size) == values
    body = b"\n".join(json.dumps(value, ensure_ascii=ascii_only).encode() for value in values)
    assert split(Lines(10_000), body, size) == values


@pytest.mark.parametrize("size", [1, 3, 100])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[",
        b"[1",
        b'["]',
        b'["\\"]',
        b"{}",
        b'"x"',
        b"[1]]",
        b"[1] 2",
        b"[1][2]",
        b"[,1]",
        b"[1,]",
        b"x[1]",
    ],
)
def test_what_is_no_array(body: bytes, size: int) -> None:
    with pytest.raises(BadRequest):
        split(Items(100), body, size)


def test_one_document_may_not_be_endless() -> None:
    for splitter in (Items(100), Lines(100)):
        with pytest.raises(PayloadTooLarge):
            split(splitter, b"[" + b"1" * 200 + b"]", 10)
