"""A large body is read only from a caller who is known."""

from __future__ import annotations

import pytest
from token_issuer import Issuer, as_bearer, shelf

from svc_common.testing import raw_request, serving


@pytest.mark.parametrize("server", ["tornado", "fast"])
async def test_who_is_unknown_is_refused_before_its_body(issuer: Issuer, server: str) -> None:
    async with serving(
        shelf,
        AUTH_MODE="token,jwt",
        AUTH_TOKENS="a:write:b",
        AUTH_ACCOUNTS_URL=issuer.url,
        HTTP_SERVER=server,
    ) as svc:

        def head(token: str, *more: str) -> bytes:
            lines = ["PUT /shelf HTTP/1.1", "Host: a", f"Authorization: Bearer {token}", *more, "", ""]
            return "\r\n".join(lines).encode()

        # not one byte of the body is sent, and the answer comes
        for token in ("wrong", issuer.token(exp=1)):
            answer = await raw_request(
                svc.url, head(token, "Content-Length: 1000000", "Expect: 100-continue"), timeout=5
            )
            assert answer.startswith(b"HTTP/1.1 401")
            assert b"100 Continue" not in answer
        body = b"x" * 1_000_000
        good = await svc.client.put("/shelf", content=body, headers=as_bearer(issuer.token()))
        assert good.json() == {"stored": len(body)}
        bad = await svc.client.put("/shelf", content=body, headers=as_bearer("wrong"))
        assert bad.status_code == 401
        again = await svc.client.put("/shelf", content=body, headers=as_bearer("b"))
        assert again.json() == {"stored": len(body)}
