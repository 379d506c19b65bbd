"""Renders what a user may put together: an overlay with any of the components on top."""

from __future__ import annotations

import itertools
import os
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

K8S = Path(__file__).resolve().parents[1]
ROOT = K8S.parents[1]
SERVICES = ("mongo-svc", "redis-svc", "pg-svc", "weather-svc")
NAMESPACES = {"dev": "storefronts-dev", "prod": "storefronts"}
INCLUDED = {"dev": {"stores-dev"}, "prod": {"network-policy-default-deny"}}
"""Components that an overlay has already."""

COMPONENTS = (
    "gateway",  # before tls, which finds the Gateway that it is to extend
    "tls",
    "stores-dev",
    "monitoring",
    "network-policy-default-deny",
    "scale-by-requests",
)

Manifest = dict[str, Any]


@dataclass(frozen=True)
class Combination:
    """An overlay and the components on top of it."""

    overlay: str
    components: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "+".join((self.overlay, *self.components))


def combinations() -> Iterator[Combination]:
    """Every overlay with every set of components that it does not have already."""
    for overlay, included in INCLUDED.items():
        free = [name for name in COMPONENTS if name not in included]
        for size in range(len(free) + 1):
            for chosen in itertools.combinations(free, size):
                yield Combination(overlay, chosen)


@cache
def render(combination: Combination) -> tuple[Manifest, ...]:
    """The manifests of a combination, as `kubectl apply -k` would send them."""
    if not combination.components:
        return _kustomize(K8S / "overlays" / combination.overlay)
    with tempfile.TemporaryDirectory(prefix="storefronts-k8s-") as name:
        folder = Path(name).resolve()
        kustomization = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "namespace": NAMESPACES[combination.overlay],
            "resources": [os.path.relpath(K8S / "overlays" / combination.overlay, folder)],
            "components": [
                os.path.relpath(K8S / "components" / each, folder) for each in combination.components
            ],
        }
        (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization), encoding="utf-8")
        return _kustomize(folder)


def _kustomize(folder: Path) -> tuple[Manifest, ...]:
    done = subprocess.run(["kubectl", "kustomize", str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stderr, f"kustomize warns: {done.stderr}"
    return tuple(yaml.safe_load_all(done.stdout))


def everything() -> tuple[Combination, ...]:
    """For each overlay the combination with all components, and the one with none."""
    full = [Combination(name, tuple(c for c in COMPONENTS if c not in has)) for name, has in INCLUDED.items()]
    return (*full, *(Combination(name) for name in INCLUDED))


def of_kind(manifests: tuple[Manifest, ...], kind: str) -> dict[str, Manifest]:
    """The manifests of a kind by name."""
    return {each["metadata"]["name"]: each for each in manifests if each["kind"] == kind}


def pod_templates(manifests: tuple[Manifest, ...]) -> dict[str, Manifest]:
    """The pod template of every Deployment and StatefulSet by name."""
    kinds = ("Deployment", "StatefulSet")
    return {each["metadata"]["name"]: each["spec"]["template"] for each in manifests if each["kind"] in kinds}


def matches(selector: Manifest, labels: dict[str, str]) -> bool:
    """Whether a label selector selects an object with these labels; an empty one selects all."""
    for key, value in selector.get("matchLabels", {}).items():
        if labels.get(key) != value:
            return False
    for expression in selector.get("matchExpressions", []):
        assert expression["operator"] == "In", "only In is used"
        if labels.get(expression["key"]) not in expression["values"]:
            return False
    return True
