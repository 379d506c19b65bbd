"""Settings of PostgREST: from the environment, and from the database, which has the last word."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import pytest

from pg_svc.app import service
from pg_svc.configuration import SETTABLE, Configuration
from pg_svc.settings import PgSettings
from svc_common import SettingsError, load_settings
from svc_common.testing import ServiceProcess, TestedService, serving

from .conftest import until_ready
from .test_auth import token

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from .library import Library

FIRST, SECOND = "the-first-secret-that-is-long-enough", "the-second-secret-that-is-long-enough"


class Login:
    """A login role of a test's own, whose settings it may change."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self.name = f"pgsvc_login_{uuid4().hex[:12]}"
        library.sql(f"CREATE ROLE {self.name} LOGIN NOINHERIT; GRANT pgsvc_anon, pgsvc_user TO {self.name}")

    def says(self, name: str, value: str, where: str = "") -> None:
        """``ALTER ROLE … SET pgrst.NAME``."""
        self.library.sql(f"ALTER ROLE {self.name} {where} SET pgrst.{name} = '{value}'")

    def tell(self, what: str = "reload config") -> None:
        """Ask the service to look again."""
        self.library.sql(f"NOTIFY {self.name}, '{what}'")

    @asynccontextmanager
    async def serving(self, **environment: str) -> AsyncIterator[TestedService]:
        """The service, logged in as the role and listening on a channel of its name."""
        async with serving(
            service,
            **{
                "PGRST_DB_URI": self.library.url_as(self.name),
                "MIGRATE": "never",
                "PGRST_DB_ANON_ROLE": "pgsvc_anon",
                "PGRST_DB_SCHEMAS": "archive",
                "PGRST_DB_CHANNEL": self.name,
                **environment,
            },
        ) as svc:
            await until_ready(svc)
            yield svc


@pytest.fixture
def login(library: Library) -> Iterator[Login]:
    """A login role; gone at the end."""
    made = Login(library)
    yield made
    library.sql(f"DROP OWNED BY {made.name}; DROP ROLE {made.name}")


async def _until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(20):
        while not await holds():
            await asyncio.sleep(0.02)


async def _count(svc: TestedService, path: str, **headers: str) -> Any:
    answer = await svc.client.get(f"/rest{path}", headers=headers)
    return len(answer.json()) if answer.status_code == 200 else answer.json()["code"]


async def _tells(svc: TestedService, path: str, headers: dict[str, str]) -> bool:
    return "details" in (await svc.client.get(f"/rest{path}", headers=headers)).json()


async def test_the_role_s_settings_come_before_the_environment_s(login: Login) -> None:
    login.says("db_schemas", "library, archive")
    login.says("db_max_rows", "3")
    async with login.serving(PGRST_DB_MAX_ROWS="1") as svc:
        assert await _count(svc, "/authors") == 3
        assert await _count(svc, "/books", **{"Accept-Profile": "archive"}) == 1
    async with login.serving(PGRST_DB_CONFIG="false") as svc:
        assert await _count(svc, "/authors") == "PGRST205"


async def test_those_of_the_database_come_before_the_general_ones(login: Login) -> None:
    database = login.library.sql("SELECT current_database()")
    login.says("db_schemas", "archive")
    login.says("db_schemas", "library", f"IN DATABASE {database}")
    async with login.serving() as svc:
        assert await _count(svc, "/authors") == 3


async def test_a_function_has_the_last_word(login: Login) -> None:
    login.says("db_schemas", "archive")
    login.says("db_max_rows", "1")
    login.library.sql(
        'CREATE SCHEMA IF NOT EXISTS "own config"; '
        'CREATE OR REPLACE FUNCTION "own config"."select"() RETURNS void LANGUAGE sql AS '
        "$$ SELECT set_config('pgrst.db_schemas', 'library', true) $$"
    )
    login.library.sql(f'GRANT USAGE ON SCHEMA "own config" TO {login.name}')
    async with login.serving(PGRST_DB_PRE_CONFIG="own config.select") as svc:
        assert await _count(svc, "/authors") == 1
    login.says("db_pre_config", "own config.select")
    async with login.serving() as svc:
        assert await _count(svc, "/authors") == 1


async def test_reloading(login: Login) -> None:
    login.says("db_schemas", "library")
    async with login.serving() as svc:
        assert await _count(svc, "/authors?id=gt.0") == 3
        login.says("db_max_rows", "2")
        login.tell()
        await _until(lambda: _is(_count(svc, "/authors?id=gt.0"), 2))
        login.library.sql(f"ALTER ROLE {login.name} RESET pgrst.db_max_rows")
        login.says("db_schemas", "archive")
        login.tell()
        await _until(lambda: _is(_count(svc, "/authors"), "PGRST205"))
        login.says("db_schemas", "library")
        login.tell("reload schema")  # that is another question
        login.tell("anything")
        login.says("db_plan_enabled", "true")
        login.tell()
        await _until(lambda: _is(_count(svc, "/authors?id=gt.0"), 3))


