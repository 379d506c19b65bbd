"""The Upstash protocol over real HTTP and a real server."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from redis.asyncio import Redis

from redis_svc.app import service
from svc_common.testing import TestedService, raw_request, serving

if TYPE_CHECKING:
    from devstack.pytest_plugin import OwnRedis

BASE64 = {"Upstash-Encoding": "base64"}
RESP2 = {"Upstash-Response-Format": "resp2"}


async def _run(svc: TestedService, *command: object) -> Any:
    answer = await svc.client.post("/", json=list(command))
    return answer.json()["result"] if answer.status_code == 200 else answer.json()["error"]


async def test_commands_in_the_path(svc: TestedService, raw: Redis) -> None:
    client = svc.client
    assert (await client.get("/set/foo/bar")).json() == {"result": "OK"}
    assert (await client.get("/get/foo")).json() == {"result": "bar"}
    assert (await client.get("/get/nothing")).json() == {"result": None}
    assert (await client.post("/set/foo?EX=100&GET", content=b"\x00\xff")).json() == {"result": "bar"}
    assert await raw.get("foo") == b"\x00\xff"
    assert 90 <= await raw.ttl("foo") <= 100
    assert (await client.put("/set/a%2Fb%20c", content=b"1")).json() == {"result": "OK"}
    assert await raw.get("a/b c") == b"1"
    head = await client.head("/get/foo")
    assert (head.status_code, head.content) == (200, b"")
    assert (await client.get("/incr/n")).json() == {"result": 1}


async def test_commands_in_the_body(redis_url: str) -> None:
    async with serving(service, REDIS_URL=redis_url, BASE_PATH="/redis") as svc:
        for address in (svc.url, f"{svc.url}/"):
            answer = await svc.client.post(address, json=["SET", "k", 1])
            assert (answer.status_code, answer.json()) == (200, {"result": "OK"})
            assert answer.headers["Content-Type"] == "application/json"
        assert (await svc.client.post(svc.url, content=b'["GET","k"]')).json() == {"result": "1"}


async def test_other_methods(svc: TestedService) -> None:
    for method in ("DELETE", "PATCH"):
        for path in ("/get/a", "/", "/pipeline"):
            answer = await svc.client.request(method, path)
            assert answer.status_code == 405, (method, path)
            assert "error" in answer.json()
    assert (await svc.client.get("/pipeline")).status_code == 405


async def test_native_addresses_are_no_commands(svc: TestedService) -> None:
    for path in ("/v1/get/foo", "/docs/no/such", "/v1"):
        answer = await svc.client.get(path)
        assert answer.status_code == 404, path
        assert answer.headers["Content-Type"] == "application/problem+json"
    assert (await svc.client.get("/openapi.json")).json()["info"]["title"] == "redis-svc"
    assert (await svc.client.get("/docs")).headers["Content-Type"].startswith("text/html")


async def test_errors_are_what_redis_said_with_its_code(svc: TestedService, raw: Redis) -> None:
    await raw.hset("hash", "a", "1")
    for command, message in (
        (["GET", "hash"], "WRONGTYPE Operation against a key holding the wrong kind of value"),
        (["SET", "a"], "ERR wrong number of arguments for 'set' command"),
        (["EVALSHA", "f" * 40, 0], "NOSCRIPT No matching script."),
        (["NOSUCH", "x"], "ERR unknown command 'NOSUCH', with args beginning with: 'x' "),
        (["XADD", "s", "0-0", "a", "b"], "ERR The ID specified in XADD must be greater than 0-0"),
        (["XGROUP", "CREATE", "no", "g", "$"], "ERR The XGROUP subcommand requires the key to exist"),
    ):
        answer = await svc.client.post("/", json=command)
        assert answer.status_code == 400, command
        assert answer.json()["error"].startswith(message)
    assert (await svc.client.post("/", content=b"{")).json() == {"error": "ERR the body is not valid JSON"}


async def test_exact_integers(svc: TestedService) -> None:
    big = 9_007_199_254_740_993
    assert await _run(svc, "SET", "n", big) == "OK"
    assert await _run(svc, "INCR", "n") == big + 1
    assert await _run(svc, "SET", "f", 1.0) == "OK"
    assert (await svc.client.post("/", content=b'["SET","f",1.50]')).status_code == 200
    assert await _run(svc, "GET", "f") == "1.50"


async def test_binary_values(svc: TestedService) -> None:
    await svc.client.post("/set/b", content=b"\xff\x00OK")
    assert (await svc.client.get("/get/b")).json() == {"result": "\ufffd\0OK"}
    assert (await svc.client.get("/get/b", headers=BASE64)).json() == {"result": "/wBPSw=="}
    assert (await svc.client.get("/set/b/1", headers=BASE64)).json() == {"result": "OK"}
    raw_reply = await svc.client.get("/get/b", headers=RESP2)
    assert (raw_reply.content, raw_reply.headers["Content-Type"]) == (
        b"$1\r\n1\r\n",
        "application/octet-stream",
    )
    wrong = await svc.client.get("/hget/b/x", headers=RESP2)
    assert wrong.status_code == 400
    assert wrong.content.startswith(b"-WRONGTYPE ")
    for headers in ({**BASE64, **RESP2}, {"Upstash-Encoding": "x"}, {"Upstash-Response-Format": "x"}):
        assert (await svc.client.get("/get/b", headers=headers)).status_code == 400


async def test_a_path_takes_any_bytes(svc: TestedService, raw: Redis) -> None:
    assert (await svc.client.get("/set/%ff%01/%fe")).json() == {"result": "OK"}
    assert await raw.get(b"\xff\x01") == b"\xfe"
    assert (await svc.client.get("/get/%ff%01", headers=BASE64)).json() == {"result": "/g=="}


async def test_a_reply_that_no_answer_can_hold(svc: TestedService) -> None:
    script = "local t = 1 for i = 1, 1000 do t = {t} end return t"
    answer = await svc.client.post("/", json=["EVAL", script, 0])
    assert answer.status_code == 502
    assert "nested too deeply" in answer.json()["error"]
    assert (await svc.client.get("/ping")).json() == {"result": "PONG"}


async def test_the_commands_are_asked_for_once_for_everybody(own_redis: OwnRedis) -> None:
    store = own_redis()
    async with serving(service, REDIS_URL=store.url) as svc, Redis.from_url(store.url) as raw:
        await asyncio.gather(*(svc.client.get("/ping") for _ in range(50)))
        calls = (await raw.info("commandstats"))["cmdstat_command"]["calls"]
        assert 1 <= calls <= 5  # once, and after each of the shared connections was made


async def test_what_is_denied_is_denied_as_a_stream_too(redis_url: str) -> None:
    async with serving(service, REDIS_URL=redis_url, REDIS_DENY_COMMANDS="MONITOR,@pubsub") as svc:
        for path in ("/monitor", "/subscribe/a", "/psubscribe/a"):
            answer = await svc.client.post(path)
            assert answer.status_code == 400
            assert answer.json()["error"].endswith("is refused by REDIS_DENY_COMMANDS"), path


async def test_pipelines(svc: TestedService) -> None:
    batch = [["SET", "a", 1], ["LPUSH", "a", 2], ["SELECT", 1], ["NOSUCH"], ["BLPOP", "l", 0], ["INCR", "a"]]
    answer = await svc.client.post("/pipeline", json=batch)
    assert answer.status_code == 200
    kinds = [next(iter(item)) for item in answer.json()]
    assert kinds == ["result", "error", "error", "error", "error", "result"]
    assert answer.json()[1]["error"].startswith("WRONGTYPE")
    assert answer.json()[5] == {"result": 2}
    assert (await svc.client.post("/pipeline", json=[])).json() == []
    encoded = await svc.client.post("/pipeline", json=[["SET", "a", "x"], ["GET", "a"]], headers=BASE64)
    assert encoded.json() == [{"result": "OK"}, {"result": "eA=="}]
    plain = await svc.client.post("/pipeline", json=[["SET", "a", "x"], ["GET", "a"]], headers=RESP2)
    assert plain.content == b"+OK\r\n$1\r\nx\r\n"


async def test_transactions(svc: TestedService, raw: Redis) -> None:
    good = await svc.client.post("/multi-exec", json=[["SET", "a", 1], ["INCR", "a"], ["LPUSH", "a", 1]])
    assert good.status_code == 200
    assert good.json()[:2] == [{"result": "OK"}, {"result": 2}]
    assert good.json()[2]["error"].startswith("WRONGTYPE")
    for bad in (["SET", "a"], ["NOSUCH"], ["CONFIG", "GET", "x"], ["MULTI"]):
        answer = await svc.client.post("/multi-exec", json=[["SET", "a", "never"], bad])
        assert answer.status_code == 400, bad
        assert answer.json()["error"].startswith("EXECABORT"), bad
        assert await raw.get("a") == b"2"
    assert (await svc.client.post("/multi-exec", json=[["BLPOP", "none", 0]])).json() == [{"result": None}]
    assert (await svc.client.post("/multi-exec", json=[["PING"]], headers=RESP2)).status_code == 400


async def test_transactions_of_many_clients_do_not_mix(svc: TestedService) -> None:
    async def transfer() -> None:
        steps = [["INCR", "left"], ["INCR", "right"], ["MGET", "left", "right"]]
        for _ in range(20):
            items = (await svc.client.post("/multi-exec", json=steps)).json()
            left, right = items[2]["result"]
            assert left == right

    await asyncio.gather(*(transfer() for _ in range(10)))
    assert await _run(svc, "GET", "left") == "200"


async def test_limits(redis_url: str) -> None:
    async with serving(
        service, REDIS_URL=redis_url, REDIS_MAX_PIPELINE="3", REDIS_MAX_REPLY_BYTES="1048576"
    ) as svc:
        answer = await svc.client.post("/pipeline", json=[["PING"]] * 4)
        assert (answer.status_code, answer.json()) == (400, {"error": "ERR a batch has at most 3 commands"})
        await svc.client.post("/set/large", content=b"x" * 3_000_000)
        answer = await svc.client.get("/get/large")
        assert answer.status_code == 502
        await svc.client.post("/set/half", content=b"x" * 600_000)
        assert (await svc.client.post("/pipeline", json=[["GET", "half"]] * 3)).status_code == 502
        answer = await svc.client.post("/multi-exec", json=[["GET", "half"]] * 3)
        assert answer.status_code == 502
        assert "limit of 1048576 bytes" in answer.json()["error"]
        assert (await svc.client.get("/ping")).json() == {"result": "PONG"}


async def test_tokens_and_scopes(redis_url: str) -> None:
    async with serving(
        service, REDIS_URL=redis_url, AUTH_MODE="token", AUTH_TOKENS="r:read:reader,w:write:writer"
    ) as svc:
        client = svc.client
        assert (await client.get("/get/a")).status_code == 401
        assert (await client.get("/get/a?_token=wrong")).status_code == 401
        assert "error" in (await client.get("/get/a?_token=wrong")).json()
        assert (await client.get("/set/a/1?_token=writer")).json() == {"result": "OK"}
        reader = {"Authorization": "Bearer reader"}
        assert (await client.get("/get/a", headers=reader)).json() == {"result": "1"}
        for path in ("/set/a/2", "/scan/0", "/keys/*", "/publish/a/b"):
            answer = await client.get(path, headers=reader)
            assert (answer.status_code, answer.json()["error"][:6]) == (400, "NOPERM"), path
        batch = await client.post("/pipeline", json=[["SET", "a", 2], ["GET", "a"]], headers=reader)
        assert [next(iter(item)) for item in batch.json()] == ["error", "result"]
        assert batch.json()[1] == {"result": "1"}


async def test_the_sync_token_changes(svc: TestedService) -> None:
    first = (await svc.client.get("/ping")).headers["Upstash-Sync-Token"]
    second = (await svc.client.get("/ping", headers={"Upstash-Sync-Token": first})).headers[
        "Upstash-Sync-Token"
    ]
    assert first
    assert second not in ("", first)


async def test_values_stay_out_of_the_log(svc: TestedService, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    await svc.client.get("/set/name/s3cret-value?_token=t0ken")
    ours = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("svc_common"))
    assert "/{command:path}" in ours
    assert "s3cret-value" not in ours
    assert "t0ken" not in ours


async def test_a_waiting_command_gets_its_element(svc: TestedService, raw: Redis) -> None:
    waiting = asyncio.create_task(svc.client.get("/blpop/queue/20"))
    await _until_blocked(raw)
    assert (await svc.client.get("/ping")).json() == {"result": "PONG"}
    await raw.rpush("queue", "job")
    assert (await waiting).json() == {"result": ["queue", "job"]}


async def test_the_wait_is_cut(redis_url: str) -> None:
    async with serving(service, REDIS_URL=redis_url, REDIS_BLOCK_SECONDS="0.2") as svc:
        for command in (
            ["BLPOP", "q", 0],
            ["XREAD", "BLOCK", 0, "STREAMS", "s", "$"],
            ["BZMPOP", 0, 1, "z", "MIN"],
        ):
            async with asyncio.timeout(30):
                assert await _run(svc, *command) is None


async def test_a_client_that_leaves_takes_its_wait_with_it(redis_url: str, raw: Redis) -> None:
    patient = {"REDIS_BLOCK_SECONDS": "100", "REQUEST_TIMEOUT": "120"}  # it must not end by itself
    async with serving(service, REDIS_URL=redis_url, **patient) as svc:
        waiting = asyncio.create_task(svc.client.get("/blpop/queue/100"))
        await _until_blocked(raw)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await _until_blocked(raw, 0)
        await raw.rpush("queue", "job")
        assert await raw.lrange("queue", 0, -1) == [b"job"]


async def test_too_many_waits(redis_url: str, raw: Redis) -> None:
    async with serving(service, REDIS_URL=redis_url, REDIS_BLOCKING_CONNECTIONS="1") as svc:
        waiting = asyncio.create_task(svc.client.get("/blpop/queue/20"))
        await _until_blocked(raw)
        answer = await svc.client.get("/blpop/queue/20")
        assert answer.status_code == 429
        assert "error" in answer.json()
        await raw.rpush("queue", "job")
        assert (await waiting).status_code == 200
        await raw.rpush("queue", "job")
        assert (await svc.client.get("/blpop/queue/20")).status_code == 200


async def _until_blocked(raw: Redis, count: int = 1) -> None:
    async with asyncio.timeout(30):
        while (await raw.info("clients"))["blocked_clients"] != count:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("path", ["/get/a%00b", "/get/%zz", "/%ff/x", "//", "/get//", "/set/a/b/c/d/e/f"])
async def test_odd_paths(svc: TestedService, path: str) -> None:
    answer = await raw_request(
        svc.url, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
    )
    assert answer.split(b" ", 2)[1] in (b"400", b"200")
    assert (await svc.client.get("/ping")).json() == {"result": "PONG"}


async def test_the_store_is_down() -> None:
    async with serving(service, REDIS_URL="redis://127.0.0.1:1") as svc:
        for path in ("/get/a", "/blpop/a/1"):
            answer = await svc.client.get(path)
            assert answer.status_code == 503
            assert answer.headers["Retry-After"] == "1"
            assert "error" in answer.json()
