"""Native records over real HTTP and a real server."""

from __future__ import annotations

import hashlib
from urllib.parse import quote

import pytest
from redis.asyncio import Redis

from redis_svc.app import service
from redis_svc.store.records import COMPANION_PREFIX
from svc_common.testing import TestedService, raw_request, serving


@pytest.mark.parametrize(
    "key", ["a", "a/b/c", "käse 🧀", "a{b}c", "a}b", "}", "100%", "a?b#c", "x" * 4000, " ", "..", "a\nb"]
)
async def test_the_bytes_that_went_in_come_out(svc: TestedService, raw: Redis, key: str) -> None:
    value = bytes(range(256)) * 3
    address = f"/v1/records/{quote(key, safe='').replace('.', '%2E')}"

    stored = await svc.client.put(address, content=value, headers={"Content-Type": "image/x-odd; q=1"})
    assert (stored.status_code, stored.content) == (204, b"")
    read = await svc.client.get(address)
    assert (read.status_code, read.content) == (200, value)
    assert read.headers["Content-Type"] == "image/x-odd; q=1"
    assert await raw.get(key) == value

    head = await svc.client.head(address)
    assert (head.status_code, head.content, head.headers["Content-Length"]) == (200, b"", "768")
    assert (await svc.client.delete(address)).status_code == 204
    gone = await svc.client.get(address)
    assert gone.status_code == 404
    assert gone.headers["Content-Type"] == "application/problem+json"
    assert gone.json()["detail"] == f"Missing record for key: {key}"
    assert await raw.keys() == []


async def test_post_stores_too(svc: TestedService) -> None:
    assert (await svc.client.post("/v1/records/a", content=b"one")).status_code == 204
    assert (await svc.client.post("/v1/records/a", content=b"two")).status_code == 204
    assert (await svc.client.get("/v1/records/a")).content == b"two"


async def test_a_value_of_another_client_is_a_record(svc: TestedService, raw: Redis) -> None:
    await raw.set("a", b"\x00\xff")
    answer = await svc.client.get("/v1/records/a")
    assert answer.content == b"\x00\xff"
    assert answer.headers["Content-Type"] == "application/octet-stream"


async def test_a_body_that_says_it_is_a_form_is_only_bytes(svc: TestedService, raw: Redis) -> None:
    value = b"&a=%zz" * 3000
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    for address, key in (("/v1/records/a", "a"), ("/set/b", "b")):
        assert (await svc.client.post(address, content=value, headers=form)).status_code in (200, 204)
        assert await raw.get(key) == value


async def test_a_stored_page_acts_in_nobodys_name(svc: TestedService) -> None:
    page = {"Content-Type": "text/html"}
    assert (await svc.client.put("/v1/records/a", content=b"<script>", headers=page)).status_code == 204
    answer = await svc.client.get("/v1/records/a")
    assert answer.headers["Content-Type"] == "text/html"
    assert answer.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"


async def test_an_empty_value_is_a_value(svc: TestedService) -> None:
    assert (await svc.client.put("/v1/records/a", content=b"")).status_code == 204
    answer = await svc.client.get("/v1/records/a")
    assert (answer.status_code, answer.content) == (200, b"")


async def test_the_content_type_leaves_with_the_value(svc: TestedService, raw: Redis) -> None:
    text = {"Content-Type": "text/plain"}
    await svc.client.put("/v1/records/a", content=b"1", headers=text)
    assert sorted(await raw.keys()) == [b"a", COMPANION_PREFIX + b"{a}a"]

    await svc.client.put("/v1/records/a", content=b"1")
    assert await raw.keys() == [b"a"]

    await svc.client.put("/v1/records/a", content=b"1", headers=text)
    await raw.set("a", b"2")
    assert (await svc.client.get("/v1/records/a")).headers["Content-Type"] == "application/octet-stream"


