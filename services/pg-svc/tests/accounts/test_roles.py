"""An account's database role: row-level security decides about its requests."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from devstack.stores.postgres import run_sql
from pg_svc.accounts.keys import SigningKeys, create_key
from pg_svc.app import service
from svc_common.testing import TestedService, serving

from ..conftest import until_ready
from .conftest import Start, admin_token, bearer, log_in, sign_up

TABLE = """
CREATE ROLE the_role NOLOGIN;
CREATE TABLE notes (owner text, note text);
GRANT USAGE ON SCHEMA public TO the_role;
GRANT SELECT ON notes TO the_role;
ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON notes USING (owner = current_setting('request.jwt.claims')::json->>'name');
INSERT INTO notes VALUES ('ada', 'hers'), ('bob', 'his')
"""


@pytest.fixture
def role(postgres_database: str) -> Iterator[str]:
    """A role that sees the rows of its own caller."""
    name = f"reader_{uuid.uuid4().hex[:8]}"
    run_sql(postgres_database, TABLE.replace("the_role", name))
    yield name
    run_sql(postgres_database, f"DROP OWNED BY {name}; DROP ROLE {name}")


async def give(svc: TestedService, role: str | None) -> int:
    """Give ada a role."""
    root = bearer(await admin_token(svc))
    users = (await svc.client.get("/auth/users", headers=root)).json()["users"]
    ada = next(user for user in users if user["name"] == "ada")
    return (await svc.client.patch(f"/auth/users/{ada['id']}", json={"role": role}, headers=root)).status_code


async def test_the_role_decides_about_rows(start: Start, role: str) -> None:
    async with start(AUTH_ROLES=role, SIGNUP_SCOPES="pg:write") as svc:
        before = bearer((await sign_up(svc))["access_token"])
        assert len((await svc.client.get("/rest/notes", headers=before)).json()) == 2
        assert await give(svc, role) == 200
        ada = bearer((await log_in(svc)).json()["access_token"])
        assert (await svc.client.get("/rest/notes", headers=ada)).json() == [{"owner": "ada", "note": "hers"}]
        written = await svc.client.post("/rest/notes", json={"owner": "ada"}, headers=ada)
        assert written.status_code == 403
        # the next request on the same connection is nobody's role but its own
        root = bearer((await log_in(svc, "root")).json()["access_token"])
        assert len((await svc.client.get("/rest/notes", headers=root)).json()) == 2


async def test_a_role_that_is_not_listed(
    start: Start, role: str, postgres_database: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with start(SIGNUP_SCOPES="pg:write") as svc:
        await sign_up(svc)
        assert await give(svc, role) == 400
        # one that was listed once, and is not any more
        run_sql(postgres_database, f"UPDATE storefronts.users SET role = '{role}'")
        ada = bearer((await log_in(svc)).json()["access_token"])
        assert (await svc.client.get("/rest/notes", headers=ada)).status_code == 403
        assert "role_refused" in caplog.text


@pytest.mark.parametrize("role", [["the_role"], {"name": "the_role"}, 7, True])
async def test_a_role_that_is_no_name(
    postgres_database: str, tmp_path: Path, role: object, caplog: pytest.LogCaptureFixture
) -> None:
    """Another issuer's tokens may hold a claim ``role`` that means something else."""
    caplog.set_level("INFO")
    path = tmp_path / "signing.pem"
    create_key(path)
    keys = SigningKeys.load([str(path)])
    (tmp_path / "keys.json").write_bytes(keys.document)
    claims = {"iss": "storefronts", "aud": "storefronts", "sub": "1", "exp": time.time() + 600}
    token = keys.sign({**claims, "scope": "*:admin", "role": role})
    settings = {
        "AUTH_MODE": "jwt",
        "AUTH_JWKS_URL": (tmp_path / "keys.json").as_uri(),
        "AUTH_ROLES": "the_role",
    }
    async with serving(service, DATABASE_URL=postgres_database, **settings) as svc:
        await until_ready(svc)
        answer = await svc.client.get("/rest/todos", headers=bearer(token))
        assert (answer.status_code, answer.json()["code"]) == (403, "42501")
        assert "role_refused" in caplog.text