async def test_no_word_of_the_database_is_lost_among_doubts(login: Login) -> None:
    login.says("db_schemas", "library")
    async with login.serving() as svc:

        async def doubt() -> None:
            while True:
                await _count(svc, "/nothing")  # the catalog is looked at: it may be new

        doubting = [asyncio.create_task(doubt()) for _ in range(3)]
        try:
            for _ in range(4):
                for schema, found in (("archive", "PGRST205"), ("library", 3)):
                    login.says("db_schemas", schema)
                    login.tell()
                    await _until(lambda found=found: _is(_count(svc, "/authors"), found))  # type: ignore[misc]
        finally:
            for task in doubting:
                task.cancel()
            await asyncio.gather(*doubting, return_exceptions=True)


async def test_errors_say_what_the_configuration_lets_them(login: Login) -> None:
    login.says("db_schemas", "library")
    login.says("client_error_verbosity", "minimal")
    beyond = {"Prefer": "count=exact", "Range": "9-"}
    async with login.serving() as svc:
        for path, code in (("/nothing", "PGRST205"), ("/authors", "PGRST103"), ("/rpc/numbers", "PGRST103")):
            answer = await svc.client.get(f"/rest{path}", headers=beyond)
            assert answer.json().keys() == {"code", "message"}, path
            assert answer.json()["code"] == code
        login.says("client_error_verbosity", "verbose")
        login.tell()
        await _until(lambda: _tells(svc, "/authors", beyond))
        await _until(lambda: _tells(svc, "/nothing", beyond))


async def test_statements_are_prepared_or_not(login: Login) -> None:
    login.says("db_schemas", "library")
    login.library.sql(
        "CREATE OR REPLACE FUNCTION library.prepared() RETURNS integer STABLE LANGUAGE sql AS "
        "$$ SELECT count(*)::integer FROM pg_prepared_statements $$"
    )
    login.library.sql("GRANT EXECUTE ON FUNCTION library.prepared() TO pgsvc_anon")
    async with login.serving(PGRST_DB_POOL="1") as svc:

        async def prepared() -> Any:
            return (await svc.client.get("/rest/rpc/prepared")).json()

        async def some() -> bool:
            return bool(await prepared() > 0)

        await _until(some)
        login.says("db_prepared_statements", "off")
        login.tell()
        await _until(lambda: _is(prepared(), 0))
        for _ in range(5):
            assert await prepared() == 0
        login.says("db_prepared_statements", "on")
        login.tell()
        await _until(some)


async def _is(coming: Awaitable[Any], value: Any) -> bool:
    return bool(await coming == value)


async def test_what_is_wrong_changes_nothing(login: Login) -> None:
    login.says("db_schemas", "library")
    async with login.serving() as svc:
        login.says("db_max_rows", "many")
        login.says("db_aggregates_enabled", "true")
        login.tell()
        login.library.sql("COMMENT ON TABLE library.notes IS 'seen'")  # what comes after is still seen
        login.tell("reload schema")

        async def told() -> bool:
            document = (await svc.client.get("/rest/")).json()
            return bool(document["definitions"]["notes"].get("description") == "seen")

        await _until(told)
        assert await _count(svc, "/authors?select=id.count()") == "PGRST123"
        assert await _count(svc, "/authors") == 3


async def test_what_is_wrong_from_the_start_serves_nothing(login: Login) -> None:
    login.says("db_tx_end", "sometimes")
    login.says("db_schemas", "library")
    environment = {
        "PGRST_DB_URI": login.library.url_as(login.name),
        "MIGRATE": "never",
        "PGRST_DB_ANON_ROLE": "pgsvc_anon",
    }
    async with serving(service, **environment) as svc:
        assert (await svc.client.get("/rest/authors")).status_code == 503
        login.says("db_tx_end", "commit")  # it looks again by itself
        await until_ready(svc)
        assert await _count(svc, "/authors") == 3


async def test_keys_and_origins_from_the_database(login: Login) -> None:
    login.says("db_schemas", "library")
    login.says("jwt_secret", FIRST)
    login.says("server_cors_allowed_origins", "https://a.example, https://b.example")
    async with login.serving() as svc:

        async def whoami(secret: str) -> Any:
            return (await svc.client.get("/rest/rpc/whoami", headers=token(secret, role="pgsvc_user"))).json()

        assert await whoami(FIRST) == "pgsvc_user"
        for origin, allowed in (("https://b.example", "https://b.example"), ("https://c.example", None)):
            answer = await svc.client.get("/rest/genres", headers={"Origin": origin})
            assert answer.headers.get("Access-Control-Allow-Origin") == allowed
        login.says("jwt_secret", SECOND)
        login.tell()
        await _until(lambda: _is(whoami(SECOND), "pgsvc_user"))
        assert (await whoami(FIRST))["code"] == "PGRST301"  # also where it was remembered


