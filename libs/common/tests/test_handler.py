"""What every handler does the same way, on a running service."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
import orjson
import pytest

from svc_common import (
    PUBLIC,
    READ,
    READ_WRITE,
    WRITE,
    Check,
    Event,
    NotFound,
    Route,
    Service,
    ServiceHandler,
    ServiceSettings,
    StoreUnavailable,
    observe_store,
)
from svc_common.testing import serving
from svc_common.testing.plugin import ErrorLog

pytestmark = pytest.mark.usefixtures("either_server")

ORIGIN = "https://app.example"


@dataclass
class Shelf:
    """A tiny domain: numbered revisions of named texts."""

    texts: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    entered: asyncio.Event = field(default_factory=asyncio.Event)
    broken: bool = False

    async def ping(self) -> None:
        if self.broken:
            raise StoreUnavailable("shelf", "The shelf is broken.")


class TextHandler(ServiceHandler[Shelf]):
    async def get(self, name: str) -> None:
        if name not in self.state.texts:
            raise NotFound(f"Missing text: {name}")
        revision, text = self.state.texts[name]
        if self.not_modified(str(revision)):
            return
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.write(text)

    async def put(self, name: str) -> None:
        revision, _ = self.state.texts.get(name, (0, b""))
        self.require_match(str(revision) if revision else None)
        self.state.texts[name] = (revision + 1, self.request.body)
        self.no_content()


class EchoHandler(ServiceHandler[Shelf]):
    async def get(self) -> None:
        self.write_json({"limit": self.query_int("limit", 10, least=1, most=100), "q": self.query("q")})

    async def post(self) -> None:
        kind = self.negotiate("application/json", "text/plain")
        value = self.read_json()
        if kind == "application/json":
            self.write_json(value)
        else:
            self.write(str(value))


class TroubleHandler(ServiceHandler[Shelf]):
    cancel_on_disconnect = True

    async def get(self, kind: str) -> None:
        if kind == "bug":
            raise RuntimeError("password=hunter2")
        if kind == "store":
            with observe_store("shelf", "get"):
                raise StoreUnavailable("shelf")
        if kind == "half":
            self.write("x" * 100)
            await self.flush()
            raise RuntimeError("half way")
        self.state.entered.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            self.state.cancelled.set()
            raise


class TickHandler(ServiceHandler[Shelf]):
    async def get(self) -> None:
        await self.stream_events(self._ticks(int(self.request.headers.get("Last-Event-ID", "0"))))

    async def _ticks(self, last: int) -> AsyncIterator[Event]:
        try:
            for number in range(last + 1, last + 4):
                yield Event(str(number), id=str(number))
            if self.query("forever"):
                self.state.entered.set()
                await asyncio.sleep(60)
        finally:
            self.state.cancelled.set()


@asynccontextmanager
async def shelf(settings: ServiceSettings) -> AsyncIterator[Shelf]:
    yield Shelf()


service = Service(
    "shelf-svc",
    ServiceSettings,
    routes=[
        Route("/v1/texts/{name}", TextHandler, READ_WRITE),
        Route("/v1/echo", EchoHandler, {"GET": PUBLIC, "POST": WRITE}),
        Route("/v1/trouble/{kind}", TroubleHandler, READ, secret_path=True),
        Route("/v1/ticks", TickHandler, READ),
    ],
    lifespan=shelf,
    checks=lambda shelf: [Check("shelf", shelf.ping)],
)


def problem(answer: httpx.Response) -> dict[str, object]:
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, object] = answer.json()
    assert document["status"] == answer.status_code
    assert document["request_id"] == answer.headers["x-request-id"]
    return document


async def test_put_and_get() -> None:
    async with serving(service) as svc:
        assert (await svc.client.put("/v1/texts/a%2Fb%20c", content=b"hi")).status_code == 204
        answer = await svc.client.get("/v1/texts/a%2Fb%20c")
        assert (answer.status_code, answer.content) == (200, b"hi")
        assert answer.headers["etag"] == '"1"'
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "server" not in answer.headers
        head = await svc.client.head("/v1/texts/a%2Fb%20c")
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == "2"


async def test_a_problem() -> None:
    async with serving(service) as svc:
        document = problem(await svc.client.get("/v1/texts/none"))
        assert document["detail"] == "Missing text: none"
        assert document["instance"] == "/v1/texts/none"
        assert problem(await svc.client.get("/nowhere"))["status"] == 404


async def test_conditional_requests() -> None:
    async with serving(service) as svc:
        url = "/v1/texts/a"
        assert (await svc.client.put(url, content=b"1", headers={"If-None-Match": "*"})).status_code == 204
        again = await svc.client.put(url, content=b"2", headers={"If-None-Match": "*"})
        assert problem(again)["status"] == 412
        unchanged = await svc.client.get(url, headers={"If-None-Match": '"1"'})
        assert (unchanged.status_code, unchanged.content) == (304, b"")
        assert unchanged.headers["etag"] == '"1"'
        assert (await svc.client.put(url, content=b"2", headers={"If-Match": '"1"'})).status_code == 204
        stale = await svc.client.put(url, content=b"3", headers={"If-Match": '"1"'})
        assert stale.status_code == 412
        assert (await svc.client.get(url)).content == b"2"


async def test_gzip_marks_the_tag_and_takes_it_back() -> None:
    async with serving(service) as svc:
        await svc.client.put("/v1/texts/long", content=b"x" * 5000)
        answer = await svc.client.get("/v1/texts/long", headers={"Accept-Encoding": "gzip"})
        assert answer.headers["content-encoding"] == "gzip"
        assert answer.headers["etag"] == '"1-gzip"'
        assert answer.content == b"x" * 5000
        tag = answer.headers["etag"]
        same = await svc.client.get("/v1/texts/long", headers={"If-None-Match": tag})
        assert same.status_code == 304
        assert (await svc.client.put("/v1/texts/long", headers={"If-Match": tag})).status_code == 204
        await svc.client.put("/v1/texts/long", content=b"x" * 5000)
        for refusing in ("gzip;q=0", "identity, GZIP; q=0.0"):
            plain = await svc.client.get("/v1/texts/long", headers={"Accept-Encoding": refusing})
            assert "content-encoding" not in plain.headers
            assert plain.headers["etag"] == '"3"'
        for taking in ("gzip;q=0.1, br", "x-gzip;q=1"):
            answer = await svc.client.get("/v1/texts/long", headers={"Accept-Encoding": taking})
            assert answer.headers.get("etag") == '"3-gzip"'
    async with serving(service, GZIP="false") as svc:
        await svc.client.put("/v1/texts/long", content=b"x" * 5000)
        answer = await svc.client.get("/v1/texts/long", headers={"Accept-Encoding": "gzip"})
        assert "content-encoding" not in answer.headers


async def test_json_in_and_out() -> None:
    async with serving(service) as svc:
        value = {"a": [1, None, "ö"], "n": 2**63}
        assert (await svc.client.post("/v1/echo", json=value)).json() == value
        text = await svc.client.post("/v1/echo", json=[1], headers={"Accept": "text/plain"})
        assert text.text == "[1]"
        refused = await svc.client.post("/v1/echo", json=1, headers={"Accept": "image/png"})
        assert problem(refused)["status"] == 406


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b'{"a": NaN}', b'"\xff"', b"[" * 100_000, b"[1,]", b"{'a': 1}", b'"\\ud800"'],
)
async def test_what_is_not_json(body: bytes) -> None:
    async with serving(service) as svc:
        headers = {"Content-Type": "application/json"}
        assert problem(await svc.client.post("/v1/echo", content=body, headers=headers))["status"] == 400


@pytest.mark.parametrize("limit", ["0", "101", "x", "1e3", "9" * 30, "", "-1"])
async def test_a_number_out_of_bounds(limit: str) -> None:
    async with serving(service) as svc:
        answer = await svc.client.get("/v1/echo", params={"limit": limit})
        assert problem(answer)["detail"] == "limit must be a whole number from 1 to 100."
        assert (await svc.client.get("/v1/echo", params={"limit": "7", "q": " x "})).json() == {
            "limit": 7,
            "q": " x ",
        }


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Type": "text/xml"}, 415),
        ({"Content-Type": "application/json", "Content-Encoding": "gzip"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content-Type": "application/merge-patch+json"}, 200),
    ],
)
async def test_content_types(headers: dict[str, str], status: int) -> None:
    async with serving(service) as svc:
        assert (await svc.client.post("/v1/echo", content=b"1", headers=headers)).status_code == status


async def test_methods() -> None:
    async with serving(service) as svc:
        for method in ("DELETE", "PATCH", "BREW"):
            answer = await svc.client.request(method, "/v1/echo")
            assert problem(answer)["status"] == 405
            assert answer.headers["allow"] == "GET, HEAD, POST, OPTIONS"
        assert (await svc.client.options("/v1/echo")).headers["allow"] == "GET, HEAD, POST, OPTIONS"


async def test_a_bug_tells_the_log_and_not_the_client(error_log: ErrorLog) -> None:
    async with serving(service) as svc:
        answer = await svc.client.get("/v1/trouble/bug")
        assert problem(answer)["status"] == 500
        assert "hunter2" not in answer.text
        error_log.expect("unhandled_exception")


async def test_a_half_sent_answer_is_cut_off(error_log: ErrorLog) -> None:
    async with serving(service) as svc:
        with pytest.raises(httpx.RemoteProtocolError):
            await svc.client.get("/v1/trouble/half")
        error_log.expect("unhandled_exception")
        assert svc.context.in_flight == 0


async def test_a_store_that_is_down() -> None:
    async with serving(service) as svc:
        answer = await svc.client.get("/v1/trouble/store")
        assert problem(answer)["status"] == 503
        assert answer.headers["retry-after"] == "1"
        metrics = (await svc.admin.get("/metrics")).text
        assert 'store_calls_total{operation="get",outcome="error",store="shelf"}' in metrics


async def test_request_ids() -> None:
    async with serving(service) as svc:
        given = await svc.client.get("/v1/echo", headers={"X-Request-ID": "abc-1"})
        assert given.headers["x-request-id"] == "abc-1"
        for unfit in ("a b", "x" * 200, "<script>"):
            made = await svc.client.get("/v1/echo", headers={"X-Request-ID": unfit})
            assert made.headers["x-request-id"] != unfit


async def test_a_request_that_takes_too_long() -> None:
    async with serving(service, REQUEST_TIMEOUT="0.1") as svc:
        answer = await svc.client.get("/v1/trouble/slow")
        assert problem(answer)["detail"] == "The request took longer than 0.1 s."
        assert answer.status_code == 503
        assert svc.context.state.cancelled.is_set()


async def test_a_client_that_leaves_cancels_its_read() -> None:
    async with serving(service) as svc:
        request = asyncio.create_task(svc.client.get("/v1/trouble/slow"))
        await svc.context.state.entered.wait()
        request.cancel()
        async with asyncio.timeout(5):
            await svc.context.state.cancelled.wait()
            while svc.context.in_flight:
                await asyncio.sleep(0)


async def test_too_many_requests_at_once() -> None:
    async with serving(service, MAX_IN_FLIGHT="1") as svc:
        request = asyncio.create_task(svc.client.get("/v1/trouble/slow"))
        await svc.context.state.entered.wait()
        refused = await svc.client.get("/v1/echo")
        assert problem(refused)["status"] == 503
        assert refused.headers["retry-after"] == "1"
        request.cancel()


# -- who may call ------------------------------------------------------------------------------------

TOKENS = "laptop:write:s3cret,viewer:read:other"


async def test_deny_by_default() -> None:
    async with serving(service, AUTH_MODE="token", AUTH_TOKENS=TOKENS) as svc:
        anonymous = await svc.client.get("/v1/texts/a")
        assert problem(anonymous)["status"] == 401
        assert anonymous.headers["www-authenticate"].startswith("Bearer")
        assert (await svc.client.get("/v1/echo")).status_code == 200  # public

        def bearer(token: str) -> dict[str, str]:
            return {"Authorization": f"Bearer {token}"}

        assert (await svc.client.get("/v1/texts/a", headers=bearer("wrong"))).status_code == 401
        assert (await svc.client.get("/v1/texts/a", headers={"Authorization": "Basic x"})).status_code == 401
        assert (await svc.client.get("/v1/texts/a", headers=bearer("other"))).status_code == 404
        refused = await svc.client.put("/v1/texts/a", content=b"x", headers=bearer("other"))
        assert problem(refused)["status"] == 403
        assert (await svc.client.put("/v1/texts/a", headers=bearer("s3cret"))).status_code == 204
        assert (await svc.client.get("/v1/texts/a", headers=bearer("s3cret"))).status_code == 200


async def test_cors() -> None:
    async with serving(service, CORS_ORIGINS=ORIGIN, AUTH_MODE="token", AUTH_TOKENS=TOKENS) as svc:
        preflight = await svc.client.options(
            "/v1/texts/a",
            headers={
                "Origin": ORIGIN,
                "Access-Control-Request-Method": "PUT",
                "Access-Control-Request-Headers": "authorization",
            },
        )
        assert preflight.status_code == 204
        assert preflight.headers["access-control-allow-origin"] == ORIGIN
        assert "PUT" in preflight.headers["access-control-allow-methods"]
        assert preflight.headers["access-control-allow-headers"] == "authorization"
        refused = await svc.client.get("/v1/texts/a", headers={"Origin": ORIGIN})
        assert refused.status_code == 401
        assert refused.headers["access-control-allow-origin"] == ORIGIN  # so that the page may read the error
        other = await svc.client.get("/v1/texts/a", headers={"Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in other.headers


# -- event streams -----------------------------------------------------------------------------------


async def test_an_event_stream_and_its_resumption() -> None:
    async with serving(service) as svc:
        answer = await svc.client.get("/v1/ticks", headers={"Accept": "text/event-stream"})
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
        assert "content-encoding" not in answer.headers
        assert [line for line in answer.text.split("\n") if line.startswith("id")] == [
            "id: 1",
            "id: 2",
            "id: 3",
        ]
        resumed = await svc.client.get("/v1/ticks", headers={"Last-Event-ID": "3"})
        assert "data: 4" in resumed.text


async def test_a_stream_ends_when_its_reader_leaves() -> None:
    async with serving(service) as svc:
        async with svc.client.stream("GET", "/v1/ticks?forever=1"):
            await svc.context.state.entered.wait()
            assert (svc.context.in_flight, svc.context.streams) == (1, 1)
        async with asyncio.timeout(5):
            await svc.context.state.cancelled.wait()
            while svc.context.streams or svc.context.in_flight:
                await asyncio.sleep(0)


async def test_a_stream_says_goodbye_when_the_service_stops() -> None:
    async with serving(service) as svc:
        reader = asyncio.create_task(svc.client.get("/v1/ticks?forever=1"))
        await svc.context.state.entered.wait()
        svc.context.closing.set()
        answer = await asyncio.wait_for(reader, 5)
        assert answer.text.endswith('event: goodbye\nretry: 1000\ndata: {"reason":"shutdown"}\n\n')


async def test_a_quiet_stream_has_a_heartbeat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("svc_common.streams.HEARTBEAT_SECONDS", 0.02)
    async with serving(service) as svc, svc.client.stream("GET", "/v1/ticks?forever=1") as answer:
        lines = answer.aiter_lines()
        seen = 0
        async with asyncio.timeout(5):
            while seen < 4:
                seen += (await anext(lines)) == ":"


# -- the admin port ----------------------------------------------------------------------------------


async def test_the_admin_port() -> None:
    async with serving(service) as svc:
        assert (await svc.admin.get("/livez")).text == "ok\n"
        assert (await svc.admin.get("/readyz")).status_code == 200
        assert (await svc.admin.get("/version")).json()["service"] == "shelf-svc"
        svc.context.state.broken = True
        broken = await svc.admin.get("/readyz")
        assert (broken.status_code, broken.text) == (503, "not ready: shelf: The shelf is broken.\n")
        verbose = (await svc.admin.get("/readyz?verbose")).json()
        assert verbose["checks"]["shelf"]["ok"] is False
        assert (await svc.admin.get("/livez")).status_code == 200
        for path in ("/livez", "/readyz", "/metrics", "/version"):
            assert (await svc.client.get(path)).status_code == 404  # not on the API's port
        assert (await svc.admin.get("/nope")).json()["status"] == 404
        assert (await svc.admin.post("/livez")).status_code == 405


async def test_metrics_know_patterns_and_not_addresses() -> None:
    async with serving(service) as svc:
        await svc.client.get("/v1/texts/private-name")
        await svc.client.request("BREW", "/v1/texts/private-name")
        metrics = (await svc.admin.get("/metrics")).text
        assert (
            'http_requests_total{method="GET",route="/v1/texts/{name}",service="shelf-svc",status="4xx"}'
            in metrics
        )
        assert 'method="other"' in metrics
        assert "private-name" not in metrics
        assert 'build_info{service="shelf-svc"' in metrics


async def test_the_access_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    async with serving(service, AUTH_MODE="token", AUTH_TOKENS=TOKENS) as svc:
        await svc.client.get(
            "/v1/texts/a?secret=hunter2",
            headers={"Authorization": "Bearer s3cret", "traceparent": f"00-{trace}-00f067aa0ba902b7-01"},
        )
        await svc.client.get("/v1/trouble/store-with-a-secret", headers={"Authorization": "Bearer x"})
    lines = [record.getMessage() for record in caplog.records if "event='request'" in record.getMessage()]
    assert len(lines) == 2
    assert "path='/v1/texts/a'" in lines[0]
    assert "caller='laptop'" in lines[0]
    assert trace in lines[0]
    assert "path='/v1/trouble/{kind}'" in lines[1]
    assert not any(secret in line for line in lines for secret in ("hunter2", "s3cret", "with-a-secret"))


def test_the_test_json_is_what_it_says() -> None:
    # orjson and the standard library agree on the numbers that the tests above send
    assert json.loads(orjson.dumps(2**63)) == 2**63
