"""Tries overlays/dev on the cluster that kubectl points at, and takes it away again.

    python deploy/k8s/k8s_smoke.py                  images loaded, an ingress controller there: docs/deploy.md
    python deploy/k8s/k8s_smoke.py --keep --url http://203.0.113.7

It applies the overlay, waits until everything is ready, runs the README's curl lines through the front door,
rolls every Deployment under load, deletes a pod of each under load, takes each store away and brings it back.
A rolling update and a deleted pod must not lose one request.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import httpx

from cluster import ClusterError, front_door, get, kubectl
from load import Call, Load
from readme_lines import README, curl_command, curl_lines

OVERLAY = Path(__file__).resolve().parent / "overlays" / "dev"
NAMESPACE = "storefronts-dev"
SERVICES = ("mongo-svc", "redis-svc", "pg-svc", "weather-svc")
STORES = {
    "mongo": ("mongo-svc", Call("GET", "/mongo/v1/smoke/a")),
    "valkey": ("redis-svc", Call("GET", "/redis/v1/records/smoke")),
    "postgres": ("pg-svc", Call("GET", "/pg/rest/todos?limit=1")),
}
CALLS = (
    Call("PUT", "/mongo/v1/smoke/a", b'{"n": 1}'),
    Call("GET", "/mongo/v1/smoke/a"),
    Call("PUT", "/redis/v1/records/smoke", b"1", "text/plain"),
    Call("GET", "/redis/v1/records/smoke"),
    Call("GET", "/pg/rest/todos?limit=1"),
    # No upstream is asked: whether the internet can be reached is not what is tried here
    Call("GET", "/weather/openapi.json"),
)
TIMEOUT = "600s"


class Failed(Exception):
    """A step that did not turn out as it must."""


def step(text: str) -> None:
    """Say what is done now."""
    print(f"\n== {text}", flush=True)


def apply() -> None:
    """Apply the overlay and wait until every pod is ready."""
    kubectl("apply", "--kustomize", str(OVERLAY))
    for store in STORES:
        wait(f"statefulset/{store}")
    for service in SERVICES:
        wait(f"deployment/{service}")


def wait(workload: str) -> None:
    """Wait for a rollout."""
    start = time.monotonic()
    kubectl("rollout", "status", workload, "--namespace", NAMESPACE, f"--timeout={TIMEOUT}")
    print(f"{workload} ready after {time.monotonic() - start:.0f} s", flush=True)


def wait_for_minimum() -> None:
    """Wait until each autoscaler has raised its Deployment to its minimum."""

    def enough(service: str) -> bool:
        return int(get(f"deployment/{service}", NAMESPACE)["status"].get("availableReplicas", 0)) >= 2

    for service in SERVICES:
        until(partial(enough, service), f"two pods of {service}", 180)


def until(condition: Callable[[], bool], what: str, seconds: float) -> float:
    """Wait for a condition; returns the seconds it took. Raises Failed."""
    start = time.monotonic()
    while time.monotonic() - start < seconds:
        if condition():
            return time.monotonic() - start
        time.sleep(0.5)
    raise Failed(f"{what}: not within {seconds:g} s")


def run_readme(url: str) -> None:
    """The README's curl lines, one after the other."""
    lines = curl_lines(README.read_text(encoding="utf-8"))
    if not lines:
        raise Failed("no curl line in the README")
    for line in lines:
        done = subprocess.run(curl_command(line, url), capture_output=True, text=True, check=False)
        body, _, status = done.stdout.rpartition("\n")
        print(f"$ {line}\n{body.strip()[:200]}\n  {status or done.stderr.strip()}", flush=True)
        unreachable = "/weather/" in line and status in ("502", "504")
        if unreachable:
            print("  the cluster does not reach the weather upstream; the answer is the right one for that")
        elif done.returncode or not status.startswith("2"):
            raise Failed(f"{line} gave {status or done.stderr.strip()}")


def roll(url: str) -> None:
    """Restart every Deployment under load."""
    with Load(url, CALLS) as load:
        for service in SERVICES:
            kubectl("rollout", "restart", f"deployment/{service}", "--namespace", NAMESPACE)
        for service in SERVICES:
            wait(f"deployment/{service}")
        wait_until_old_pods_are_gone()
    print(load.tally, flush=True)
    if load.tally.failed:
        raise Failed("the rolling update lost requests")


