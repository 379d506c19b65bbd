"""Cases of the protocol: calls, errors and headers that every answer has."""

from __future__ import annotations

from typing import Any

from .protocol_cases import Case, fails, get

VARY = "Accept, Prefer, Range, Accept-Encoding"

HEADERS = [
    get("/genres?id=eq.1", answer_headers={"Vary": VARY}),
    Case("GET", "/nowhere", 404, answer_headers={"Vary": "Accept-Encoding"}),
    # HEAD does not make the answer, so it cannot tell its length
    Case("HEAD", "/genres", 200, text="", answer_headers={"Content-Length": None, "Content-Range": "0-2/*"}),
    Case("HEAD", "/rpc/numbers", 200, text="", answer_headers={"Content-Length": None}),
    Case("HEAD", "/", 200, text="", answer_headers={"Content-Length": None}),
    Case("POST", "/rpc/nothing", 204, text="", answer_headers={"Content-Length": None}),
]

FAILURES = [
    Case("GET", "/rpc/fail?code=PT418&message=Short and stout", 418, reason="Short and stout"),
    Case("GET", "/rpc/fail?code=PT404&message=Nächste", 404, reason="Not Found"),
    Case("GET", "/rpc/fail?code=PT40A&message=Odd", 500, reason="Internal Server Error"),
    Case("GET", "/rpc/teapot", 418, reason="I'm a Teapot", answer_headers={"X-Tea": "green"}),
    Case(
        "GET", "/rpc/decaf", 418, reason="No coffee", answer_headers={"Proxy-Status": "PostgREST; error=T2"}
    ),
]

CALLS = [
    # the body is the argument only where the one parameter has no name
    Case("POST", "/rpc/measure", 200, 3, body={"data": [1, 2, 3]}),
    fails(
        "/rpc/measure",
        404,
        "PGRST202",
        "Could not find the function library.measure(x) in the schema cache",
        details="Searched for the function library.measure with parameter x or with a single unnamed "
        "json/jsonb parameter, but no matches were found in the schema cache.",
        method="POST",
        body={"x": 1},
    ),
]


def refused(message: str, detail: str, status: int = 500, code: str = "PGRST121", **more: Any) -> Case:
    """A function raises ``PGRST`` with these two."""
    body = {"message": message, "detail": detail}
    return Case("POST", "/rpc/refuse", status, body=body, error_code=code, **more)


def answered(said: str, headers: str, status: int = 200, **more: Any) -> Case:
    """A function sets ``response.status`` and ``response.headers``, and returns 1."""
    return Case("POST", "/rpc/answer_with", status, body={"status": said, "headers": headers}, **more)


_SAID, _SHAPE = '{"code": "R1", "message": "no"}', '{"status": 400, "headers": {}}'

SAID = [
    refused(_SAID, _SHAPE, 400, "R1", answer_headers={"Proxy-Status": "PostgREST; error=R1"}),
    refused(
        _SAID,
        '{"status": 400, "headers": {"Content-Type": "application/problem+json", "Content-Length": "3"}}',
        400,
        "R1",
        answer_headers={"Content-Type": "application/problem+json"},
    ),
    refused(r'{"code": "R\n2", "message": "no"}', _SHAPE, 400, "R\n2", answer_headers={"Proxy-Status": None}),
    refused('{"code": "R1", "message": "no", "details": 5}', _SHAPE),
    refused('{"code": "R1", "message": "no", "hint": [1]}', _SHAPE),
    refused(_SAID, '{"status": 400, "status_text": 5, "headers": {}}'),
    refused(_SAID, r'{"status": 400, "headers": {"X-A": "b\r\nX-B: c"}}'),
    refused(_SAID, '{"status": 400, "headers": {"X A": "b"}}'),
    refused(_SAID, '{"status": 150, "headers": {}}'),  # the client would go on waiting
    Case("GET", "/rpc/fail?code=PT150&message=Odd", 500, error_code="PT150"),
    answered("150", "[]", 500, error_code="PGRST112"),
    answered("200", r'[{"X-A": "b\u0001"}]', 500, error_code="PGRST111"),
    # How an answer is framed is not for a function to say
    answered("200", '[{"Content-Length": "3"}, {"X-A": "b"}]', text="1", answer_headers={"X-A": "b"}),
    answered("200", '[{"Transfer-Encoding": "chunked"}]', text="1"),
]

_COOKIES = 'odd={"x":1}; a=1; two words=2; a b'

CONTEXT = [
    get(
        "/rpc/setting?name=request.cookies",
        '{"odd":"{\\"x\\":1}","a":"1","two words":"2"}',
        headers={"Cookie": _COOKIES},
    ),
]


def not_text(path: str, content_type: str, content: bytes) -> Case:
    """What is not UTF-8 is refused, not changed."""
    return fails(
        path,
        400,
        "22021",
        'invalid byte sequence for encoding "UTF8": 0xff',
        method="POST",
        headers={"Content-Type": content_type},
        content=content,
    )


BYTES = [
    not_text("/genres?columns=id,name", "application/json", b'{"id": 9, "name": "a\xff"}'),
    not_text("/genres", "application/x-www-form-urlencoded", b"id=9&name=a%ff"),
    not_text("/rpc/repeated", "text/plain", b"a\xff"),
]

CALL_CASES = [*CALLS, *HEADERS, *FAILURES, *SAID, *CONTEXT, *BYTES]
