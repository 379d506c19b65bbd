"""Personal access tokens: the issuer knows them, and its answer is remembered for a moment."""

from __future__ import annotations

import asyncio
import time

from token_issuer import PERSONAL, Issuer, as_bearer

from svc_common.testing import TestedService


async def status(svc: TestedService, token: str, method: str = "GET") -> int:
    return (await svc.client.request(method, "/shelf", headers=as_bearer(token))).status_code


async def test_a_personal_token(svc: TestedService, issuer: Issuer) -> None:
    assert await status(svc, PERSONAL) == 401
    assert await status(svc, "sfp_tooshort") == 401
    issuer.personal["sfp_" + "b" * 43] = {"sub": "42", "name": "ada", "scope": "shelf:read"}
    for _ in range(3):
        assert await status(svc, "sfp_" + "b" * 43) == 200
    assert await status(svc, "sfp_" + "b" * 43, "PUT") == 403
    assert issuer.asked.count("me") == 2  # one for each token that has the form of one


async def test_a_personal_token_ends_within_five_seconds(svc: TestedService, issuer: Issuer) -> None:
    issuer.personal[PERSONAL] = {"sub": "42", "name": "ada", "scope": "shelf:read"}
    assert await status(svc, PERSONAL) == 200
    issuer.personal.clear()
    ended = sent = time.monotonic()
    while (last := await status(svc, PERSONAL)) == 200:
        assert sent - ended < 5
        await asyncio.sleep(0.05)
        sent = time.monotonic()
    assert last == 401


async def test_the_issuer_is_away(svc: TestedService, issuer: Issuer) -> None:
    issuer.broken = True
    assert await status(svc, PERSONAL) == 503
    issuer.broken = False
    assert await status(svc, PERSONAL) == 401
