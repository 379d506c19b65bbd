"""Bytes that no well-behaved client sends: a 4xx, and the same service still serving."""

from __future__ import annotations

import asyncio
import random

import pytest
from tornado.web import stream_request_body

from svc_common import PUBLIC, Route, Service, ServiceHandler, ServiceSettings
from svc_common.testing import TestedService, raw_request, serving

pytestmark = pytest.mark.usefixtures("either_server")


class BodyHandler(ServiceHandler[None]):
    async def post(self, name: str) -> None:
        self.write_json({"length": len(self.request.body)})

    async def get(self, name: str) -> None:
        self.write_json({"name": name, "q": self.query("q")})

    async def head(self, *args: str, **kwargs: str) -> None:
        self.set_header("Content-Length", "1000")


class FormHandler(ServiceHandler[None]):
    async def post(self) -> None:
        self.write_json(self.read_form())


@stream_request_body
class UploadHandler(ServiceHandler[None]):
    unlimited_body = True

    async def prepare(self) -> None:
        await super().prepare()
        self.received = 0

    async def data_received(self, chunk: bytes) -> None:
        self.received += len(chunk)
        await asyncio.sleep(0)

    async def post(self) -> None:
        self.write_json({"received": self.received})


service = Service(
    "body-svc",
    ServiceSettings,
    routes=[
        Route("/v1/body/{name}", BodyHandler, PUBLIC),
        Route("/v1/form", FormHandler, PUBLIC),
        Route("/v1/upload", UploadHandler, PUBLIC),
    ],
)


def status(answer: bytes) -> int:
    assert answer.startswith(b"HTTP/1.1 "), answer[:200]
    return int(answer[9:12])


async def still_serving(svc: TestedService) -> None:
    answer = await svc.client.get("/v1/body/ok")
    assert answer.json() == {"name": "ok", "q": None}
    assert svc.context.in_flight == 0


async def test_a_body_that_announces_two_gigabytes() -> None:
    async with serving(service) as svc:
        answer = await raw_request(
            svc.url, b"POST /v1/body/x HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000000\r\n\r\nabc"
        )
        assert status(answer) == 413
        assert b"application/problem+json" in answer
        await still_serving(svc)


async def test_a_client_that_asks_before_it_sends_too_much() -> None:
    async with serving(service) as svc:
        answer = await raw_request(
            svc.url,
            b"POST /v1/body/x HTTP/1.1\r\nHost: x\r\n"
            b"Expect: 100-continue\r\nContent-Length: 20000000\r\n\r\n",
        )
        assert status(answer) == 413


async def test_a_body_just_over_the_limit_gets_its_answer() -> None:
    async with serving(service, MAX_BODY_BYTES="1000") as svc:
        assert (await svc.client.post("/v1/body/x", content=b"x" * 1000)).json()["length"] == 1000
        refused = await svc.client.post("/v1/body/x", content=b"x" * 1001)
        assert refused.status_code == 413
        assert refused.json()["detail"] == "The body is over the limit of 1000 bytes."
        await still_serving(svc)


async def test_chunks_over_the_limit() -> None:
    async def chunks() -> object:
        for _ in range(20):
            yield b"x" * 100

    async with serving(service, MAX_BODY_BYTES="1000") as svc:
        refused = await svc.client.post("/v1/body/x", content=chunks())  # type: ignore[arg-type]
        assert refused.status_code == 413
        await still_serving(svc)


async def test_an_endless_chunked_body_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("svc_common.limits.DROPPED_BYTES", 10_000)
    async with serving(service, MAX_BODY_BYTES="1000") as svc:
        head = b"POST /v1/body/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        answer = await raw_request(svc.url, head + (b"400\r\n" + b"x" * 1024 + b"\r\n") * 30)
        assert status(answer) == 413
        await still_serving(svc)


async def test_an_unlimited_upload_is_streamed() -> None:
    async with serving(service, MAX_BODY_BYTES="1000") as svc:
        answer = await svc.client.post("/v1/upload", content=b"x" * 5_000_000)
        assert answer.json() == {"received": 5_000_000}


@pytest.mark.parametrize("path", ["/v1/body/x", "/v1/upload"])
async def test_a_slow_body(path: str) -> None:
    async with serving(service, BODY_TIMEOUT="0.2", MIN_BODY_RATE="1000000") as svc:
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc".encode()
        answer = await raw_request(svc.url, head)
        if path == "/v1/body/x":
            assert status(answer) == 408
        else:
            assert answer == b""  # its handler had begun; all that is left is to hang up
        await still_serving(svc)


async def test_a_client_that_leaves_after_its_upload_took_too_long() -> None:
    async with serving(service, REQUEST_TIMEOUT="0.1") as svc, asyncio.timeout(60):
        reader, writer = await asyncio.open_connection("127.0.0.1", svc.running.port)
        writer.write(b"POST /v1/upload HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc")
        assert status(await reader.readuntil(b"\r\n\r\n")) == 503
        writer.transport.abort()
        while svc.running.connections() or svc.context.in_flight:
            await asyncio.sleep(0.01)
        await still_serving(svc)


async def test_ten_thousand_headers() -> None:
    async with serving(service) as svc:
        headers = b"".join(b"X-Header-%d: value\r\n" % number for number in range(10_000))
        answer = await raw_request(
            svc.url, b"GET /v1/body/x HTTP/1.1\r\nHost: x\r\n" + headers + b"Connection: close\r\n\r\n"
        )
        assert status(answer) == 431
        await still_serving(svc)


