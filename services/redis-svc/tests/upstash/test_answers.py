"""From replies to answers."""

from __future__ import annotations

import orjson
import pytest

from redis_svc.replies import Reply, ReplyTooDeep, ServerError
from redis_svc.upstash.answers import Format, FormatError, batch, format_from, one


@pytest.mark.parametrize(
    ("reply", "form", "expected"),
    [
        (b"bar", "json", {"result": "bar"}),
        (b"\xff", "json", {"result": "\ufffd"}),
        (None, "json", {"result": None}),
        (9223372036854775807, "json", {"result": 9223372036854775807}),
        ([b"a", [1, None, b"OK"]], "json", {"result": ["a", [1, None, "OK"]]}),
        (ServerError("WRONGTYPE no"), "json", {"error": "WRONGTYPE no"}),
        (b"OK", "base64", {"result": "OK"}),
        (b"bar", "base64", {"result": "YmFy"}),
        (b"\xff", "base64", {"result": "/w=="}),
        ([b"OK", 1, [b"a"]], "base64", {"result": ["T0s=", 1, ["YQ=="]]}),
        (ServerError("ERR no"), "base64", {"error": "ERR no"}),
    ],
)
def test_json(reply: Reply, form: Format, expected: object) -> None:
    assert orjson.loads(one(reply, form)) == expected


def test_resp2() -> None:
    reply: Reply = [b"a\r\n", 1, None, [b"OK"], ServerError("ERR no")]
    assert one(reply, "resp2") == b"*5\r\n$3\r\na\r\n\r\n:1\r\n$-1\r\n*1\r\n+OK\r\n-ERR no\r\n"
    assert batch([b"OK", 2], "resp2") == b"+OK\r\n:2\r\n"


def test_an_error_is_one_line_of_resp2() -> None:
    error = ServerError("ERR unknown command 'a\r\n+OK\nb'")
    assert batch([error, 1], "resp2") == b"-ERR unknown command 'a  +OK b'\r\n:1\r\n"


@pytest.mark.parametrize("form", ["json", "base64", "resp2"])
def test_a_reply_that_is_nested_too_deeply(form: Format) -> None:
    reply: Reply = 1
    for _ in range(5000):
        reply = [reply]
    with pytest.raises(ReplyTooDeep):
        one(reply, form)
    with pytest.raises(ReplyTooDeep):
        batch([1, reply], form)


def test_batches() -> None:
    assert orjson.loads(batch([b"OK", ServerError("ERR no")], "json")) == [
        {"result": "OK"},
        {"error": "ERR no"},
    ]


def test_formats() -> None:
    assert format_from(None, None) == "json"
    assert format_from("", "JSON") == "json"
    assert format_from("base64", None) == "base64"
    assert format_from(None, "resp2") == "resp2"
    for encoding, response_format in (("gzip", None), (None, "resp3"), ("base64", "resp2")):
        with pytest.raises(FormatError):
            format_from(encoding, response_format)
