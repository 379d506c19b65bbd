"""Cookies and pages, as a browser without script uses them."""

from __future__ import annotations

import re

import httpx
import pytest

from devstack.stores.postgres import run_sql
from svc_common.testing import TestedService

from .conftest import PASSWORD, Start, browser, log_in, sign_up

EVIL = "https://evil.example"


def cookies_of(answer: httpx.Response) -> dict[str, str]:
    """``Set-Cookie`` lines by cookie name."""
    return {line.split("=")[0]: line for line in answer.headers.get_list("set-cookie")}


async def form(
    svc: TestedService, path: str, *, headers: dict[str, str] | None = None, **fields: str
) -> httpx.Response:
    return await svc.client.post(path, data=fields, headers=headers)


async def test_cookies_are_what_they_should_be(svc: TestedService) -> None:
    await sign_up(svc)
    answer = await form(svc, "/auth/login", name="ada", password=PASSWORD)
    assert (answer.status_code, answer.headers["location"]) == (303, "/auth/sessions")
    assert answer.content == b""
    found = cookies_of(answer)
    assert set(found) == {"__Host-access", "__Host-refresh"}
    for line in found.values():
        attributes = {part.strip().lower() for part in line.split(";")[1:]}
        assert {"secure", "httponly", "path=/", "samesite=lax"} <= attributes
        assert not any(part.startswith("domain") for part in attributes)
    by_program = await svc.client.post(
        "/auth/login", json={"name": "ada", "password": PASSWORD, "cookies": True}
    )
    assert set(cookies_of(by_program)) == {"__Host-access", "__Host-refresh"}
    assert not {"access_token", "refresh_token"} & set(by_program.json())
    assert not cookies_of(await log_in(svc))


async def test_a_session_cannot_be_planted(svc: TestedService) -> None:
    await sign_up(svc)
    planted = await form(svc, "/auth/login", name="ada", password=PASSWORD)
    values = {name: line.split("=", 1)[1].split(";")[0] for name, line in cookies_of(planted).items()}
    sent = {"Cookie": "; ".join(f"{name}={value}" for name, value in values.items())}
    again = await form(svc, "/auth/login", name="ada", password=PASSWORD, headers=sent)
    for name, line in cookies_of(again).items():
        assert values[name] not in line
    me = [
        (
            await svc.client.get(
                "/auth/me", headers={"Cookie": cookies_of(one)["__Host-access"].split(";")[0]}
            )
        ).json()
        for one in (planted, again)
    ]
    assert me[0]["session"] != me[1]["session"]


@pytest.mark.parametrize(
    "origin",
    [{"Origin": EVIL}, {"Sec-Fetch-Site": "cross-site", "Origin": EVIL}, {"Sec-Fetch-Site": "same-site"}],
)
async def test_forms_of_other_pages(svc: TestedService, origin: dict[str, str]) -> None:
    await sign_up(svc)
    login = await form(svc, "/auth/login", name="ada", password=PASSWORD)
    jar = {"Cookie": "; ".join(line.split(";")[0] for line in cookies_of(login).values())}
    evil = {**jar, **origin}
    for path, fields in (
        ("/auth/login", {"name": "ada", "password": PASSWORD}),  # nobody is logged in as somebody else
        ("/auth/logout", {}),
        ("/auth/refresh", {}),
        ("/auth/password", {"current": PASSWORD, "new": "entirely different words"}),
        ("/rest/todos", {"task": "a"}),
    ):
        answer = await form(svc, path, headers=evil, **fields)
        assert answer.status_code == 403, path
        assert not cookies_of(answer)
        rescued = await form(svc, path, headers={**evil, "Authorization": "Bearer made-up"}, **fields)
        assert rescued.status_code in (401, 403), path
    assert (await svc.client.get("/auth/me", headers=jar)).status_code == 200


async def test_from_page_to_page_without_script(start: Start) -> None:
    async with start(AUTH_DEVELOPMENT="true") as svc, browser(svc) as page:
        first = await page.get("/auth/sessions")
        assert first.url.path == "/auth/login"  # who is nobody is sent to the login
        assert "Development:" in first.text
        sessions = await page.post("/auth/signup", data={"name": "ada", "password": PASSWORD})
        assert sessions.url.path == "/auth/sessions"
        assert "Sessions of ada" in sessions.text
        assert "this one" in sessions.text
        async with browser(svc) as other:
            await other.post("/auth/login", data={"name": "ada", "password": PASSWORD})
            listed = await page.get("/auth/sessions")
            end = re.findall(r'action="(/auth/sessions/[0-9a-f-]+/end)"', listed.text)
            assert len(end) == 1
            assert (await page.post(end[0], data={"x": ""})).url.path == "/auth/sessions"
            assert (await other.get("/auth/sessions")).url.path == "/auth/login"
        del page.cookies["dev-access"]  # it has expired
        login = await page.get("/auth/sessions")
        assert "Continue your session" in login.text
        assert (await page.post("/auth/refresh", data={"x": ""})).url.path == "/auth/sessions"
        change = {"current": "wrong", "new": "entirely different words"}
        wrong = await page.post("/auth/password", data=change)
        assert "The present password is wrong." in wrong.text
        out = await page.post("/auth/logout", data={"x": ""})
        assert out.url.path == "/auth/login"
        assert not page.cookies
        assert (await page.get("/auth/sessions")).url.path == "/auth/login"


@pytest.mark.parametrize("path", ["/auth/login", "/auth/signup"])
async def test_pages_run_nothing(svc: TestedService, path: str) -> None:
    answer = await svc.client.get(path)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "<script" not in answer.text
    assert "style=" not in answer.text
    assert answer.headers["Cache-Control"] == "no-store"


async def test_what_people_write_is_only_text(start: Start) -> None:
    async with start(AUTH_DEVELOPMENT="true") as svc, browser(svc) as page:
        page.headers["User-Agent"] = "<script>alert(1)</script>"
        shown = await page.post("/auth/signup", data={"name": "ada", "password": PASSWORD})
        assert "&lt;script&gt;" in shown.text
        assert "<script" not in shown.text


async def test_without_development_nothing_says_so(svc: TestedService) -> None:
    assert "Development" not in (await svc.client.get("/auth/login")).text


async def test_functions_of_the_database_do_not_see_the_login(start: Start, postgres_database: str) -> None:
    run_sql(
        postgres_database,
        "CREATE FUNCTION seen() RETURNS text STABLE LANGUAGE sql AS "
        "$$ SELECT current_setting('request.cookies') || current_setting('request.headers') $$",
    )
    async with start() as svc:
        await sign_up(svc)
        found = cookies_of(await form(svc, "/auth/login", name="ada", password=PASSWORD))
        pairs = [line.split(";")[0] for line in found.values()]
        answer = await svc.client.get("/rest/rpc/seen", headers={"Cookie": "; ".join([*pairs, "theme=dark"])})
        assert answer.status_code == 200
        assert "dark" in answer.text
        assert not any(pair.partition("=")[2] in answer.text for pair in pairs)