async def test_a_long_header_and_a_long_address() -> None:
    async with serving(service) as svc:
        for head in (
            b"GET /v1/body/x HTTP/1.1\r\nHost: x\r\nCookie: " + b"c" * 40_000 + b"\r\n",
            b"GET /v1/body/x?q=" + b"a" * 40_000 + b" HTTP/1.1\r\nHost: x\r\n",
        ):
            assert status(await raw_request(svc.url, head + b"Connection: close\r\n\r\n")) == 431
        await still_serving(svc)


@pytest.mark.parametrize(
    "target",
    [
        "/v1/body/%zz",
        "/v1/body/%",
        "/v1/body/%4",
        "/v1/body/x?q=%zz",
        "/v1/body/%00",
        "/v1/body/a%00b",
        "/v1/body/%ff",
        "/v1/body/x?q=%ff",
    ],
)
async def test_broken_addresses(target: str) -> None:
    async with serving(service) as svc:
        answer = await raw_request(
            svc.url, f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
        )
        assert status(answer) == 400
        assert b"application/problem+json" in answer
        await still_serving(svc)


MALFORMED = [
    b"\r\n\r\n\r\n\r\n",
    b"GET\r\n\r\n",
    b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
    b"GET /v1/body/x HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"GET /v1/body/x HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 2\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /v1/body/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",
    b"POST /v1/body/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"GET /v1/body/x HTTP/1.1\r\nHost: x\r\nBad Header: x\r\n\r\n",
    b"GET /v1/body/x HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n",
    b"GET /v1/body/x HTTP/1.1\r\n no: colon\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
]


@pytest.mark.parametrize("data", MALFORMED, ids=range(len(MALFORMED)))
async def test_malformed_requests(data: bytes) -> None:
    async with serving(service, IDLE_TIMEOUT="1") as svc:
        answer = await raw_request(svc.url, data)
        assert answer == b"" or 400 <= status(answer) < 500
        await still_serving(svc)


async def test_random_bytes() -> None:
    noise = random.Random(20261122)
    async with serving(service, IDLE_TIMEOUT="1") as svc:

        async def send() -> None:
            answer = await raw_request(svc.url, noise.randbytes(noise.randrange(1, 3000)) + b"\r\n\r\n")
            assert answer == b"" or 400 <= status(answer) < 500

        await asyncio.gather(*(send() for _ in range(50)))
        await still_serving(svc)


async def test_forms_are_bounded() -> None:
    async with serving(service, MAX_FORM_ARGUMENTS="10") as svc:
        headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
        fine = await svc.client.post(
            "/v1/form", content="&".join(["a=1"] * 9 + ["b=%C3%A4+"]), headers=headers
        )
        assert fine.json() == {"a": "1", "b": "ä "}
        over = await svc.client.post("/v1/form", content="&".join(["a=1"] * 11), headers=headers)
        assert over.status_code == 400
        broken = await svc.client.post("/v1/form", content="a=%ff", headers=headers)
        assert broken.status_code == 400
        multipart = await svc.client.post("/v1/form", files={"file": b"x"})
        assert multipart.status_code == 415


async def test_a_body_is_no_form_unless_a_handler_says_so() -> None:
    async with serving(service) as svc:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        body = b"%ff&" * 5000  # what curl sends with --data-binary, and no form at all
        answer = await svc.client.post("/v1/body/x", content=body, headers=headers)
        assert answer.json() == {"length": len(body)}


async def test_a_head_may_say_how_long_the_body_would_be() -> None:
    async with serving(service) as svc:
        answer = await svc.client.head("/v1/body/x")
        assert (answer.content, answer.headers["Content-Length"]) == (b"", "1000")


async def test_user_text_never_reaches_the_status_line() -> None:
    async with serving(service) as svc:
        answer = await raw_request(
            svc.url, b"GET /v1/nope/%0d%0aX-Evil:%20yes HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
        assert status(answer) == 404
        head = answer.partition(b"\r\n\r\n")[0]
        assert b"Evil" not in head


async def test_a_connection_without_a_request_is_closed() -> None:
    async with serving(service, IDLE_TIMEOUT="0.2") as svc:
        assert await raw_request(svc.url, b"GET /v1/body/x HT") == b""


async def test_a_connection_that_is_gone_is_forgotten() -> None:
    async with serving(service) as svc:
        for _ in range(3):
            await raw_request(svc.url, b"GET /v1/body/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        async with asyncio.timeout(30):
            while svc.running.connections():
                await asyncio.sleep(0.01)


async def test_the_clients_address_comes_from_the_proxy_only_when_it_is_trusted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    for trust, seen in (("false", "127.0.0.1"), ("true", "192.0.2.7")):
        caplog.clear()
        async with serving(service, TRUST_PROXY=trust) as svc:
            # the last address is the proxy's word; whatever the client itself has sent counts for nothing
            for made_up in ({}, {"X-Real-Ip": "198.51.100.9", "X-Scheme": "https"}):
                headers = {"X-Forwarded-For": "198.51.100.9, 192.0.2.7", **made_up}
                await svc.client.get("/v1/body/x", headers=headers)
        assert caplog.text.count(f"remote='{seen}'") == 2
        assert "remote='198.51.100.9'" not in caplog.text
