"""Alerts and dashboard ask for series that exist, in a language that Prometheus understands."""

from __future__ import annotations

import json
import re
from typing import Any

import promql_parser
import pytest
from prometheus_client.parser import text_string_to_metric_families
from rendering import SERVICES, Combination, of_kind, render

from svc_common import metrics

MANIFESTS = render(Combination("dev", ("monitoring",)))
RULES = [
    rule
    for group in of_kind(MANIFESTS, "PrometheusRule")["storefronts"]["spec"]["groups"]
    for rule in group["rules"]
]
DASHBOARD: dict[str, Any] = json.loads(
    of_kind(MANIFESTS, "ConfigMap")["storefronts-dashboard"]["data"]["storefronts.json"]
)
FROM_ELSEWHERE = {
    "up",
    "container_memory_working_set_bytes",
    "kube_pod_container_resource_limits",
    "kube_deployment_status_replicas_available",
}
"""Series of Prometheus itself, the kubelet and kube-state-metrics."""

TARGET_LABELS = {"job", "namespace", "pod", "container", "deployment", "resource"}
"""Labels that come from the target or from the exporters above."""


def own_series() -> dict[str, set[str]]:
    """Name of each series a service exposes and its labels, from the real registry with one request in it."""
    metrics.observe_request("redis-svc", "/v1/records/{key}", "GET", 200, 0.01)
    with metrics.observe_store("redis", "get"):
        pass
    metrics.IN_FLIGHT.labels("redis-svc").set(0)
    metrics.STREAMS.labels("redis-svc").set(0)
    metrics.LOOP_LAG.labels("redis-svc").set(0)
    metrics.BUILD_INFO.labels("redis-svc", "1").set(1)
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(metrics.render().decode()):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def selectors(expression: str) -> list[promql_parser.VectorSelector]:
    """Every series that an expression asks for."""
    found = []
    pattern = r"[a-z_]+\{[^}]*\}"
    for text in re.findall(pattern, expression):
        parsed = promql_parser.parse(text)
        assert isinstance(parsed, promql_parser.VectorSelector)
        found.append(parsed)
    return found


def dashboard_expressions() -> list[str]:
    return [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]


ALERT_EXPRESSIONS = [rule["expr"] for rule in RULES]
PANEL_EXPRESSIONS = [each.replace("$__rate_interval", "5m") for each in dashboard_expressions()]


@pytest.mark.parametrize("expression", ALERT_EXPRESSIONS + PANEL_EXPRESSIONS)
def test_expression_is_promql_over_series_that_exist(expression: str) -> None:
    promql_parser.parse(expression)
    series = own_series()
    asked = selectors(expression)
    assert asked
    for selector in asked:
        assert selector.name in set(series) | FROM_ELSEWHERE
        labels = {matcher.name for matcher in selector.matchers.matchers}
        assert labels <= series.get(selector.name or "", set()) | TARGET_LABELS


def test_broken_expression_is_found() -> None:
    with pytest.raises(ValueError):
        promql_parser.parse("sum by (job) rate(http_requests_total[5m]) >")


def test_alerts_cover_what_matters() -> None:
    names = {rule["alert"] for rule in RULES}
    assert {"StorefrontsErrors", "StorefrontsSlow", "StorefrontsSaturated", "StorefrontsStoreDown"} <= names
    for rule in RULES:
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["description"]


@pytest.mark.parametrize("expression", ALERT_EXPRESSIONS)
def test_alerts_mean_all_four_services(expression: str) -> None:
    for pattern in re.findall(r'(?:job|container|deployment)=~"([^"]+)"', expression):
        assert all(re.fullmatch(pattern, name) for name in SERVICES)
        assert not re.fullmatch(pattern, "postgres")


def test_dashboard_is_found_by_grafana() -> None:
    labels = of_kind(MANIFESTS, "ConfigMap")["storefronts-dashboard"]["metadata"]["labels"]
    assert labels["grafana_dashboard"] == "1"
    assert DASHBOARD["uid"] == "storefronts"
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids) > 8
