"""The manifests agree with the services, and with each other."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest
import yaml
from engine import image_name
from rendering import (
    K8S,
    SERVICES,
    Combination,
    Manifest,
    everything,
    matches,
    of_kind,
    pod_templates,
    render,
)
from tornado.routing import PathMatches

import settings_env
from svc_common import admin
from svc_common.health import Check
from svc_common.settings import FILE_SUFFIX, load_settings, variable_names

COMBINATIONS = everything()
FULL = COMBINATIONS[0]
SECRET_FOLDER = "/run/secrets/storefronts"
GOODBYE = 5
"""Seconds for the goodbye to streams and for closing the store, beside the settings."""

each_combination = pytest.mark.parametrize("combination", COMBINATIONS, ids=str)
each_service = pytest.mark.parametrize("name", SERVICES)


def container_of(manifests: tuple[Manifest, ...], name: str) -> Manifest:
    (container,) = pod_templates(manifests)[name]["spec"]["containers"]
    assert isinstance(container, dict)
    return container


def config_of(manifests: tuple[Manifest, ...], name: str) -> dict[str, str]:
    """The settings that a service's pods get, by the ConfigMap's present name."""
    (source,) = container_of(manifests, name)["envFrom"]
    data = of_kind(manifests, "ConfigMap")[source["configMapRef"]["name"]]["data"]
    assert all(isinstance(value, str) for value in data.values())
    return dict(data)


# -- settings ---------------------------------------------------------------------------------------


@each_service
def test_settings_files_are_up_to_date(name: str) -> None:
    path = K8S / "base" / name / "settings.env"
    assert path.read_text(encoding="utf-8") == settings_env.render(name), (
        "run: python deploy/k8s/settings_env.py"
    )


@each_service
def test_every_setting_is_in_the_config_or_the_secret(name: str) -> None:
    info = settings_env.SERVICES[name]
    variables = {variable_names(key, field)[0] for key, field in info.settings.model_fields.items()}
    given = set(config_of(render(FULL), name)) | settings_env.secret_names(info.settings) | set(info.left_out)
    assert given == variables


@each_combination
@each_service
def test_services_accept_the_environment_of_their_pods(
    combination: Combination, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    manifests = render(combination)
    container = container_of(manifests, name)
    for variable, value in config_of(manifests, name).items():
        monkeypatch.setenv(variable, value)
    secret = secret_data(manifests, name)
    for entry in container["env"]:
        key = entry["value"].removeprefix(f"{SECRET_FOLDER}/")
        (tmp_path / key).write_text(secret[key] + "\n", encoding="utf-8")
        monkeypatch.setenv(entry["name"], str(tmp_path / key))
    settings = load_settings(settings_env.SERVICES[name].settings)
    assert settings.base_path == f"/{name.removesuffix('-svc')}"
    assert settings.server_host == "0.0.0.0"
    assert settings.auth_mode == ("none" if combination.overlay == "dev" else "token")
    assert "dev-only-token" in settings.auth_tokens.get_secret_value()


def secret_data(manifests: tuple[Manifest, ...], name: str) -> dict[str, str]:
    """What the pod's Secret holds; the one of components/stores-dev where it is made outside the tree."""
    volumes = {each["name"]: each for each in pod_templates(manifests)[name]["spec"]["volumes"]}
    secret_name = volumes["secrets"]["secret"]["secretName"]
    secrets = of_kind(manifests, "Secret")
    if secret_name not in secrets:
        assert secret_name == name, "a Secret that is made outside the tree has the service's name"
        return secret_data(render(Combination("dev")), name)
    return {key: base64.b64decode(value).decode() for key, value in secrets[secret_name]["data"].items()}


@each_service
def test_each_secret_file_is_a_secret_setting_and_the_other_way_round(name: str) -> None:
    info = settings_env.SERVICES[name]
    container = container_of(render(FULL), name)
    assert {each["name"]: each["value"] for each in container["env"]} == {
        f"{key}{FILE_SUFFIX}": f"{SECRET_FOLDER}/{key}" for key in info.secrets
    }
    assert set(info.secrets) <= settings_env.secret_names(info.settings)
    required = {
        variable_names(key, field)[0]
        for key, field in info.settings.model_fields.items()
        if field.is_required()
    }
    assert required <= set(info.secrets)
    assert {"name": "secrets", "mountPath": SECRET_FOLDER, "readOnly": True} in container["volumeMounts"]
    assert set(secret_data(render(FULL), name)) == set(info.secrets)


