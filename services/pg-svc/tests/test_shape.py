"""Queries of one shape share a plan, and each gets the answer that it would get from a plan of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pg_svc.plan.shape import shape_of
from svc_common.testing import ServiceProcess

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .library import Library


@pytest.mark.parametrize(
    ("query", "values"),
    [
        ("id=eq.7", ["7"]),
        ("id=eq.7&title=neq.a-b_c&order=id&limit=3&price=gte.2", ["7", "a-b_c", "2"]),
        ("id=eq.7&id=eq.8", ["7", "8"]),
        ("select=eq.1&order=eq.2&or=eq.3&limit=eq.4&columns=eq.5&on_conflict=eq.6&and=eq.7&not=eq.8", []),
        ("id=not.eq.7&a=in.(1,2)&b=like.x&c=is.null&d=eq(any).{1}&e=fts.x&f->>g=eq.1&books.id=eq.1", []),
        ("a=eq.%37&b=eq.1+2&c=eq.&d=eq.1.5&e=eq.x,y&f=eq.*", []),
        ("", []),
        ("a=eq.1&", ["1"]),
        ("xid=eq.1?id=eq.2", []),
    ],
)
def test_only_plain_values_are_taken_out(query: str, values: list[str]) -> None:
    shape, found = shape_of(query)
    assert list(found.values()) == values
    for mark, value in found.items():
        assert shape.count(mark) == 1
        shape = shape.replace(mark, value)
    assert shape == query


@pytest.fixture(scope="module")
def client(library: Library) -> Iterator[httpx.Client]:
    """A service on the library."""
    with (
        ServiceProcess(
            "pg_svc",
            PGRST_DB_URI=library.url,
            MIGRATE="never",
            PGRST_DB_SCHEMAS="library",
            PGRST_DB_ANON_ROLE="pgsvc_anon",
            SCHEMA_POLL="0",
        ) as process,
        httpx.Client(base_url=process.url + "/rest", timeout=30, trust_env=False) as client,
    ):
        yield client


_COLUMNS = ("id", "title", "price", "cover", "loan", "none")
_FILTER = st.tuples(
    st.sampled_from(_COLUMNS),
    st.sampled_from(["eq", "neq", "gt", "gte", "lt", "lte"]),
    st.sampled_from(["1", "2", "Rivers", "null", "-1", "2024", "7"]),
)
_REST = st.sampled_from(["", "&select=id", "&order=id.desc", "&limit=2", "&select=id,reviews(stars)"])
_PREFER = st.sampled_from([{}, {"Prefer": "count=exact"}, {"Prefer": "count=planned"}, {"Range": "1-2"}])


@settings(deadline=None)
@given(st.lists(_FILTER, min_size=1, max_size=3), _REST, _PREFER)
def test_the_answer_is_that_of_a_plan_of_its_own(
    client: httpx.Client, filters: list[tuple[str, str, str]], rest: str, headers: dict[str, str]
) -> None:
    shaped = "&".join(f"{column}={operator}.{value}" for column, operator, value in filters) + rest
    # An escape says the same, and is not a plain value
    own = "&".join(
        f"{column}={operator}.%{ord(value[0]):02x}{value[1:]}" for column, operator, value in filters
    )
    answers = [client.get(f"/books?{query}", headers=headers) for query in (shaped, own + rest, shaped)]
    assert answers[0].content == answers[1].content == answers[2].content
    for answer in answers:
        assert answer.status_code == answers[1].status_code
        for name in ("Content-Range", "Content-Location", "Content-Type", "ETag", "Preference-Applied"):
            assert answer.headers.get(name) == answers[1].headers.get(name)
