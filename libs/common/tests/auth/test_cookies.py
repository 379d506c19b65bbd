"""Cookies count for requests from pages of the same origin, and for nobody else's."""

from __future__ import annotations

import pytest
from token_issuer import Issuer, as_bearer, shelf

from svc_common.testing import TestedService, serving

EVIL = "https://evil.example"


def cookie(token: str, name: str = "__Host-access") -> dict[str, str]:
    return {"Cookie": f"other=1; {name}={token}"}


@pytest.mark.parametrize(
    "origin",
    [{"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}, {"Origin": "http://{host}"}, {}],
    ids=["same-origin", "typed", "origin", "program"],
)
async def test_same_origin(svc: TestedService, issuer: Issuer, origin: dict[str, str]) -> None:
    host = svc.url.removeprefix("http://")
    headers = {**cookie(issuer.token()), **{name: value.format(host=host) for name, value in origin.items()}}
    assert (await svc.client.get("/shelf", headers=headers)).status_code == 200
    assert (await svc.client.put("/shelf", content=b"x", headers=headers)).status_code == 200


@pytest.mark.parametrize(
    "origin",
    [
        {"Sec-Fetch-Site": "cross-site", "Origin": EVIL},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "https://other.example"},
        {"Origin": EVIL},
        {"Origin": "null"},
    ],
    ids=["cross-site", "no-origin", "same-site", "old-browser", "null-origin"],
)
async def test_a_form_on_another_page_writes_nothing(
    svc: TestedService, issuer: Issuer, origin: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    headers = {**cookie(issuer.token()), **origin}
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert (await svc.client.put("/shelf", content=b"a=b", headers={**headers, **form})).status_code == 403
    assert "cross_site_refused" in caplog.text
    # a link may be followed, but it carries no right to write, even where a safe method could
    answer = await svc.client.get("/command", headers=headers)
    assert (answer.status_code, answer.json()) == (200, {"may_write": False})
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade"}
    assert (await svc.client.get("/shelf", headers={**headers, **upgrade})).status_code == 403
    # a token that the caller sends itself may come from anywhere
    own = {**as_bearer(issuer.token()), **origin}
    assert (await svc.client.put("/shelf", content=b"x", headers=own)).status_code == 200
    # ... and a wrong one is not rescued by the cookie
    wrong = {**headers, **as_bearer("wrong")}
    assert (await svc.client.put("/shelf", content=b"x", headers=wrong)).status_code == 401


async def test_a_tampered_cookie(svc: TestedService, issuer: Issuer) -> None:
    token = issuer.token()
    for value in (token[:-2], token + "x", "x", '"', "%00", "a=b=c", token.replace(".", ".A", 1)):
        assert (await svc.client.get("/shelf", headers=cookie(value))).status_code == 401, value
    assert (await svc.client.get("/shelf", headers={"Cookie": ";;=;\x01"})).status_code in (400, 401)


async def test_only_the_cookie_of_its_mode_counts(svc: TestedService, issuer: Issuer) -> None:
    plain = cookie(issuer.token(), "dev-access")
    secure = cookie(issuer.token())
    assert (await svc.client.get("/shelf", headers=plain)).status_code == 401
    async with serving(
        shelf, AUTH_MODE="jwt", AUTH_ACCOUNTS_URL=issuer.url, AUTH_DEVELOPMENT="true"
    ) as development:
        assert (await development.client.get("/shelf", headers=plain)).status_code == 200
        assert (await development.client.get("/shelf", headers=secure)).status_code == 401
    async with serving(shelf, AUTH_MODE="token", AUTH_TOKENS="a:read:b") as static:
        assert (await static.client.get("/shelf", headers={"Cookie": "__Host-access=b"})).status_code == 401
