"""SQL and nonsense in every position: a clear error, never a 500, nothing but what was asked for."""

from __future__ import annotations

import contextlib
import http.client
import string
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pg_svc.errors import ApiError
from pg_svc.request.query import parse_query
from pg_svc.sql.builder import array_literal, quote_ident
from svc_common.testing import ServiceProcess

if TYPE_CHECKING:
    from .library import Library

INJECTIONS = [
    "1; DROP TABLE library.books",
    "1'; DROP TABLE library.books; --",
    "1' OR '1'='1",
    '1" OR "1"="1',
    "$$; DROP TABLE library.books; $$",
    "\\'; DROP TABLE library.books; --",
    "%s%(x)s%%",
    "') UNION SELECT word FROM hidden.secrets --",
    "pg_sleep(60)",
    "E'\\x27'",
    "/* */",
    "{1,2}'",
    "\u2019; DROP TABLE books",
    "(SELECT 1)",
    "null",
    "::text",
    "a.b.c.d",
    "*",
    "...",
    "->>",
    '"',
    "'",
    "\\",
]
PLACES = [
    "/books?id=eq.{}",
    "/books?title=like.{}",
    "/books?title=in.({})",
    "/books?tags=cs.{}",
    "/books?title=fts({}).x",
    "/books?title=eq(any).{}",
    "/books?{}=eq.1",
    "/books?meta->{}=eq.1",
    "/books?select={}",
    "/books?select=id::{}",
    "/books?select={}:id",
    "/books?select=meta->>{}",
    "/books?select=reviews!{}(id)",
    "/books?select=reviews({})",
    "/books?select=id.{}()",
    "/books?order={}",
    "/books?order=id.{}",
    "/books?limit={}",
    "/books?offset={}",
    "/books?or=({})",
    "/books?or=(id.eq.{})",
    "/books?{}.id=eq.1",
    "/{}",
    "/rpc/{}",
    "/rpc/add?a={}",
    "/rpc/add?{}=1",
    "/rpc/joined?words={}",
]
HEADERS = ["Accept", "Prefer", "Range", "Accept-Profile", "Authorization", "Cookie", "Content-Type"]


@pytest.fixture(scope="module")
def client(library: Library) -> Iterator[httpx.Client]:
    """A client of a service process on the library, as its anonymous role."""
    with (
        ServiceProcess(
            "pg_svc",
            PGRST_DB_URI=library.url_as("pgsvc_authenticator"),
            MIGRATE="never",
            PGRST_DB_SCHEMAS="library,archive",
            PGRST_DB_ANON_ROLE="pgsvc_anon",
            PGRST_DB_AGGREGATES_ENABLED="true",
            MAX_HEADER_BYTES="400000",
        ) as process,
        httpx.Client(base_url=process.url + "/rest", timeout=20, trust_env=False) as client,
    ):
        yield client


def _sound(answer: httpx.Response) -> None:
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert answer.json().keys() == {"code", "details", "hint", "message"}
        assert answer.json()["code"] != "42601", answer.text  # our own SQL is never malformed


@pytest.mark.parametrize("place", PLACES)
def test_injections_in_the_address(client: httpx.Client, library: Library, place: str) -> None:
    for injection in INJECTIONS:
        answer = client.get(place.replace("{}", quote(injection, safe="")))
        if place.startswith("/books?select=id::"):
            assert answer.status_code in (200, 400)
            continue
        _sound(answer)
        assert "xyzzy" not in answer.text
    assert library.sql("SELECT count(*) FROM library.books") == "4"


@pytest.mark.parametrize("name", HEADERS)
def test_injections_in_headers(client: httpx.Client, name: str) -> None:
    for injection in INJECTIONS:
        value = injection.encode("utf-8")
        answer = client.get("/books?select=id", headers=[(name.encode(), value)])
        if name == "Authorization":
            assert answer.status_code in (200, 500)  # without a secret a bearer token is PGRST300
            continue
        _sound(answer)


