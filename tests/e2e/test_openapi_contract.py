"""Every operation of every ``openapi.yaml`` under generated requests, with and without credentials.

With: no 5xx, and no answer that the document does not declare in status, media type and shape. Without:
nothing is answered but what the document declares public (``security: []``). Over the quota: 429 as declared.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
import schemathesis
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from devstack.addresses import with_database
from devstack.stores.mongo import drop_database
from devstack.stores.postgres import run_sql
from devstack.stores.redis import borrow_empty_database
from devstack.weather.upstream import WeatherUpstream
from pg_svc.accounts.keys import create_key
from svc_common.sharedrates import counter_name
from svc_common.testing import ServiceProcess

ROOT = Path(__file__).parents[2]
SERVICES = ("mongo", "redis", "pg", "weather")
SECRET = "sesame-of-the-tests"
OVER_QUOTA = "token-without-quota"
PASSWORD = "four words nobody guesses"  # none of the documents' examples
WITH, WITHOUT = 12, 5
"""Requests for each operation."""
SECONDS = 60.0

UNCOUNTED = {"/auth/me", "/auth/.well-known/jwks.json", "/auth/revoked"}
"""What services ask of the accounts: it uses up no quota, and is answered though one is used up."""

EARLY = {400, 401, 404, 405, 413, 415, 431}
"""What a request without credentials may be told: who it is not, or that it is no request at all."""


def document(service: str) -> dict[str, Any]:
    """A service's OpenAPI document."""
    text = (ROOT / "services" / f"{service}-svc" / "openapi.yaml").read_text(encoding="utf-8")
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded


DOCUMENTS = {service: document(service) for service in SERVICES}


def definition_of(service: str, operation: Any) -> dict[str, Any]:
    """What the document says of an operation."""
    found: dict[str, Any] = DOCUMENTS[service]["paths"][operation.path][operation.method]
    return found


def is_endless(service: str, definition: dict[str, Any]) -> bool:
    """Whether an operation answers with nothing but a stream; those have tests of their own."""
    responses = definition["responses"]
    success = responses.get("200", {})
    if "$ref" in success:
        success = DOCUMENTS[service]["components"]["responses"][success["$ref"].rsplit("/", 1)[1]]
    return "101" in responses or list(success.get("content", {})) == ["text/event-stream"]


def operations() -> list[Any]:
    """Every operation of every service, as parameters."""
    found: list[Any] = []
    for service in SERVICES:
        for result in schemathesis.openapi.from_dict(DOCUMENTS[service]).get_all_operations():
            operation: Any = result.ok() if isinstance(result, Ok) else None
            assert operation is not None, result
            if not is_endless(service, definition_of(service, operation)):
                found.append(pytest.param(service, operation, id=f"{service} {operation.label}"))
    return found


@dataclass(frozen=True)
class Running:
    """The addresses of the four services, and the name of an administrator of the accounts."""

    urls: dict[str, str]
    administrator: str
    database: str
    redis: str

    def token(self, service: str) -> str:
        """A token that may do everything; of pg-svc that of a new login, which has an account."""
        if service != "pg":
            return SECRET
        # Generated logins count as attempts from this address, as they should
        run_sql(self.database, "DELETE FROM storefronts.attempts")
        body = {"name": self.administrator, "password": PASSWORD}
        answer = httpx.post(f"{self.urls['pg']}/auth/login", json=body, trust_env=False, timeout=SECONDS)
        assert answer.status_code == 200, answer.text
        token: str = answer.json()["access_token"]
        return token