@each_combination
def test_service_links_set_no_variables(combination: Combination) -> None:
    for name, template in pod_templates(render(combination)).items():
        assert template["spec"]["enableServiceLinks"] is False, name
        assert template["spec"]["automountServiceAccountToken"] is False, name


# -- ports and paths --------------------------------------------------------------------------------


@each_combination
@each_service
def test_ports_agree_from_container_to_front_door(combination: Combination, name: str) -> None:
    manifests = render(combination)
    config = config_of(manifests, name)
    ports = {port["name"]: port["containerPort"] for port in container_of(manifests, name)["ports"]}
    assert ports == {"http": int(config["SERVER_PORT"]), "admin": int(config["ADMIN_PORT"])}
    service = of_kind(manifests, "Service")[name]["spec"]
    assert {port["name"]: port["targetPort"] for port in service["ports"]} == {
        "http": "http",
        "admin": "admin",
    }
    numbers = {port["name"]: port["port"] for port in service["ports"]}
    assert front_door(manifests)[config["BASE_PATH"]] == (name, numbers["http"])
    policy = of_kind(manifests, "NetworkPolicy")[name]["spec"]
    for rule in policy["ingress"]:
        assert rule["ports"] == [{"protocol": "TCP", "port": ports["http"]}]


def front_door(manifests: tuple[Manifest, ...]) -> dict[str, tuple[str, int]]:
    """Path to service and port number, of the Ingress or of the HTTPRoute: exactly one is there."""
    services = of_kind(manifests, "Service")
    ingresses, routes = of_kind(manifests, "Ingress"), of_kind(manifests, "HTTPRoute")
    assert len(ingresses) + len(routes) == 1
    found: dict[str, tuple[str, int]] = {}
    for ingress in ingresses.values():
        (rule,) = ingress["spec"]["rules"]
        for path in rule["http"]["paths"]:
            assert path["pathType"] == "Prefix"
            backend = path["backend"]["service"]
            numbers = {port["name"]: port["port"] for port in services[backend["name"]]["spec"]["ports"]}
            found[path["path"]] = (backend["name"], numbers[backend["port"]["name"]])
    for route in routes.values():
        assert [parent["name"] for parent in route["spec"]["parentRefs"]] == list(
            of_kind(manifests, "Gateway")
        )
        for rule in route["spec"]["rules"]:
            assert set(rule) == {"matches", "backendRefs"}, "nothing is rewritten"
            ((match,), (backend,)) = rule["matches"], rule["backendRefs"]
            assert match["path"]["type"] == "PathPrefix"
            found[match["path"]["value"]] = (backend["name"], backend["port"])
    assert len(found) == len(SERVICES)
    return found