def test_a_postgrest_configuration_alone_opens_nothing(login: Login) -> None:
    with (
        ServiceProcess(
            "pg_svc", PGRST_DB_URI=login.library.url_as(login.name), MIGRATE="never", AUTH_MODE=""
        ) as process,
        httpx.Client(base_url=process.url, trust_env=False) as client,
    ):
        answer = client.get("/rest/")
        assert (answer.status_code, answer.json()["code"]) == (401, "PGRST302")
        answer = client.get("/rest/", headers=token(FIRST, role="pgsvc_user"))
        assert (answer.status_code, answer.json()["code"]) == (500, "PGRST300")


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Callable[..., PgSettings]:
    """Settings from an environment with these variables."""

    def load(**variables: str) -> PgSettings:
        for name, value in {"DATABASE_URL": "postgresql://x", "AUTH_MODE": "none", **variables}.items():
            monkeypatch.setenv(name, value)
        return load_settings(PgSettings)

    return load


def test_the_environment_in_postgrest_s_words(
    environment: Callable[..., PgSettings], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    address = tmp_path / "address"
    address.write_text("postgresql://from-a-file\n")
    settings = environment(
        DATABASE_URL="",
        PGRST_DB_URI=f"@{address}",
        PGRST_SERVER_HOST="!4",
        PGRST_ADMIN_SERVER_HOST="*6",
        PGRST_LOG_LEVEL="warn",
        PGRST_DB_EXTRA_SEARCH_PATH="",
        PGRST_SECRET_IS_BASE64="1",
        PGRST_ROOT_SPEC="root",
        PGRST_DB_POOL_AUTOMATIC_RECOVERY="false",
        PGRST_SERVER_UNIX_SOCKET="/run/x.sock",
        PGRST_SERVER_REUSEPORT="true",
    )
    assert settings.database_url.get_secret_value() == "postgresql://from-a-file"
    assert (settings.server_host, settings.admin_host, settings.log_level) == ("0.0.0.0", "::", "warning")
    assert settings.pgrst_db_extra_search_path == ()
    assert settings.pgrst_jwt_secret_is_base64
    assert settings.pgrst_db_root_spec == "root"


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, True),
        ({"PGRST_DB_ANON_ROLE": "web"}, False),
        ({"PGRST_JWT_SECRET": FIRST}, False),
        ({"PGRST_DB_URI": "postgresql://x", "DATABASE_URL": "", "AUTH_MODE": ""}, False),
    ],
)
def test_nothing_is_open_to_all_where_roles_decide(
    environment: Callable[..., PgSettings], variables: dict[str, str], expected: bool
) -> None:
    settings = environment(**variables)
    assert settings.auth_mode == "none"
    assert settings.open_to_all == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PGRST_DB_SCHEMAS", "public,pg_catalog"),
        ("PGRST_DB_SCHEMAS", "information_schema"),
        ("PGRST_JWT_AUD", "not: a uri"),
        ("PGRST_JWT_AUD", "http://%%x"),
        ("PGRST_SERVER_UNIX_SOCKET_MODE", "599"),
        ("PGRST_ADMIN_SERVER_UNIX_SOCKET_MODE", "778"),
        ("PGRST_OPENAPI_SERVER_PROXY_URI", "example.com"),
        ("PGRST_DB_URI", "@/nowhere/at/all"),
        ("PGRST_LOG_LEVEL", "loud"),
    ],
)
def test_what_the_environment_may_not_say(
    environment: Callable[..., PgSettings], name: str, value: str
) -> None:
    with pytest.raises(SettingsError):
        environment(**{name: value, **({"DATABASE_URL": ""} if name == "PGRST_DB_URI" else {})})


def test_every_setting_of_the_database_is_one_of_the_environment(
    environment: Callable[..., PgSettings],
) -> None:
    configuration = Configuration(environment())
    for name in SETTABLE:
        assert configuration.proposed({name: ""}).settings.database_url
    proposed = configuration.proposed({"db_extra_search_path": "", "db_max_rows": "5", "jwt_secret": FIRST})
    assert proposed.settings.pgrst_db_extra_search_path == ()
    assert proposed.settings.pgrst_db_max_rows == 5
    assert proposed.roles.decide
    assert proposed.cors.enabled
    assert configuration.settings.pgrst_db_max_rows is None
    with pytest.raises(SettingsError, match="secret"):
        configuration.proposed({"jwt_secret": "short"})
    with pytest.raises(SettingsError, match="db_max_rows"):
        configuration.proposed({"db_max_rows": "-1"})
    with pytest.raises(SettingsError, match="PGRST_DB_SCHEMAS"):
        configuration.proposed({"db_schemas": "pg_catalog"})