@pytest.mark.parametrize("kind", [b"text/html\r\nX-A: 1", b"a\0b", b""])
async def test_a_content_type_that_is_no_header(svc: TestedService, raw: Redis, kind: bytes) -> None:
    await svc.client.put("/v1/records/a", content=b"1", headers={"Content-Type": "text/plain"})
    digest = hashlib.sha1(b"1", usedforsecurity=False).hexdigest().encode()
    await raw.set(COMPANION_PREFIX + b"{a}a", digest + b" " + kind)
    answer = await svc.client.get("/v1/records/a")
    assert (answer.status_code, answer.content) == (200, b"1")
    assert answer.headers["Content-Type"] == "application/octet-stream"
    same = {"If-Match": answer.headers["ETag"]}
    assert (await svc.client.put("/v1/records/a", content=b"2", headers=same)).status_code == 204


async def test_time_to_live(svc: TestedService, raw: Redis) -> None:
    await svc.client.put("/v1/records/a?ttl=100", content=b"1", headers={"Content-Type": "text/plain"})
    assert 90_000 < await raw.pttl("a") <= 100_000
    assert 90_000 < await raw.pttl(COMPANION_PREFIX + b"{a}a") <= 100_000
    await svc.client.put("/v1/records/a", content=b"1")
    assert await raw.pttl("a") == -1


@pytest.mark.parametrize("ttl", ["0", "-1", "1.5", "x", "", "99999999999999999999", "4294967297"])
async def test_a_wrong_time_to_live_stores_nothing(svc: TestedService, raw: Redis, ttl: str) -> None:
    assert (await svc.client.put(f"/v1/records/a?ttl={ttl}", content=b"1")).status_code == 400
    assert await raw.keys() == []


async def test_create_only(svc: TestedService) -> None:
    only_new = {"If-None-Match": "*"}
    assert (await svc.client.put("/v1/records/a", content=b"1", headers=only_new)).status_code == 204
    assert (await svc.client.put("/v1/records/a", content=b"2", headers=only_new)).status_code == 412
    assert (await svc.client.get("/v1/records/a")).content == b"1"


async def test_entity_tags(svc: TestedService) -> None:
    await svc.client.put("/v1/records/a", content=b"1")
    tag = (await svc.client.get("/v1/records/a")).headers["ETag"]
    assert tag == f'"{hashlib.sha1(b"1", usedforsecurity=False).hexdigest()}"'
    same = await svc.client.get("/v1/records/a", headers={"If-None-Match": f'"x", {tag}'})
    assert (same.status_code, same.content, same.headers["ETag"]) == (304, b"", tag)

    await svc.client.put("/v1/records/a", content=b"1", headers={"Content-Type": "text/plain"})
    typed = (await svc.client.get("/v1/records/a")).headers["ETag"]
    assert typed != tag
    stale = {"If-Match": tag}
    assert (await svc.client.put("/v1/records/a", content=b"2", headers=stale)).status_code == 412
    assert (await svc.client.delete("/v1/records/a", headers=stale)).status_code == 412
    fresh = {"If-Match": f'"0123", {typed}'}
    assert (await svc.client.put("/v1/records/a", content=b"2", headers=fresh)).status_code == 204
    assert (await svc.client.delete("/v1/records/a", headers={"If-Match": "*"})).status_code == 204
    assert (await svc.client.put("/v1/records/a", content=b"2", headers={"If-Match": "*"})).status_code == 412


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"If-None-Match": '"abc"'}, 400),
        ({"If-None-Match": "*", "If-Match": "*"}, 400),
        ({"If-Match": 'W/"abc"'}, 412),
        ({"If-Match": "rubbish"}, 412),
        ({"If-Match": '"absent"'}, 412),
        ({"If-Match": '"present"'}, 412),
    ],
)
async def test_odd_conditions_store_nothing(
    svc: TestedService, raw: Redis, headers: dict[str, str], status: int
) -> None:
    assert (await svc.client.put("/v1/records/a", content=b"1", headers=headers)).status_code == status
    assert await raw.keys() == []


async def test_a_key_of_another_kind_is_a_conflict(svc: TestedService, raw: Redis) -> None:
    await raw.hset("a", "field", "1")
    for method in ("GET", "PUT", "POST", "DELETE"):
        answer = await svc.client.request(method, "/v1/records/a")
        assert answer.status_code == 409, method
    assert "a hash" in (await svc.client.get("/v1/records/a")).json()["detail"]
    assert await raw.hgetall("a") == {b"field": b"1"}


