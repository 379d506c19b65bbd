"""From requests to commands."""

from __future__ import annotations

import pytest

from redis_svc.upstash.requests import RequestError, batch_from_json, from_json, from_path, token_in


@pytest.mark.parametrize(
    ("path", "body", "query", "command"),
    [
        ("set/foo/bar", b"", "", [b"set", b"foo", b"bar"]),
        ("set/foo", b"\x00\xff", "EX=100&NX", [b"set", b"foo", b"\x00\xff", b"EX", b"100", b"NX"]),
        ("set/a%2Fb/%C3%A9%FF", b"", "", [b"set", b"a/b", b"\xc3\xa9\xff"]),
        ("get/a+b", b"", "", [b"get", b"a+b"]),
        ("set/foo", b"v", "_token=s3cret&EX=1", [b"set", b"foo", b"v", b"EX", b"1"]),
        ("x", b"", "a=b+c%3D", [b"x", b"a", b"b c="]),
        ("set/foo/", b"", "", [b"set", b"foo", b""]),
    ],
)
def test_paths(path: str, body: bytes, query: str, command: list[bytes]) -> None:
    assert from_path(path, body, query) == command


def test_the_token_of_a_query() -> None:
    assert token_in("EX=1&_token=a%2Bb") == "a+b"
    assert token_in("EX=1&token=a") is None


@pytest.mark.parametrize(
    ("body", "command"),
    [
        (b'["SET","k",1]', [b"SET", b"k", b"1"]),
        (b'["SET","k",9223372036854775807]', [b"SET", b"k", b"9223372036854775807"]),
        (b'["SET","k",123456789012345678901234567890]', [b"SET", b"k", b"123456789012345678901234567890"]),
        (b'["SET","k",1.0]', [b"SET", b"k", b"1.0"]),
        (b'["SET","k",1e300, 0.1]', [b"SET", b"k", b"1e300", b"0.1"]),
        (b'["SET","k",true,false]', [b"SET", b"k", b"true", b"false"]),
        ('["GET","käse\\u0000"]'.encode(), [b"GET", "käse\0".encode()]),
    ],
)
def test_bodies(body: bytes, command: list[bytes]) -> None:
    assert from_json(body) == command


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{}", b"[]", b'"PING"', b"[null]", b'[["PING"]]', b'[{"a":1}]', b"[NaN]", b"[1,"),
        *(b"[1.5,NaN]", b'["\\ud800"]', b"\xff", b"[" * 10_000, b"[1.0," + b"[" * 10_000),
    ],
)
def test_bodies_that_are_no_command(body: bytes) -> None:
    with pytest.raises(RequestError):
        from_json(body)


def test_what_is_said_of_null() -> None:
    with pytest.raises(RequestError, match="ERR null args are not supported"):
        from_json(b'["SET","k",null]')


def test_batches() -> None:
    assert batch_from_json(b'[["SET","k",1.5],["GET","k"]]', 2) == [[b"SET", b"k", b"1.5"], [b"GET", b"k"]]
    assert batch_from_json(b"[]", 2) == []
    for body in (b"{}", b"[1]", b"[[]]", b'[["a"],["b"],["c"]]'):
        with pytest.raises(RequestError):
            batch_from_json(body, 2)
