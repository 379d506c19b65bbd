"""Our quicker request is Tornado's in every attribute."""

from __future__ import annotations

from typing import Any

import pytest
from tornado.httputil import HTTPConnection, HTTPHeaders, HTTPInputError, HTTPServerRequest, RequestStartLine

from svc_common.httpserver.context import ConnectionContext
from svc_common.request import ServiceRequest


class Connection(HTTPConnection):
    context = ConnectionContext(("192.0.2.1", 1), "192.0.2.1", "https")


def make(kind: Any, target: str, *hosts: str, version: str = "HTTP/1.1") -> Any:
    headers = HTTPHeaders()
    for host in hosts:
        headers.add("Host", host)
    line = RequestStartLine("GET", target, version)
    connection = Connection()
    return kind(connection=connection, server_connection=connection, start_line=line, headers=headers)


@pytest.mark.parametrize(
    "target",
    ["/", "/a/b", "/a?", "/a?b=c&b=d&e=", "/a?b=%e4?c", "/?" + "a=1&" * 150, "//a", "*", "http://x/y"],
)
@pytest.mark.parametrize("host", ["a", "A.example:8080", "[::1]:80", "[::1]", ""])
def test_all_attributes_are_the_same(target: str, host: str) -> None:
    asked = [make(kind, target, host) for kind in (ServiceRequest, HTTPServerRequest)]
    assert asked[0].query_arguments is not asked[0].arguments  # a form's go to one of them only
    ours, tornados = (dict(vars(request)) for request in asked)
    for its in (ours, tornados):
        for own in ("connection", "server_connection", "_start_time"):
            assert its.pop(own)
        its["headers"] = list(its["headers"].get_all())
    assert ours == tornados


@pytest.mark.parametrize("hosts", [(), ("a", "b"), ("a b",), ("a/b",), ("x@y",)])
def test_what_tornado_refuses_is_refused(hosts: tuple[str, ...]) -> None:
    for kind in (ServiceRequest, HTTPServerRequest):
        for _ in range(2):  # nothing refused is remembered
            with pytest.raises(HTTPInputError):
                make(kind, "/", *hosts)


def test_too_many_arguments_are_refused() -> None:
    for kind in (ServiceRequest, HTTPServerRequest):
        with pytest.raises(HTTPInputError):
            make(kind, "/?" + "a&" * 2000, "a")


def test_there_is_nothing_else_about_it() -> None:
    with pytest.raises(AttributeError):
        make(ServiceRequest, "/?a", "a").no_such_thing  # noqa: B018


def test_an_old_client_needs_no_host() -> None:
    assert make(ServiceRequest, "/", version="HTTP/1.0").host == "127.0.0.1"
