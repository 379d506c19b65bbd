"""Input that no client would send: a clear error, nothing stored, and the service goes on."""

from __future__ import annotations

import pytest

from svc_common.testing import TestedService, raw_request

BODIES: list[tuple[str, bytes]] = [
    ("application/json", b""),
    ("application/json", b"{"),
    ("application/json", b'{"task": NaN}'),
    ("application/json", b"\xff\xfe"),
    ("application/json", b"1"),
    ("application/json", b'[{"task": "a"}, {"done": true}]'),
    ("application/json", b'{"nonsense": 1}'),
    ("application/json", b'{"task": "a\\u0000b"}'),
    ("application/json", b"[" * 5000 + b"]" * 5000),
    ("text/csv", b'task\n"'),
    ("text/csv", b"task,done\na\n"),
    ("application/xml", b"<a/>"),
    ("application/json", b'{"id": 1e400, "task": "a"}'),
    ("application/json", b'{"id": "1; DROP TABLE todos", "task": "a"}'),
    ("application/json", b'{"task": ""}'),
]


@pytest.mark.parametrize(("content_type", "body"), BODIES)
async def test_bodies(svc: TestedService, content_type: str, body: bytes) -> None:
    answer = await svc.client.post("/rest/todos", content=body, headers={"Content-Type": content_type})
    assert answer.status_code in (400, 201), answer.text
    if answer.status_code == 400:
        assert sorted(answer.json()) == ["code", "details", "hint", "message"]
    assert (await svc.client.get("/rest/todos")).json() == []


@pytest.mark.parametrize(
    "path",
    [
        b"/rest/todos?id=eq.%",
        b"/rest/todos?id=eq.%zz",
        b"/rest/%00",
        b"/rest/\xff",
        b"/rest/todos?" + b"a" * 40000,
        b"/rest/todos?select=" + b"a(" * 3000,
        b"/rest/todos?order=)(",
        b"/rest/todos?limit=-1",
        b"/rest/todos?task=eq.%00",
    ],
)
async def test_addresses(svc: TestedService, path: bytes) -> None:
    answer = await raw_request(svc.url, b"GET " + path + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer[9:12] in (b"400", b"404", b"416", b"431"), answer[:200]
    assert (await svc.client.get("/rest/todos")).status_code == 200


async def test_random_bytes(svc: TestedService) -> None:
    answer = await raw_request(svc.url, bytes(range(256)) * 8 + b"\r\n\r\n")
    assert answer == b"" or answer.startswith(b"HTTP/1.1 400")
    assert (await svc.client.get("/rest/todos")).status_code == 200


async def test_a_body_that_is_announced_too_large(svc: TestedService) -> None:
    head = b"POST /rest/todos HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000000\r\n\r\n"
    assert (await raw_request(svc.url, head)).startswith(b"HTTP/1.1 413")
    assert (await svc.client.get("/rest/todos")).json() == []
