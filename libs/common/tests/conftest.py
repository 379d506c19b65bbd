from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from svc_common import PUBLIC, Route, Service, ServiceSettings
from svc_common.testing import TestedService, serving

# The services that the tests run are importable here as they are in the processes that tests start.
sys.path.insert(0, str(Path(__file__).parent / "apps"))

from token_issuer import Issuer, IssuerHandler, shelf


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    """An issuer of tokens on a real socket."""
    state = Issuer()

    @asynccontextmanager
    async def lifespan(settings: ServiceSettings) -> AsyncIterator[Issuer]:
        yield state

    routes = [
        Route("/auth/.well-known/{what}", IssuerHandler, PUBLIC),
        Route("/auth/{what}", IssuerHandler, PUBLIC),
    ]
    async with serving(Service("issuer", ServiceSettings, routes=routes, lifespan=lifespan)) as running:
        state.url = f"{running.url}/auth"
        yield state


@pytest.fixture
async def svc(issuer: Issuer) -> AsyncIterator[TestedService]:
    """A service with AUTH_MODE=token,jwt that trusts the issuer."""
    async with serving(
        shelf,
        AUTH_MODE="token,jwt",
        AUTH_TOKENS="laptop:write:s3cret",
        AUTH_ACCOUNTS_URL=issuer.url,
        AUTH_ALGORITHMS="EdDSA,ES256,RS256",
    ) as running:
        yield running


@pytest.fixture(params=["fast", "tornado"])
def either_server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test runs once on each HTTP server."""
    monkeypatch.setenv("HTTP_SERVER", request.param)
