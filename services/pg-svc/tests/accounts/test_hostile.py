"""Names and bodies that mean harm."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from devstack.stores.postgres import run_sql
from pg_svc.accounts.keys import SigningKeys, create_key
from pg_svc.settings import PgSettings
from svc_common import SettingsError, load_settings
from svc_common.testing import TestedService, serving

from .conftest import PASSWORD, Start, bearer, log_in, sign_up


@pytest.mark.parametrize(
    "name",
    [
        "'; DROP TABLE storefronts.users; --",
        "ada' OR '1'='1",
        "%(key)s %s",
        "ada\r\nSet-Cookie: a=b",
        "ada\x00",
        "ａda",
        "-ada",
        "a" * 65,
        "",
        {"$ne": None},
        {"$gt": ""},
        ["ada"],
        True,
        None,
        7,
    ],
    ids=repr,
)
async def test_names(svc: TestedService, postgres_database: str, name: Any) -> None:
    await sign_up(svc)
    for path in ("/auth/signup", "/auth/login"):
        answer = await svc.client.post(path, json={"name": name, "password": PASSWORD})
        assert answer.status_code in (400, 401, 422), (path, answer.text)
        assert "set-cookie" not in answer.headers
    body = {"name": "ada", "password": {"$ne": ""}}
    assert (await svc.client.post("/auth/login", json=body)).status_code == 400
    assert run_sql(postgres_database, "SELECT count(*) FROM storefronts.users") == "1"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "application/json"),
        (b"[]", "application/json"),
        (b"{", "application/json"),
        (b"name=ada", "text/plain"),
        (b"name=%ff&password=x", "application/x-www-form-urlencoded"),
        (b"\xff", "application/json"),
    ],
)
async def test_bodies(svc: TestedService, body: bytes, kind: str) -> None:
    answer = await svc.client.post("/auth/login", content=body, headers={"Content-Type": kind})
    assert answer.status_code in (400, 415)


async def test_a_method_that_a_form_cannot_have(svc: TestedService) -> None:
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await svc.client.put("/auth/login", content=b"a=b", headers=kind)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD, POST, OPTIONS")


async def test_scopes_of_new_accounts_are_scopes(
    postgres_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", postgres_database)
    monkeypatch.setenv("SIGNUP_SCOPES", "redis:write,pg-read")
    with pytest.raises(SettingsError, match="SIGNUP_SCOPES: takes scopes such as"):
        load_settings(PgSettings, auth_mode="none")


async def test_a_taken_name(svc: TestedService) -> None:
    await sign_up(svc)
    answer = await svc.client.post("/auth/signup", json={"name": "Ada", "password": PASSWORD})
    assert answer.status_code == 409


async def test_the_accounts_are_off_without_a_key(postgres_database: str) -> None:
    from pg_svc.app import service

    async with serving(service, DATABASE_URL=postgres_database) as svc:
        assert (await svc.client.get("/auth/login")).status_code == 404
        assert (await svc.client.get("/auth/me")).status_code == 404


async def test_keys_are_exchanged_while_tokens_live(start: Start, key: Path, tmp_path: Path) -> None:
    new = tmp_path / "new.pem"
    new.write_bytes(
        ec.generate_private_key(ec.SECP256R1()).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
    )
    async with start() as svc:
        old_token = (await sign_up(svc))["access_token"]
    async with start(AUTH_SIGNING_KEY_FILES=f"{new},{key}") as svc:
        new_token = (await log_in(svc)).json()["access_token"]
        published = (await svc.client.get("/auth/.well-known/jwks.json")).json()["keys"]
        assert [jwk["alg"] for jwk in published] == ["ES256", "EdDSA"]
        assert not any("d" in jwk for jwk in published)
        for token in (old_token, new_token):
            assert (await svc.client.get("/auth/me", headers=bearer(token))).status_code == 200
        assert jwt.get_unverified_header(new_token)["kid"] == published[0]["kid"]
    async with start(AUTH_SIGNING_KEY_FILES=str(new)) as svc:
        assert (await svc.client.get("/auth/me", headers=bearer(old_token))).status_code == 401
        assert (await svc.client.get("/auth/me", headers=bearer(new_token))).status_code == 200


def test_a_key_file_belongs_to_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.pem"
    create_key(path)
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        create_key(path)
    document = json.loads(SigningKeys.load([str(path)]).document)
    assert len(document["keys"][0]["kid"]) == 43
    bad = tmp_path / "bad.pem"
    bad.write_text("no key")
    for wrong in (bad, tmp_path / "none.pem"):
        with pytest.raises(ValueError, match="AUTH_SIGNING_KEY_FILES"):
            SigningKeys.load([str(wrong)])


def command(*arguments: str, password: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pg_svc", *arguments],
        env={
            **{name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ},
            **environment,
        },
        input=password + "\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def test_a_key_of_no_use_is_a_setting_of_no_use(start: Start, tmp_path: Path) -> None:
    (tmp_path / "bad.pem").write_text("no key")
    with pytest.raises(SettingsError, match="AUTH_SIGNING_KEY_FILES"):
        async with start(AUTH_SIGNING_KEY_FILES=str(tmp_path / "bad.pem")):
            pass


def test_passwords_that_cannot_be_read(postgres_database: str, tmp_path: Path) -> None:
    (tmp_path / "password").write_bytes(b"\xff\xfe\n")
    of_no_use = command(
        "create-admin",
        "root",
        DATABASE_URL=postgres_database,
        ADMIN_PASSWORD_FILE=str(tmp_path / "password"),
    )
    assert (of_no_use.returncode, of_no_use.stderr) == (1, "pg-svc: the password is not UTF-8 text\n")


async def test_the_first_administrator(start: Start, postgres_database: str) -> None:
    done = command("create-admin", "root", password=PASSWORD, DATABASE_URL=postgres_database)
    assert done.returncode == 0, done.stderr
    assert PASSWORD not in done.stdout + done.stderr
    async with start() as svc:
        token = (await log_in(svc, "root")).json()["access_token"]
        assert (await svc.client.get("/auth/users", headers=bearer(token))).status_code == 200
    twice = command("create-admin", "root", password=PASSWORD, DATABASE_URL=postgres_database)
    assert (twice.returncode, twice.stderr.splitlines()[-1]) == (1, "pg-svc: This name is taken.")
    weak = command("create-admin", "other", password="password", DATABASE_URL=postgres_database)
    assert weak.returncode == 1
    assert command("create-admin", "other").returncode == 78
