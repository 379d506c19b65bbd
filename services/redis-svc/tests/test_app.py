"""The route table and the document say the same."""

from __future__ import annotations

import yaml

from redis_svc.app import routes
from svc_common.openapi import read_openapi

METHODS = ("get", "post", "put", "patch", "delete")


def test_every_route_is_in_the_document_and_the_other_way_round() -> None:
    document = yaml.safe_load(read_openapi("redis_svc"))
    documented = {
        (path, method.upper())
        for path, item in document["paths"].items()
        for method in item
        if method in METHODS
    }
    # The address of the service itself, without the slash, is the same as with it
    served = {(route.openapi_path or "/", method) for route in routes for method in route.methods}
    assert documented == served


def test_every_operation_says_what_it_does_and_what_can_go_wrong() -> None:
    document = yaml.safe_load(read_openapi("redis_svc"))
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method not in METHODS:
                continue
            assert operation["summary"], (method, path)
            answers = set(operation["responses"])
            assert answers >= {"400", "401", "503"}, (method, path)
