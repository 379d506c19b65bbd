"""Our headers and Tornado's are the same to whoever uses them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tornado.httputil import HTTPHeaders, HTTPInputError

from svc_common.headers import Headers, as_headers

NAMES = st.sampled_from(["a", "A", "set-cookie", "Set-Cookie", "content-LENGTH", "X-Request-ID", "x-ä"])
STEPS = st.lists(st.tuples(st.sampled_from(["add", "set", "delete"]), NAMES, st.text("xyz ,", max_size=4)))


@given(STEPS)
def test_they_hold_the_same(steps: list[tuple[str, str, str]]) -> None:
    ours, theirs = Headers(), HTTPHeaders()
    for step, name, value in steps:
        outcomes = []
        for headers in (ours, theirs):
            try:
                if step == "add":
                    headers.add(name, value)
                elif step == "set":
                    headers[name] = value
                else:
                    del headers[name]
                outcomes.append("done")
            except (HTTPInputError, KeyError) as error:
                outcomes.append(type(error).__name__)
        assert outcomes[0] == outcomes[1]
    for same in (ours, ours.copy(), as_headers(theirs)):
        assert list(same.get_all()) == list(theirs.get_all())
        assert dict(same) == dict(theirs)
        assert str(same) == str(theirs)
        assert len(same) == len(theirs)
        for name in ("A", "set-cookie", "x-request-id", "missing"):
            assert same.get(name) == theirs.get(name)
            assert same.get_list(name) == theirs.get_list(name)
            assert (name in same) == (name in theirs)


def test_a_copy_changes_by_itself() -> None:
    headers = Headers()
    for line in ("1", "2"):
        headers.add("A", line)
    copied = headers.copy()
    copied.add("A", "3")
    copied["B"] = "4"
    assert dict(headers) == {"A": "1,2"}
    assert dict(copied) == {"A": "1,2,3", "B": "4"}


def test_a_line_end_is_refused() -> None:
    with pytest.raises(HTTPInputError):
        Headers().add("A", "b\r\nC: d")
