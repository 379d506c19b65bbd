"""The cluster that kubectl points at: thin wrappers around the commands that the smoke test needs."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

CONTROLLERS = (
    "ingress-nginx",
    "traefik",
    "kube-system",
    "projectcontour",
    "haproxy-controller",
    "kong",
    "nginx-gateway",
    "envoy-gateway-system",
    "istio-ingress",
    "istio-system",
)
"""Namespaces that ingress controllers are usually installed in."""


class ClusterError(Exception):
    """kubectl, or the cluster behind it, said no; the text is for the person who asked."""


def kubectl(*arguments: str, timeout: float = 630) -> str:
    """Run kubectl and return what it prints. Raises ClusterError."""
    try:
        done = subprocess.run(
            ["kubectl", *arguments], capture_output=True, text=True, check=False, timeout=timeout
        )
    except FileNotFoundError:
        raise ClusterError("kubectl was not found on the PATH") from None
    except subprocess.TimeoutExpired:
        raise ClusterError(f"kubectl {' '.join(arguments)}: no end after {timeout:g} s") from None
    if done.returncode:
        raise ClusterError(f"kubectl {' '.join(arguments)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def get(kind: str, namespace: str = "", *more: str) -> dict[str, Any]:
    """An object, or a list of them, as JSON."""
    where = ["--namespace", namespace] if namespace else []
    found: dict[str, Any] = json.loads(kubectl("get", kind, *where, *more, "--output", "json"))
    return found


def ingress_addresses(ingress: dict[str, Any]) -> list[str]:
    """URLs that an Ingress says it can be reached at, then this machine, which kind and k3d publish it on."""
    entries = ingress.get("status", {}).get("loadBalancer", {}).get("ingress", [])
    hosts = [str(entry.get("ip") or entry.get("hostname")) for entry in entries]
    bracketed = [f"[{host}]" if ":" in host else host for host in hosts]
    return [f"http://{host}" for host in dict.fromkeys((*bracketed, "localhost"))]


def answers(url: str) -> bool:
    """Whether the services are behind an address."""
    try:
        answer = httpx.get(f"{url}/redis/openapi.json", timeout=3, verify=False)  # noqa: S501 - a test's own
    except httpx.HTTPError:
        return False
    return answer.status_code == 200 and "openapi" in answer.text[:200]


@contextmanager
def front_door(url: str, namespace: str) -> Iterator[str]:
    """The address of the front door: the given one, the Ingress's, or a port forwarded to its controller."""
    if url:
        yield url.rstrip("/")
        return
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for address in ingress_addresses(get("ingress/storefronts", namespace)):
            if answers(address):
                yield address
                return
        time.sleep(2)
    with forwarded_controller() as address:
        yield address


@contextmanager
def forwarded_controller() -> Iterator[str]:
    """A local port, forwarded to the ingress controller. Raises ClusterError when none serves us."""
    for namespace, service in controller_services(get("services", "", "--all-namespaces")):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        command = ["kubectl", "port-forward", "--namespace", namespace, f"service/{service}", f"{port}:80"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                for _ in range(20):
                    if answers(f"http://127.0.0.1:{port}"):
                        yield f"http://127.0.0.1:{port}"
                        return
                    time.sleep(0.5)
            finally:
                os.kill(process.pid, signal.SIGTERM)
    raise ClusterError(
        "no ingress controller leads to us: install one (docs/deploy.md) or give its address (--url)"
    )


def controller_services(services: dict[str, Any]) -> list[tuple[str, str]]:
    """``(namespace, name)`` of what looks like an ingress controller: port 80 in a usual namespace."""
    found = []
    for each in services["items"]:
        namespace, name = each["metadata"]["namespace"], each["metadata"]["name"]
        ports = [port["port"] for port in each["spec"].get("ports", [])]
        if namespace in CONTROLLERS and 80 in ports:
            found.append((namespace, name))
    return found
