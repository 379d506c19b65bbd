"""A large body is read only from a caller who is known, and a refused one is not waited for without end."""

from __future__ import annotations

import asyncio

import pytest
from token_issuer import Issuer, as_bearer, shelf
from tornado.httputil import (
    HTTPConnection,
    HTTPHeaders,
    HTTPMessageDelegate,
    RequestStartLine,
    ResponseStartLine,
)

from svc_common import ServiceSettings, Unauthorized
from svc_common.limits import RequestGuard
from svc_common.request import ServiceRequest
from svc_common.settings import load_settings
from svc_common.testing import TestedService, raw_request, serving

pytestmark = pytest.mark.usefixtures("either_server")


def head(path: str, *lines: str) -> bytes:
    """The head of a PUT that announces a large body, and of that not one byte."""
    announced = ("Content-Length: 1000000", "Expect: 100-continue")
    return "\r\n".join([f"PUT {path} HTTP/1.1", "Host: a", *lines, *announced, "", ""]).encode()


async def answer_to(svc: TestedService, path: str, *lines: str) -> bytes:
    answer = await raw_request(svc.url, head(path, *lines), timeout=10)
    assert b"100 Continue" not in answer
    return answer


async def test_who_is_unknown_is_refused_before_its_body(issuer: Issuer) -> None:
    async with serving(
        shelf, AUTH_MODE="token,jwt", AUTH_TOKENS="a:write:b", AUTH_ACCOUNTS_URL=issuer.url
    ) as svc:
        for line in (
            "X-None: 1",
            "Authorization: Bearer wrong",
            f"Authorization: Bearer {issuer.token(exp=1)}",
            "Cookie: __Host-access=wrong",
        ):
            assert (await answer_to(svc, "/shelf", line)).startswith(b"HTTP/1.1 401"), line
        # where the handler looks for a credential itself, it is asked
        assert (await answer_to(svc, "/keyed", "X-Key: wrong")).startswith(b"HTTP/1.1 401")
        body = b"x" * 1_000_000
        for headers in (as_bearer(issuer.token()), as_bearer("b")):
            good = await svc.client.put("/shelf", content=body, headers=headers)
            assert good.json() == {"stored": len(body)}
        keyed = await svc.client.put("/keyed", content=body, headers={"X-Key": "b"})
        assert keyed.json() == {"stored": len(body)}
        bad = await svc.client.put("/shelf", content=body, headers=as_bearer("wrong"))
        assert bad.status_code == 401


async def test_guesses_with_large_bodies_are_counted_and_written_down(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    async with serving(shelf, AUTH_MODE="token", AUTH_TOKENS="a:write:b", RATE_LIMIT="3/hour") as svc:
        answers = [
            await answer_to(svc, "/shelf", f"Authorization: Bearer guess-{number}") for number in range(5)
        ]
        assert [answer[9:12] for answer in answers] == [b"401"] * 3 + [b"429"] * 2
    assert caplog.text.count("credential_refused") == 5
    assert "guess-" not in caplog.text


@pytest.mark.parametrize("line", ["Authorization: Bearer wrong", "Authorization: Bearer b"])
async def test_a_body_that_does_not_come_is_not_waited_for(line: str) -> None:
    async with serving(
        shelf, AUTH_MODE="token", AUTH_TOKENS="a:write:b", BODY_TIMEOUT="0.2", MAX_BODY_BYTES="200000"
    ) as svc:
        for length, status in ((100_000, (b"401", b"408")), (300_000, (b"413", b"408"))):
            lines = ["PUT /shelf HTTP/1.1", "Host: a", line, f"Content-Length: {length}", "", "x"]
            answer = await raw_request(svc.url, "\r\n".join(lines).encode(), timeout=10)
            assert answer[9:12] in status


class Heard(HTTPMessageDelegate):
    """What comes past a guard."""

    def __init__(self) -> None:
        self.what: list[str] = []

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> None:
        self.what.append("head")

    def finish(self) -> None:
        self.what.append("end")

    def on_connection_close(self) -> None:
        self.what.append("left")


@pytest.mark.parametrize("refusal", [None, Unauthorized("Unknown.")])
async def test_who_left_while_it_was_asked_who_it_is_begins_nothing(refusal: Exception | None) -> None:
    line = RequestStartLine("PUT", "/shelf", "HTTP/1.1")
    headers = HTTPHeaders({"Host": "a", "Content-Length": "1000000"})
    known = asyncio.get_running_loop().create_future()
    heard, late = Heard(), Heard()
    guard = RequestGuard(
        heard,
        ServiceRequest(HTTPConnection(), None, line, headers),
        load_settings(ServiceSettings, auth_mode="none", body_timeout=0.01),
        lambda _request, _problem: late,
        streaming=False,
        max_body=2_000_000,
        ask_first=lambda: known,
    )
    asking = guard.headers_received(line, headers)
    assert asking is not None
    begun = asyncio.ensure_future(asking)
    await asyncio.sleep(0)
    guard.on_connection_close()
    known.set_result(refusal)
    await begun
    await asyncio.sleep(0.1)  # the body's time is over
    assert (heard.what, late.what) == (["left"], [])