def test_injections_in_bodies(client: httpx.Client, library: Library) -> None:
    for injection in INJECTIONS:
        _sound(client.post("/genres", json={injection: 1}))
        _sound(client.post("/genres", json={"id": injection}))
        _sound(client.post("/rpc/add", json={"a": injection}))
        _sound(client.post("/genres", content=injection, headers={"Content-Type": "text/csv"}))
        _sound(client.patch("/genres?id=eq.1", params={"columns": injection}, json={"name": "x"}))
        _sound(client.post("/genres", params={"on_conflict": injection}, json={"id": 1}))
        stored = client.post("/notes", json={"body": injection, "weight": -1})
        assert stored.status_code == 201
        found = client.get("/notes", params={"body": f"eq.{injection}", "select": "body"})
        assert found.json() == [{"body": injection}]
        assert client.delete("/notes?weight=eq.-1").status_code == 204
    assert library.sql("SELECT count(*) FROM library.genres") == "3"


def test_sizes(client: httpx.Client) -> None:
    deep = "/books?select=id&or=" + "(and" * 99 + "(id.eq.1,id.gt.0)" + ")" * 99
    assert client.get(deep).json() == [{"id": 1}]
    too_deep = client.get("/books?or=" + "(and" * 500 + "(id.eq.1)" + ")" * 500)
    assert (too_deep.status_code, too_deep.json()["code"]) == (400, "PGRST100")
    long_list = ",".join(map(str, range(2, 10002)))
    assert client.get(f"/books?select=id&order=id&id=in.({long_list})").json() == [
        {"id": 2},
        {"id": 3},
        {"id": 4},
    ]
    embeds = client.get("/books?select=" + "reviews(books(" * 60 + "id" + "))" * 60)
    assert (embeds.status_code, embeds.json()["code"]) == (400, "PGRST100")
    asked = http.client.HTTPConnection(client.base_url.host, client.base_url.port)
    asked.request("GET", "/rest/books?title=eq." + "x" * 1_000_000)
    assert asked.getresponse().status == 431
    asked.close()
    body = client.request("QUERY", "/books", content="title=eq." + "x" * 1_000_000)
    assert body.json() == []
    wide = client.get("/books?select=" + ",".join(["id"] * 1600))
    assert wide.status_code == 200


_TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
_SYNTAX = st.text(alphabet="aid.,()!*:\"'->\\{}[] 01éq" + string.whitespace[:2], max_size=40)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.sampled_from(PLACES), text=_TEXT | _SYNTAX)
def test_anything_anywhere(client: httpx.Client, place: str, text: str) -> None:
    _check = client.get(place.replace("{}", quote(text, safe="")))
    assert _check.status_code < 500, _check.text


@given(st.text(alphabet="aid.,()!*:\"'->\\{}[] 01&=%+élimtorsec", max_size=60))
def test_the_parser_answers_or_refuses(text: str) -> None:
    for allowed in (False, True):
        with contextlib.suppress(ApiError):
            parse_query(text, arguments_allowed=allowed)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_TEXT)
def test_a_value_is_only_ever_a_value(client: httpx.Client, text: str) -> None:
    """What is stored by a body is found by a filter, whatever it is, and alone."""
    assert client.post("/notes", json={"body": text, "weight": -2}).status_code == 201
    try:
        # an empty list and a list of one empty text are written alike
        for operator in ("eq.{}", 'in.("{}")', "isdistinct.{}") if text else ("eq.{}", "isdistinct.{}"):
            value = text.replace("\\", "\\\\").replace('"', '\\"') if "in." in operator else text
            found = client.get(
                "/notes",
                params={"body": operator.replace("{}", value), "select": "body", "weight": "eq.-2"},
            )
            assert found.json() == ([] if "isdistinct" in operator else [{"body": text}])
    finally:
        assert client.delete("/notes?weight=eq.-2").status_code == 204


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=_TEXT.filter(bool), items=st.lists(_TEXT, max_size=4))
def test_names_and_arrays_are_quoted_as_the_driver_quotes_them(
    library: Library, connection: object, name: str, items: list[str]
) -> None:
    from psycopg2 import extensions

    cursor = connection.cursor()  # type: ignore[attr-defined]
    assert quote_ident(name) == extensions.quote_ident(name, cursor).replace("%", "%%")
    cursor.execute("SELECT %s::text[]", (array_literal(items),))
    assert cursor.fetchone()[0] == items


@pytest.fixture(scope="module")
def connection(library: Library) -> Iterator[object]:
    """The driver's own connection."""
    import psycopg2

    opened = psycopg2.connect(library.url)
    yield opened
    opened.close()
