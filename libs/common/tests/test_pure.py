"""The parts that need no server: tags, negotiation, routes, events, CORS, tokens, trace ids."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tornado.web import RequestHandler

from svc_common import (
    ADMIN,
    PUBLIC,
    READ,
    READ_WRITE,
    WRITE,
    Event,
    Route,
    RouteError,
    Service,
    ServiceHandler,
    ServiceSettings,
    conditional,
)
from svc_common.auth import Access, bearer
from svc_common.auth.tokens import StaticTokens, parse_tokens
from svc_common.cors import CorsPolicy
from svc_common.negotiation import best_type, media_type
from svc_common.problems import NotFound, Problem, StoreUnavailable, Unauthorized, problem_of
from svc_common.routing import RouteTable, check_routes
from svc_common.tracing import trace_id


class Thing(ServiceHandler[Any]):
    async def get(self, **_: str) -> None: ...

    async def post(self, **_: str) -> None: ...


# -- conditional requests ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "current", "passes"),
    [
        (None, None, True),
        (None, "a", True),
        ("*", "a", True),
        ("*", None, False),
        ('"a"', "a", True),
        ('"b"', "a", False),
        ('"b", "a"', "a", True),
        ('W/"a"', "a", False),
        ('"a-gzip"', "a", True),
        ("a", "a", False),
        ('"a"', None, False),
    ],
)
def test_if_match(header: str | None, current: str | None, passes: bool) -> None:
    assert conditional.if_match(header, current) is passes


@pytest.mark.parametrize(
    ("header", "current", "passes"),
    [
        (None, "a", True),
        ("*", "a", False),
        ("*", None, True),
        ('"a"', "a", False),
        ('W/"a"', "a", False),
        ('"x", W/"a-gzip"', "a", False),
        ('"b"', "a", True),
        ('"b"', None, True),
    ],
)
def test_if_none_match(header: str | None, current: str | None, passes: bool) -> None:
    assert conditional.if_none_match(header, current) is passes


@pytest.mark.parametrize("spaces", ["{0}x", 'x{0}"a"', '"x"{0}x', '"{0}', '"b",{0}"a",{0}'])
def test_spaces_do_not_take_long(spaces: str) -> None:
    # 300,000 of them took an hour once; a process of its own can be stopped
    program = (
        "import sys; from svc_common.conditional import if_none_match; "
        "print(if_none_match(sys.argv[1].format(' ' * 300_000), 'a'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, spaces], capture_output=True, timeout=60, check=True
    )
    assert done.stdout.split() == [b"False" if '"a"' in spaces else b"True"]


# -- negotiation -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, "text/plain"),
        ("", "text/plain"),
        ("*/*", "text/plain"),
        ("application/json", "application/json"),
        ("text/html, application/json;q=0.9, */*;q=0.1", "application/json"),
        ("text/*;q=0.5, application/json;q=0.4", "text/plain"),
        ("text/plain;q=0, */*", "application/json"),
        ("image/png", None),
        ("application/json;q=nonsense", None),
    ],
)
def test_best_type(accept: str | None, chosen: str | None) -> None:
    assert best_type(accept, ("text/plain", "application/json")) == chosen


@given(st.text())
def test_any_accept_header_is_survived(accept: str) -> None:
    assert best_type(accept, ("text/plain",)) in ("text/plain", None)


def test_media_type() -> None:
    assert media_type("Application/JSON; charset=utf-8") == "application/json"
    assert media_type(None) == ""


# -- routes ------------------------------------------------------------------------------------------


def test_routes_are_found_under_the_base_path() -> None:
    table = RouteTable(
        [Route("/v1/things", Thing, READ_WRITE), Route("/v1/{kind}/{name}", Thing, READ_WRITE)], "/base"
    )
    found = table.find("/base/v1/things")
    assert found is not None
    assert found[0].pattern == "/v1/things"
    found = table.find("/base/v1/a%2Fb/c%20d")
    assert found is not None
    assert found[1] == {"kind": b"a/b", "name": b"c d"}
    for path in ("/v1/things", "/basement/v1/things", "/base/v1/a/b/c", "/base/v1//b", "/base"):
        assert table.find(path) is None


def test_the_rest_of_a_path() -> None:
    table = RouteTable([Route("/files/{name:path}", Thing, READ_WRITE)])
    found = table.find("/files/a/b%2Fc")
    assert found is not None
    assert found[1] == {"name": b"a/b/c"}


def test_access_of_a_method() -> None:
    route = Route("/things", Thing, READ_WRITE)
    assert route.methods == ("GET", "POST")
    assert route.allow == "GET, HEAD, POST, OPTIONS"
    assert route.access_for("HEAD") is READ
    assert route.access_for("POST") is WRITE
    assert route.access_for("OPTIONS") is PUBLIC
    assert Route("/things", Thing, ADMIN).access_for("GET") is ADMIN


@pytest.mark.parametrize(
    ("routes", "complaint"),
    [
        ([("/x", Thing)], "not a Route"),
        ([Route("/x", Thing, {})], "declares no access"),
        ([Route("/x", Thing, {"GET": READ})], "no access for POST"),
        ([Route("/x", Thing, READ), Route("/x", Thing, READ)], "declared twice"),
    ],
)
def test_an_undeclared_route_does_not_start(routes: list[Any], complaint: str) -> None:
    with pytest.raises(RouteError, match=complaint):
        check_routes(routes)


def test_a_handler_that_asks_nobody_does_not_start() -> None:
    class Plain(RequestHandler):
        def get(self) -> None: ...

    with pytest.raises(RouteError, match="Plain is not a ServiceHandler"):
        Service("plain-svc", ServiceSettings, routes=[Route("/x", Plain, READ)])


# -- events ------------------------------------------------------------------------------------------


def test_an_event_on_the_wire() -> None:
    event = Event("one\ntwo\r\nthree", event="update", id="7", retry=500)
    assert event.encode() == b"event: update\nid: 7\nretry: 500\ndata: one\ndata: two\ndata: three\n\n"


@pytest.mark.parametrize("event", [Event(event="a\nb"), Event(id="a\rb"), Event(id="a\0b")])
def test_an_event_cannot_break_the_framing(event: Event) -> None:
    with pytest.raises(ValueError):
        event.encode()


@given(st.text())
def test_no_data_ends_an_event_early(data: str) -> None:
    encoded = Event(data).encode().decode()
    assert encoded.endswith("\n\n")
    lines = encoded[:-2].split("\n")
    assert all(line.startswith("data: ") for line in lines)


# -- CORS --------------------------------------------------------------------------------------------


def test_cors_is_off_by_default() -> None:
    assert CorsPolicy().headers("https://a.example") == {}
    assert CorsPolicy().preflight("https://a.example", None, "GET") == {}


def test_cors_for_listed_origins() -> None:
    policy = CorsPolicy(("https://a.example",))
    assert policy.headers("https://b.example") == {"Vary": "Origin"}
    allowed = policy.headers("https://a.example")
    assert allowed["Access-Control-Allow-Origin"] == "https://a.example"
    assert allowed["Access-Control-Allow-Credentials"] == "true"
    assert policy.preflight("https://b.example", None, "GET") == {}
    assert policy.preflight("https://a.example", "X-Y", "GET")["Access-Control-Allow-Headers"] == "X-Y"


def test_cors_for_any_origin_never_allows_cookies() -> None:
    headers = CorsPolicy(("*",)).headers("https://a.example")
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in headers


# -- tokens ------------------------------------------------------------------------------------------


def test_tokens() -> None:
    tokens = StaticTokens(parse_tokens("laptop:write:s3:cret, viewer:read:other"))
    laptop = tokens.principal("s3:cret")
    assert laptop is not None
    assert (laptop.name, laptop.scope) == ("laptop", Access.WRITE)
    assert laptop.may(READ)
    assert not laptop.may(ADMIN)
    assert tokens.principal("s3:cre") is None
    assert tokens.principal("") is None


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("justasecret", "entry 1 is not of the form"),
        ("a:read:x,b:write", "entry 2 is not of the form"),
        ("a:everything:x", "entry 1 has an unknown scope"),
        ("a:public:x", "entry 1 has an unknown scope"),
        ("a:read:x,a:write:y", "entry 2 repeats a name"),
        (" , ", "no entry"),
    ],
)
def test_wrong_tokens_are_explained_without_their_secret(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint) as caught:
        parse_tokens(text)
    assert "secret" not in str(caught.value).replace("name:scope:secret", "")


def test_bearer() -> None:
    assert bearer(None) is None
    assert bearer("bearer  abc") == "abc"
    for header in ("Basic abc", "Bearer", "Bearer ", "abc"):
        with pytest.raises(Unauthorized):
            bearer(header)


# -- problems ----------------------------------------------------------------------------------------


def test_a_problem_document() -> None:
    problem = NotFound("Missing record for key: a", extra={"key": "a"})
    assert problem.document(instance="/v1/records/a", request_id="r1") == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "Missing record for key: a",
        "instance": "/v1/records/a",
        "request_id": "r1",
        "key": "a",
    }


def test_a_foreign_exception_tells_nothing() -> None:
    problem = problem_of(ValueError("password=hunter2"), 500)
    assert "hunter2" not in str(problem.document(instance="/", request_id="r"))
    assert problem_of(None, 418).status_code == 418


def test_retry_after() -> None:
    assert StoreUnavailable("redis").headers["Retry-After"] == "1"
    assert isinstance(StoreUnavailable("redis"), Problem)


# -- traces ------------------------------------------------------------------------------------------


def test_trace_id() -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    assert trace_id(f"00-{trace}-00f067aa0ba902b7-01") == trace
    for header in (None, "", "nonsense", f"00-{'0' * 32}-00f067aa0ba902b7-01"):
        assert trace_id(header) is None
