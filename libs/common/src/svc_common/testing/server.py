"""A service in the test's own event loop."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

import httpx

from ..context import ServiceContext
from ..runtime import RunningService, running
from ..service import Service
from ..settings import load_settings


@dataclass
class TestedService:
    """A service that runs, with a client for its API and one for its admin port."""

    __test__ = False

    running: RunningService
    client: httpx.AsyncClient
    admin: httpx.AsyncClient

    @property
    def url(self) -> str:
        """The API's address, base path included."""
        return self.running.url

    @property
    def context(self) -> ServiceContext:
        """What the running service knows."""
        return self.running.context


@asynccontextmanager
async def serving(service: Service[Any, Any], **environment: str) -> AsyncIterator[TestedService]:
    """Run a service on free ports of 127.0.0.1 with ``environment`` (and AUTH_MODE=none unless given).

    Variables of the real environment do not count, so that a test means the same everywhere; but for
    HTTP_SERVER, by which a test runs on either server.
    """
    given = {
        **{name: os.environ[name] for name in ("HTTP_SERVER",) if name in os.environ},
        "SERVER_HOST": "127.0.0.1",
        "SERVER_PORT": "0",
        "ADMIN_PORT": "0",
        "AUTH_MODE": "none",
        **environment,
    }
    with mock.patch.dict(os.environ, given, clear=True):
        settings = load_settings(service.settings_class)
    async with (
        running(service, settings) as server,
        httpx.AsyncClient(base_url=server.url, timeout=30, trust_env=False) as client,
        httpx.AsyncClient(base_url=server.admin_url, timeout=30, trust_env=False) as admin,
    ):
        yield TestedService(server, client, admin)
