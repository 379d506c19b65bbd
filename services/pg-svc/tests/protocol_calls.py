"""Cases of the protocol: calls, errors and headers that every answer has."""

from __future__ import annotations

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

CALL_CASES = [*CALLS, *HEADERS, *FAILURES]
