"""Readiness checks beside each other: required ones and others."""

from __future__ import annotations

from svc_common import Check, Service, ServiceSettings
from svc_common.testing import serving


async def fine() -> None:
    """A check that passes."""


async def broken() -> None:
    """A check that fails."""
    raise ConnectionError("somewhere:1234")


async def test_what_is_not_required_is_reported_and_does_no_harm() -> None:
    checks = [Check("needed", fine), Check("welcome", broken, required=False)]
    service = Service("checked-svc", ServiceSettings, routes=[], checks=lambda _: checks)
    async with serving(service) as svc:
        assert (await svc.admin.get("/readyz")).status_code == 200
        document = (await svc.admin.get("/readyz?verbose")).json()
    assert document["status"] == "ok"
    assert {name: (check["ok"], check["required"]) for name, check in document["checks"].items()} == {
        "needed": (True, True),
        "welcome": (False, False),
    }
    assert document["checks"]["welcome"]["error"] == "ConnectionError"


async def test_what_is_required_must_pass() -> None:
    service = Service("checked-svc", ServiceSettings, routes=[], checks=lambda _: [Check("needed", broken)])
    async with serving(service) as svc:
        answer = await svc.admin.get("/readyz")
        assert (answer.status_code, answer.text) == (503, "not ready: needed: ConnectionError\n")