@each_service
def test_probes_ask_what_the_admin_port_has(name: str) -> None:
    context: Any = None
    matchers = [rule.matcher for rule in admin.admin_application(context).wildcard_router.rules]
    paths = {each.regex.pattern.rstrip("$") for each in matchers if isinstance(each, PathMatches)}
    container = container_of(render(FULL), name)
    probes = {key: container[key]["httpGet"] for key in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert {probe["path"] for probe in probes.values()} <= paths
    assert {probe["port"] for probe in probes.values()} == {"admin"}
    assert probes["livenessProbe"]["path"] == probes["startupProbe"]["path"] == "/livez"
    assert probes["readinessProbe"]["path"] == "/readyz"


def test_prometheus_asks_for_the_metrics() -> None:
    manifests = render(FULL)
    monitor = of_kind(manifests, "ServiceMonitor")["storefronts"]["spec"]
    (endpoint,) = monitor["endpoints"]
    assert (endpoint["port"], endpoint["path"]) == ("admin", "/metrics")
    services = of_kind(manifests, "Service")
    chosen = {
        key for key, each in services.items() if matches(monitor["selector"], each["metadata"]["labels"])
    }
    assert chosen == set(SERVICES)
    for key in chosen:
        assert services[key]["metadata"]["labels"][monitor["jobLabel"]] == key
    policy = of_kind(manifests, "NetworkPolicy")["monitoring"]["spec"]
    assert policy["ingress"][0]["ports"] == [{"protocol": "TCP", "port": 9000}]


# -- time -------------------------------------------------------------------------------------------


@each_combination
@each_service
def test_grace_period_covers_the_whole_goodbye(combination: Combination, name: str) -> None:
    manifests = render(combination)
    config = config_of(manifests, name)
    sleep = container_of(manifests, name)["lifecycle"]["preStop"]["sleep"]["seconds"]
    goodbye = sleep + float(config["DRAIN_DELAY"]) + float(config["SHUTDOWN_GRACE"]) + GOODBYE
    assert pod_templates(manifests)[name]["spec"]["terminationGracePeriodSeconds"] >= goodbye
    assert float(config["SHUTDOWN_GRACE"]) >= float(config["REQUEST_TIMEOUT"])


@each_service
def test_probes_wait_longer_than_what_they_ask_for(name: str) -> None:
    container = container_of(render(FULL), name)
    slowest = Check.__dataclass_fields__["timeout"].default
    assert container["readinessProbe"]["timeoutSeconds"] > slowest
    assert container["livenessProbe"]["timeoutSeconds"] * container["livenessProbe"]["failureThreshold"] >= 15
    startup = container["startupProbe"]
    assert startup["periodSeconds"] * startup["failureThreshold"] >= 30


@each_service
def test_rolling_update_takes_no_pod_before_its_successor_serves(name: str) -> None:
    spec = of_kind(render(FULL), "Deployment")[name]["spec"]
    assert spec["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    assert spec["minReadySeconds"] > 0
    container = container_of(render(FULL), name)
    readiness = container["readinessProbe"]
    sleep = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert sleep >= readiness["periodSeconds"]


# -- selectors, scaling, policies -------------------------------------------------------------------


@each_combination
def test_selectors_match_the_labels_they_mean(combination: Combination) -> None:
    manifests = render(combination)
    templates = {key: template["metadata"]["labels"] for key, template in pod_templates(manifests).items()}
    for manifest in manifests:
        name, spec = manifest["metadata"]["name"], manifest.get("spec", {})
        if manifest["kind"] in ("Deployment", "StatefulSet"):
            assert selected(spec["selector"], templates) == {name}
        if manifest["kind"] == "Service":
            assert selected({"matchLabels": spec["selector"]}, templates) == {name}
        if manifest["kind"] == "PodDisruptionBudget":
            assert selected(spec["selector"], templates) == {name}
        if manifest["kind"] == "NetworkPolicy":
            assert selected(spec["podSelector"], templates), name
            for rule in (*(spec.get("egress") or ()), *(spec.get("ingress") or ())):
                for peer in (*rule.get("to", ()), *rule.get("from", ())):
                    if "podSelector" in peer:
                        assert selected(peer["podSelector"], templates), name
    for name, template in pod_templates(manifests).items():
        for constraint in template["spec"].get("topologySpreadConstraints", ()):
            assert name in selected(constraint["labelSelector"], templates)


def selected(selector: Manifest, templates: dict[str, dict[str, str]]) -> set[str]:
    return {name for name, labels in templates.items() if matches(selector, labels)}


@each_combination
@each_service
def test_autoscaler_owns_the_number_of_pods(combination: Combination, name: str) -> None:
    manifests = render(combination)
    assert "replicas" not in of_kind(manifests, "Deployment")[name]["spec"]
    scaler = of_kind(manifests, "HorizontalPodAutoscaler")[name]["spec"]
    assert scaler["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
    assert 2 <= scaler["minReplicas"] < scaler["maxReplicas"]
    with_requests = "scale-by-requests" in combination.components
    assert [metric["type"] for metric in scaler["metrics"]] == [
        "Resource",
        *(["Pods"] if with_requests else []),
    ]
    budget = of_kind(manifests, "PodDisruptionBudget")[name]["spec"]
    assert budget["maxUnavailable"] < scaler["minReplicas"]


@each_combination
def test_every_pod_is_denied_by_default_in_both_directions(combination: Combination) -> None:
    manifests = render(combination)
    policies = of_kind(manifests, "NetworkPolicy").values()
    for name, template in pod_templates(manifests).items():
        labels = template["metadata"]["labels"]
        types = {
            kind
            for each in policies
            if matches(each["spec"]["podSelector"], labels)
            for kind in each["spec"]["policyTypes"]
        }
        assert types == {"Ingress", "Egress"}, name


@each_combination
@each_service
def test_each_service_may_reach_its_store_and_dns(combination: Combination, name: str) -> None:
    manifests = render(combination)
    labels = pod_templates(manifests)[name]["metadata"]["labels"]
    ports = {
        port["port"]
        for policy in of_kind(manifests, "NetworkPolicy").values()
        if matches(policy["spec"]["podSelector"], labels)
        for rule in policy["spec"].get("egress", ())
        for port in rule["ports"]
    }
    wanted = {"mongo-svc": 27017, "redis-svc": 6379, "pg-svc": 5432, "weather-svc": 443}[name]
    accounts = set() if name == "pg-svc" else {8000}
    assert ports - {4318} == {53, wanted} | accounts


@each_combination
def test_references_lead_somewhere(combination: Combination) -> None:
    manifests = render(combination)
    known = {kind: set(of_kind(manifests, kind)) for kind in ("ConfigMap", "Secret", "ServiceAccount")}
    outside = set() if of_kind(manifests, "StatefulSet") else set(SERVICES)
    for name, template in pod_templates(manifests).items():
        for volume in template["spec"]["volumes"]:
            if "secret" in volume:
                assert volume["secret"]["secretName"] in known["Secret"] | outside, name
            if "configMap" in volume:
                assert volume["configMap"]["name"] in known["ConfigMap"], name
        if "serviceAccountName" in template["spec"]:
            assert template["spec"]["serviceAccountName"] in known["ServiceAccount"]


@each_combination
def test_every_object_has_the_recommended_labels(combination: Combination) -> None:
    for manifest in render(combination):
        if manifest["kind"] in ("ConfigMap", "Secret", "Namespace"):
            continue
        labels = manifest["metadata"]["labels"]
        assert {"app.kubernetes.io/name", "app.kubernetes.io/part-of"} & set(labels), manifest["metadata"][
            "name"
        ]


# -- what differs between the four, and between the overlays ----------------------------------------


def test_the_four_services_differ_only_in_name_and_secrets() -> None:
    templates = pod_templates(render(Combination("prod")))
    shapes = set()
    for name in SERVICES:
        container = templates[name]["spec"]["containers"][0]
        text = yaml.safe_dump({**templates[name], "env": None}, sort_keys=True)
        text = text.replace(yaml.safe_dump(container["env"]), "")
        text = re.sub(r"- name: [A-Z_]+_FILE\n\s+value: \S+\n\s*", "", text)
        text = re.sub(r"\b(mongo|redis|pg|weather)-svc(-[a-z0-9]{10}\b)?", "SERVICE", text)
        shapes.add(text)
    assert len(shapes) == 1


def test_prod_pins_images_by_digest_and_spreads_over_zones_and_hosts() -> None:
    for name, template in pod_templates(render(Combination("prod"))).items():
        assert re.fullmatch(
            rf"registry\.example\.com/storefronts/{name}@sha256:[0-9a-f]{{64}}",
            template["spec"]["containers"][0]["image"],
        )
        keys = {each["topologyKey"] for each in template["spec"]["topologySpreadConstraints"]}
        assert keys == {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}


def test_dev_images_are_what_make_images_builds() -> None:
    templates = pod_templates(render(Combination("dev")))
    for name in SERVICES:
        assert templates[name]["spec"]["containers"][0]["image"] == image_name(name)


def test_dev_secrets_address_the_stores_of_the_same_namespace() -> None:
    manifests = render(Combination("dev"))
    services = of_kind(manifests, "Service")
    for name, key in (("mongo-svc", "MONGODB_URI"), ("redis-svc", "REDIS_URL"), ("pg-svc", "DATABASE_URL")):
        found = re.fullmatch(
            r"[a-z]+://[a-z]*:([^@]+)@([a-z]+):(\d+)(/.*)", secret_data(manifests, name)[key]
        )
        assert found
        password, host, port = found.group(1, 2, 3)
        assert [each["port"] for each in services[host]["spec"]["ports"]] == [int(port)]
        assert secret_data_of_store(manifests, host)["password"] == password


def secret_data_of_store(manifests: tuple[Manifest, ...], name: str) -> dict[str, str]:
    volumes = {each["name"]: each for each in pod_templates(manifests)[name]["spec"]["volumes"]}
    secret = of_kind(manifests, "Secret")[volumes["password"]["secret"]["secretName"]]
    return {key: base64.b64decode(value).decode() for key, value in secret["data"].items()}


def test_tls_reaches_the_ingress_or_the_gateway() -> None:
    ingress = of_kind(render(Combination("prod", ("tls",))), "Ingress")["storefronts"]["spec"]
    (certificate,) = of_kind(render(Combination("prod", ("tls",))), "Certificate").values()
    host = certificate["spec"]["dnsNames"][0]
    assert ingress["tls"] == [{"hosts": [host], "secretName": certificate["spec"]["secretName"]}]
    assert ingress["rules"][0]["host"] == host
    manifests = render(Combination("prod", ("gateway", "tls")))
    (gateway,) = of_kind(manifests, "Gateway").values()
    listeners = {each["name"]: each for each in gateway["spec"]["listeners"]}
    assert listeners["https"]["hostname"] == host
    assert listeners["https"]["tls"]["certificateRefs"] == [{"name": certificate["spec"]["secretName"]}]
    assert set(listeners) == {"http", "https"}