def wait_until_old_pods_are_gone() -> None:
    """Their goodbye belongs to the update, so the load goes on until it is over."""

    def gone() -> bool:
        pods = get("pods", NAMESPACE, "--selector", "app.kubernetes.io/component=api")["items"]
        return not any("deletionTimestamp" in pod["metadata"] for pod in pods)

    until(gone, "the end of the old pods", 180)


def delete_pods(url: str) -> None:
    """Delete one pod of each service under load."""
    with Load(url, CALLS) as load:
        for service in SERVICES:
            selector = f"app.kubernetes.io/name={service}"
            pod = get("pods", NAMESPACE, "--selector", selector)["items"][0]["metadata"]["name"]
            kubectl("delete", "pod", pod, "--namespace", NAMESPACE, "--wait=false")
        for service in SERVICES:
            wait(f"deployment/{service}")
        wait_until_old_pods_are_gone()
    print(load.tally, flush=True)
    if load.tally.failed:
        raise Failed("deleting a pod lost requests")


def restarts(service: str) -> int:
    """How often containers of a service's pods were started again."""
    pods = get("pods", NAMESPACE, "--selector", f"app.kubernetes.io/name={service}")["items"]
    return sum(
        status["restartCount"] for pod in pods for status in pod["status"].get("containerStatuses", [])
    )


def without_store(url: str, store: str) -> None:
    """Scale a store to nothing: 503, and no pod restarts. Bring it back: 200 by itself."""
    service, call = STORES[store]
    before = restarts(service)

    def status() -> int:
        try:
            return httpx.request(call.method, url + call.path, timeout=15, verify=False).status_code  # noqa: S501
        except httpx.HTTPError:
            return 0

    kubectl("scale", f"statefulset/{store}", "--replicas=0", "--namespace", NAMESPACE)
    seconds = until(lambda: status() == 503, f"503 without {store}", 120)
    print(f"{store} away: {service} answers 503 after {seconds:.0f} s", flush=True)
    time.sleep(30)  # long enough for a liveness probe that looks at the store to kill the pods
    kubectl("scale", f"statefulset/{store}", "--replicas=1", "--namespace", NAMESPACE)
    wait(f"statefulset/{store}")
    seconds = until(lambda: status() == 200, f"200 with {store} back", 60)
    print(f"{store} back: {service} answers 200 after {seconds:.0f} s", flush=True)
    if restarts(service) != before:
        raise Failed(f"{service} was restarted because {store} was away")


def delete() -> None:
    """Take everything away, the stores' volumes included."""
    kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--timeout=180s")


def main() -> int:
    """All steps; 1 when one failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--url", default="", help="address of the front door, where it cannot be found out")
    parser.add_argument("--keep", action="store_true", help="leave everything in the cluster afterwards")
    options = parser.parse_args()
    try:
        context = kubectl("config", "current-context").strip()
        version = kubectl("version", "--output=yaml")
        step(f"cluster {context}")
        print("\n".join(line.strip() for line in version.splitlines() if "gitVersion" in line))
    except ClusterError as error:
        print(f"k8s-smoke: {error}", file=sys.stderr)
        return 1
    try:
        step(f"apply {OVERLAY.relative_to(OVERLAY.parents[3])}")
        apply()
        wait_for_minimum()
        with front_door(options.url, NAMESPACE) as url:
            step(f"the README's curl lines through {url}")
            run_readme(url)
            step("rolling update of everything, under load")
            roll(url)
            step("one pod of each service deleted, under load")
            delete_pods(url)
            for store in STORES:
                step(f"without {store}")
                without_store(url, store)
        print("\nk8s-smoke: everything as it must be")
        return 0
    except (ClusterError, Failed) as error:
        print(f"\nk8s-smoke: {error}", file=sys.stderr)
        return 1
    finally:
        if not options.keep:
            step("clean up")
            delete()


if __name__ == "__main__":
    sys.exit(main())
