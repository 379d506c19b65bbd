"""Every combination renders, and the oldest and the newest Kubernetes accept every field of it."""

from __future__ import annotations

import json
from functools import cache

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
from cloudcoil.models.cert_manager import v1 as cert_manager
from cloudcoil.models.prometheus_operator import v1 as prometheus_operator
from pydantic import BaseModel
from rendering import COMPONENTS, INCLUDED, K8S, Combination, Manifest, combinations, of_kind, render

OLDEST, NEWEST = "1.30", "1.37"
"""1.30 is the first with `preStop.sleep` on by default."""

CUSTOM: dict[str, type[BaseModel]] = {
    "ServiceMonitor": prometheus_operator.ServiceMonitor,
    "PrometheusRule": prometheus_operator.PrometheusRule,
    "Certificate": cert_manager.Certificate,
}
"""Kinds of other projects, by models made from their own definitions."""

GATEWAY_KINDS = {"Gateway", "HTTPRoute"}
"""Held against the Ingress in test_consistency.py; there is no offline schema for them."""


@pytest.mark.parametrize("combination", list(combinations()), ids=str)
def test_combination_renders_with_every_object_once(combination: Combination) -> None:
    manifests = render(combination)
    names = [
        (each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"]) for each in manifests
    ]
    assert len(set(names)) == len(names)
    namespaces = {name for _, name, _ in names if name}
    assert len(namespaces) == 1
    assert set(of_kind(manifests, "Namespace")) == namespaces


@cache
def different_manifests() -> dict[str, Manifest]:
    found: dict[str, Manifest] = {}
    for combination in combinations():
        for manifest in render(combination):
            found.setdefault(json.dumps(manifest, sort_keys=True), manifest)
    return found


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_kubernetes_accepts_every_manifest(version: str) -> None:
    checked = 0
    for manifest in different_manifests().values():
        if manifest["kind"] in CUSTOM or manifest["kind"] in GATEWAY_KINDS:
            continue
        kubernetes_validate.validate(manifest, version, strict=True)
        checked += 1
    assert checked > 50


def test_newest_version_is_the_newest_there_are_schemas_for() -> None:
    assert kubernetes_validate.latest_version().startswith(f"{NEWEST}.")


def test_a_field_that_does_not_exist_is_found() -> None:
    deployment = next(each for each in different_manifests().values() if each["kind"] == "Deployment")
    broken = json.loads(json.dumps(deployment))
    broken["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, NEWEST, strict=True)


@pytest.mark.parametrize("kind", CUSTOM)
def test_custom_resources_have_only_fields_of_their_definition(kind: str) -> None:
    found = [each for each in different_manifests().values() if each["kind"] == kind]
    assert found
    for manifest in found:
        model = CUSTOM[kind].model_validate(manifest)
        understood = model.model_dump(mode="json", by_alias=True, exclude_unset=True)
        assert json.loads(json.dumps(understood)) == manifest


def test_every_overlay_is_known_here() -> None:
    assert {each.name for each in (K8S / "overlays").iterdir()} == set(INCLUDED)
    assert {each.name for each in (K8S / "components").iterdir()} == set(COMPONENTS)
