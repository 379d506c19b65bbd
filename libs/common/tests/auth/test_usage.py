"""The use of tokens in the audit log."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from token_issuer import PERSONAL, Issuer, as_bearer, shelf

from svc_common.auth.usage import TokenUse, token_of
from svc_common.testing import ServiceProcess, serving


def used(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The lines about it so far."""
    return [record.getMessage() for record in caplog.records if "token_used" in record.getMessage()]


async def test_the_first_use_in_a_minute_is_written_down(
    issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    issuer.personal[PERSONAL] = {"sub": "42", "name": "ada", "scope": "shelf:read", "token": "laptop"}
    async with serving(
        shelf,
        AUTH_MODE="token,jwt",
        AUTH_TOKENS="ci:write:s3cret",
        AUTH_ACCOUNTS_URL=issuer.url,
        TRUST_PROXY="true",
    ) as svc:
        signed = issuer.token()
        for headers, parts in (
            (as_bearer("s3cret"), ("caller='ci'",)),
            (as_bearer(signed), ("caller='ada'", "token='s1'")),
            (as_bearer(PERSONAL), ("caller='ada'", "token='laptop'")),
            ({"Cookie": f"__Host-access={issuer.token(sid='s2')}"}, ("token='s2'", "cookie=True")),
            ({**as_bearer("s3cret"), "X-Forwarded-For": "192.0.2.7"}, ("'ci'", "remote='192.0.2.7'")),
        ):
            before = len(used(caplog))
            for _ in range(3):
                assert (await svc.client.get("/shelf", headers=headers)).status_code == 200
            (line,) = used(caplog)[before:]
            assert "audit=True" in line
            assert all(part in line for part in parts), line
        # another access token of the same session is no news
        assert (await svc.client.get("/shelf", headers=as_bearer(issuer.token(jti="other")))).is_success
        assert len(used(caplog)) == 5
        # what is refused is not used, and a public address uses nothing
        await svc.client.put("/shelf", headers=as_bearer(PERSONAL))
        await svc.client.get("/shelf", headers=as_bearer("wrong"))
        await svc.client.get("/open", headers={**as_bearer("s3cret"), "X-Forwarded-For": "192.0.2.8"})
        assert len(used(caplog)) == 5
        for secret in ("s3cret", signed, PERSONAL):
            assert secret not in caplog.text


async def test_a_quiet_log_has_the_audit_lines() -> None:
    with ServiceProcess(
        "slow_svc",
        AUTH_MODE="token",
        AUTH_TOKENS="ci:read:s3cret",
        LOG_LEVEL="error",
        PYTHONPATH=str(Path(__file__).parents[1] / "apps"),
    ) as svc:
        async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
            answer = await client.get(f"{svc.url}/v1/slow/0", headers=as_bearer("wrong"))
            assert answer.status_code == 401
        lines = [line for line in svc.log.splitlines() if '"audit":true' in line]
        assert ["credential_refused" in line for line in lines] == [True]
        assert '"event":"request"' not in svc.log


def test_a_minute_later_it_is_written_down_again() -> None:
    always, once = TokenUse(every=0.0), TokenUse(every=3600)
    assert [always.is_first("ada", "s1", None) for _ in range(2)] == [True, True]
    assert [once.is_first("ada", "s1", None) for _ in range(2)] == [True, False]
    assert once.is_first("ada", "s2", None)


def test_which_token_it_is() -> None:
    assert token_of({"jti": "j", "sid": "s", "token": "laptop"}) == "laptop"
    assert token_of({"jti": "j", "sid": "s"}) == "s"
    assert token_of({"jti": "j"}) == "j"
    assert token_of({"sub": "42"}) == ""