@pytest.fixture(scope="module")
def stores(postgres: Any, redis_server: Any, mongo: Any) -> Iterator[dict[str, str]]:
    """A new database in each store."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    with contextlib.ExitStack() as stack:
        run_sql(postgres.url, f"CREATE DATABASE {name}")
        stack.callback(run_sql, postgres.url, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        mongo_url = with_database(mongo.url, name)
        stack.callback(drop_database, mongo_url, name)
        yield {
            "DATABASE_URL": with_database(postgres.url, name),
            "MONGODB_URI": mongo_url,
            "REDIS_URL": stack.enter_context(borrow_empty_database(redis_server.url)),
        }


@pytest.fixture(scope="module")
def running(stores: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The four services."""
    key = tmp_path_factory.mktemp("keys") / "signing.pem"
    create_key(key)
    # A Redis that is slow on a busy machine would have each service count alone
    quota = {"RATE_LIMIT": "100000/hour", "REDIS_URL": stores["REDIS_URL"], "STORE_TIMEOUT": "30"}
    token = {
        **quota,
        "AUTH_MODE": "token",
        "AUTH_TOKENS": f"tests:admin:{SECRET},eager:admin:{OVER_QUOTA}",
    }
    accounts = {
        **quota,
        "AUTH_MODE": "token,jwt",
        "AUTH_TOKENS": f"eager:admin:{OVER_QUOTA}",
        "AUTH_SIGNING_KEY_FILES": str(key),
        "PASSWORD_MEMORY": "8192",
        "PASSWORD_PASSES": "1",
    }
    with (
        WeatherUpstream() as upstream,
        ServiceProcess("mongo_svc", MONGODB_URI=stores["MONGODB_URI"], **token) as mongo_svc,
        ServiceProcess("redis_svc", **token) as redis_svc,
        ServiceProcess("pg_svc", DATABASE_URL=stores["DATABASE_URL"], **accounts) as pg_svc,
        ServiceProcess(
            "weather_svc", WEATHER_URI=upstream.url, WEATHER_GEOCODING_URI=upstream.url, **token
        ) as weather_svc,
    ):
        subprocess.run(
            [sys.executable, "-m", "pg_svc", "create-admin", "root"],
            env={"PATH": os.environ["PATH"], "DATABASE_URL": stores["DATABASE_URL"]},
            input=f"{PASSWORD}\n".encode(),
            check=True,
            timeout=60,
        )
        urls = dict(
            zip(SERVICES, (one.url for one in (mongo_svc, redis_svc, pg_svc, weather_svc)), strict=True)
        )
        yield Running(urls, "root", stores["DATABASE_URL"], stores["REDIS_URL"])


def for_requests(operation: Any, examples: int, check: Callable[[Any], None]) -> None:
    """Run a check for generated requests of an operation; the same ones every time."""
    quiet = settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )

    def one(case: Any) -> None:
        check(case)

    quiet(given(case=operation.as_strategy())(one))()


@pytest.mark.parametrize(("service", "operation"), operations())
def test_with_credentials(service: str, operation: Any, running: Running) -> None:
    credential = {"Authorization": f"Bearer {running.token(service)}"}

    def check(case: Any) -> None:
        answer = case.call(
            base_url=running.urls[service],
            headers=credential,
            timeout=SECONDS,
            allow_redirects=False,
        )
        checks = [not_a_server_error, status_code_conformance]
        if answer.content:  # a document cannot say that an answer has a body only sometimes
            checks += [content_type_conformance, response_schema_conformance]
        case.validate_response(answer, checks=checks)

    for_requests(operation, WITH, check)


@pytest.mark.parametrize(("service", "operation"), operations())
def test_without_credentials(service: str, operation: Any, running: Running) -> None:
    public = definition_of(service, operation).get("security") == []

    def check(case: Any) -> None:
        for names in (case.headers, case.cookies):
            for name in [name for name in names or {} if name.lower() in ("authorization", "apikey")]:
                del names[name]
        (case.cookies or {}).clear()
        answer = case.call(base_url=running.urls[service], timeout=SECONDS, allow_redirects=False)
        if public:
            assert answer.status_code < 500
        else:
            assert answer.status_code in EARLY, (answer.status_code, answer.content[:200])

    for_requests(operation, WITHOUT, check)


@pytest.mark.parametrize(("service", "operation"), operations())
def test_over_the_quota(service: str, operation: Any, running: Running) -> None:
    if definition_of(service, operation).get("security") == []:
        caller, headers = "address:127.0.0.1", {}
    else:
        caller, headers = "caller:eager", {"Authorization": f"Bearer {OVER_QUOTA}"}
    with redis.Redis.from_url(running.redis) as client:
        counter = counter_name(f"{service}-svc", caller)
        used_up = int((time.time() + 2 * 3600) * 1e6)  # a whole window ahead of what may be, and it passes
        client.set(counter, used_up)
        try:

            def check(case: Any) -> None:
                answer = case.call(
                    base_url=running.urls[service], headers=headers, timeout=SECONDS, allow_redirects=False
                )
                if operation.path in UNCOUNTED:
                    assert answer.status_code in (200, 403)
                    return
                assert answer.status_code == 429
                assert answer.headers["ratelimit"][0].startswith('"default";r=0;t=')
                assert answer.headers["ratelimit-policy"] == ['"default";q=100000;w=3600']
                assert 1800 < int(answer.headers["retry-after"][0]) <= 3601
                checks = [status_code_conformance, content_type_conformance, response_schema_conformance]
                case.validate_response(answer, checks=checks)

            for_requests(operation, 1, check)
        finally:
            client.delete(counter)
