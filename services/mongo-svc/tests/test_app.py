"""The table of routes and the OpenAPI document say the same, in both directions."""

from __future__ import annotations

from mongo_svc.app import routes
from svc_common.testing import TestedService

_OPERATIONS = {"get", "put", "post", "patch", "delete"}


async def test_every_route_is_documented_and_every_documented_operation_is_there(svc: TestedService) -> None:
    document = (await svc.client.get("/openapi.json")).json()
    documented = {
        (path, method) for path, item in document["paths"].items() for method in item if method in _OPERATIONS
    }
    served = {(route.openapi_path, method.lower()) for route in routes for method in route.methods}
    assert documented == served


async def test_every_operation_is_fit_for_readers(svc: TestedService) -> None:
    document = (await svc.client.get("/openapi.json")).json()
    seen = set()
    for path, item in document["paths"].items():
        named = [part[1:-1] for part in path.split("/") if part.startswith("{")]
        for method in _OPERATIONS & set(item):
            operation = item[method]
            assert operation["summary"], (path, method)
            assert operation["operationId"] not in seen
            seen.add(operation["operationId"])
            assert {"401", "403", "503"} <= set(operation["responses"]), (path, method)
            shared = document["components"]["parameters"]
            given = [
                shared[parameter["$ref"].rpartition("/")[2]] if "$ref" in parameter else parameter
                for parameter in item.get("parameters", []) + operation.get("parameters", [])
            ]
            assert [parameter["name"] for parameter in given if parameter["in"] == "path"] == named


async def test_readiness_and_docs(svc: TestedService) -> None:
    ready = await svc.admin.get("/readyz?verbose")
    assert ready.status_code == 200
    assert ready.json()["checks"]["mongodb"]["ok"] is True
    assert (await svc.client.get("/docs")).status_code == 200
