from __future__ import annotations

import re

import documented_svc

from svc_common.testing import serving
from svc_common.testing.contract import undocumented


async def test_the_document() -> None:
    async with serving(documented_svc.service, BASE_PATH="/base") as svc:
        answer = await svc.client.get("/openapi.json")
        assert answer.headers["content-type"] == "application/json"
        document = answer.json()
        assert document["servers"] == [{"url": "/base"}]
        assert "/v1/things/{name}" in document["paths"]
        again = await svc.client.get("/openapi.json", headers={"If-None-Match": answer.headers["etag"]})
        assert again.status_code == 304


async def test_the_page_brings_everything_along() -> None:
    tokens = {"AUTH_MODE": "token", "AUTH_TOKENS": "a:read:secret"}
    async with serving(documented_svc.service, **tokens) as svc:
        page = await svc.client.get("/docs")
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert "script-src 'self'" in page.headers["content-security-policy"]
        links = re.findall(r'(?:src|href)="([^"]+)"', page.text)
        assert len(links) >= 3
        for link in links:
            assert "://" not in link
            assert (await svc.client.get("/" + link)).status_code == 200
        assert (await svc.client.get("/docs/docs.js")).headers["content-type"].startswith("text/javascript")
        assert (await svc.client.get("/docs/other")).status_code == 404
        assert (await svc.client.get("/docs/..%2Fdocs.html")).status_code == 404


def test_routes_and_document_are_held_against_each_other() -> None:
    assert undocumented(documented_svc.service) == []