async def test_listing_gives_every_record_once_paged(svc: TestedService, raw: Redis) -> None:
    names = {f"user:{number}" for number in range(250)}
    await raw.mset({**dict.fromkeys(names, "1"), "other": "1", "user": "1", b"user:\xff": "1"})
    await raw.hset("user:hash", "a", "1")
    await svc.client.put("/v1/records/user:typed", content=b"1", headers={"Content-Type": "a/b"})
    seen: list[str] = []
    cursor: str | None = "0"
    while cursor is not None:
        page = await svc.client.get("/v1/records", params={"prefix": "user:", "limit": 50, "cursor": cursor})
        assert page.status_code == 200
        seen.extend(page.json()["keys"])
        cursor = page.json()["cursor"]
    assert sorted(set(seen)) == sorted(names | {"user:typed"})


async def test_a_prefix_is_text_and_not_a_pattern(svc: TestedService, raw: Redis) -> None:
    await raw.mset({"a*b": "1", "axb": "1", "a[x]": "1", "a\\b": "1", "a?": "1", "a^-": "1"})
    for prefix in ("a*", "a[x", "a\\", "a?", "a^-"):
        page = (await svc.client.get("/v1/records", params={"prefix": prefix})).json()
        assert len(page["keys"]) == 1, prefix
        assert page["keys"][0].startswith(prefix)


@pytest.mark.parametrize(
    "query", ["cursor=x", "cursor=-1", "cursor=1-0", "limit=0", "limit=1001", "cursor=²"]
)
async def test_wrong_paging(svc: TestedService, query: str) -> None:
    assert (await svc.client.get(f"/v1/records?{query}")).status_code == 400


@pytest.mark.parametrize("path", ["/v1/records/%ff", "/v1/records/a%00b", "/v1/records/%zz", "/v1/records/%"])
async def test_bad_addresses_store_nothing(svc: TestedService, raw: Redis, path: str) -> None:
    head = f"PUT {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nConnection: close\r\n\r\n1"
    answer = await raw_request(svc.url, head.encode())
    assert answer.startswith(b"HTTP/1.1 400")
    assert await raw.keys() == []


async def test_the_companions_are_no_records(svc: TestedService) -> None:
    await svc.client.put("/v1/records/a", content=b"1", headers={"Content-Type": "text/plain"})
    for method in ("GET", "PUT", "DELETE"):
        answer = await svc.client.request(method, "/v1/records/storefronts:type:%7Ba%7Da")
        assert answer.status_code == 400
    assert (await svc.client.get("/v1/records/a")).headers["Content-Type"] == "text/plain"


async def test_a_body_over_the_limit_stores_nothing(redis_url: str, raw: Redis) -> None:
    async with serving(service, REDIS_URL=redis_url, MAX_BODY_BYTES="1000") as svc:
        assert (await svc.client.put("/v1/records/a", content=b"x" * 1001)).status_code == 413
        assert await raw.keys() == []
        assert (await svc.client.put("/v1/records/a", content=b"x" * 1000)).status_code == 204


async def test_a_large_value_over_the_reply_limit_is_refused_clearly(redis_url: str, raw: Redis) -> None:
    await raw.set("large", b"x" * 3_000_000)
    async with serving(service, REDIS_URL=redis_url, REDIS_MAX_REPLY_BYTES="1048576") as svc:
        answer = await svc.client.get("/v1/records/large")
        assert answer.status_code == 502
        assert "over the limit of 1048576 bytes" in answer.json()["detail"]
        assert (await svc.client.get("/v1/records/small")).status_code == 404


async def test_scopes(redis_url: str) -> None:
    async with serving(
        service, REDIS_URL=redis_url, AUTH_MODE="token", AUTH_TOKENS="r:read:reader,w:write:writer"
    ) as svc:
        reader, writer = ({"Authorization": f"Bearer {token}"} for token in ("reader", "writer"))
        assert (await svc.client.put("/v1/records/a", content=b"1")).status_code == 401
        assert (await svc.client.put("/v1/records/a", content=b"1", headers=reader)).status_code == 403
        assert (await svc.client.put("/v1/records/a", content=b"1", headers=writer)).status_code == 204
        assert (await svc.client.get("/v1/records/a", headers=reader)).status_code == 200
        assert (await svc.client.get("/v1/records", headers=reader)).status_code == 200
