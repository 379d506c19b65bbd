"""The protocol, request by request: what comes back for what is asked. Every write is rolled back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from pg_svc.store.prepared import OFTEN
from svc_common.testing import ServiceProcess

from .protocol_calls import CALL_CASES
from .protocol_cases import CASES, Case
from .protocol_writes import WRITE_CASES

if TYPE_CHECKING:
    from .library import Library


@dataclass
class Answers:
    """The service on the library."""

    client: httpx.Client
    seen: dict[str, Any] = field(default_factory=dict)


@pytest.fixture(scope="module")
def answers(library: Library) -> Iterator[Answers]:
    """A service process on the library, as PostgREST would be configured for its own tests."""
    with (
        ServiceProcess(
            "pg_svc",
            PGRST_DB_URI=library.url_as("pgsvc_authenticator"),
            MIGRATE="never",
            PGRST_DB_SCHEMAS="library,archive",
            PGRST_DB_ANON_ROLE="pgsvc_anon",
            PGRST_DB_TX_END="rollback-allow-override",
            PGRST_DB_AGGREGATES_ENABLED="true",
            PGRST_DB_PLAN_ENABLED="true",
            PGRST_DB_PRE_REQUEST="library.check_request",
            PGRST_DB_EXTRA_SEARCH_PATH="public",
            PGRST_APP_SETTINGS_GREETING="hello",
        ) as process,
        httpx.Client(base_url=process.url + "/rest", timeout=30, trust_env=False) as client,
    ):
        yield Answers(client)


@pytest.mark.parametrize("case", [*CASES, *CALL_CASES, *WRITE_CASES], ids=lambda case: case.name)
def test_case(answers: Answers, case: Case) -> None:
    response = answers.client.request(
        case.method, case.path, headers=case.headers, content=case.content, json=case.body
    )
    _check(response, case)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case_that_comes_often(answers: Answers, case: Case) -> None:
    """What is prepared on the server by then answers as plain text does."""
    for _ in range(OFTEN + 2):
        response = answers.client.request(
            case.method, case.path, headers=case.headers, content=case.content, json=case.body
        )
    _check(response, case)


def _check(response: httpx.Response, case: Case) -> None:
    assert response.status_code == case.status, response.text
    if case.reason is not None:
        assert response.reason_phrase == case.reason
    if case.expected is not ...:
        assert response.json() == case.expected
    if case.error_code is not None:
        assert response.json()["code"] == case.error_code
    if case.text is not None:
        assert response.text == case.text
    for name, value in case.answer_headers.items():
        assert response.headers.get(name) == value, name
