"""A large body is read only from a caller who is known, wherever the token is."""

from __future__ import annotations

import json

from redis_svc.app import service
from svc_common.testing import raw_request, serving


async def test_an_unknown_token_is_refused_before_the_body(redis_url: str) -> None:
    async with serving(
        service, REDIS_URL=redis_url, AUTH_MODE="token", AUTH_TOKENS="a:write:secret-a"
    ) as svc:
        for line, token in (("Authorization: Bearer wrong", ""), ("X-None: 1", "?_token=wrong")):
            lines = [f"POST /pipeline{token} HTTP/1.1", "Host: a", line, "Content-Length: 1000000"]
            answer = await raw_request(
                svc.url, "\r\n".join([*lines, "Expect: 100-continue", "", ""]).encode(), timeout=10
            )
            assert answer.startswith(b"HTTP/1.1 401")
            assert set(json.loads(answer.partition(b"\r\n\r\n")[2])) == {"error"}
        value = "x" * 1_000_000
        for path, headers in (
            ("/", {"Authorization": "Bearer secret-a"}),
            ("/?_token=secret-a", {}),
        ):
            stored = await svc.client.post(path, json=["SET", "large", value], headers=headers)
            assert stored.json() == {"result": "OK"}
