"""Runs each image the way a restricted pod runs it, and looks whether it behaves.

    python deploy/images/images_smoke.py            all four images, as `make images` names them

Each runs read-only, as uid 10001, without any capability or new privilege, in 128 MB. No store is there, on
purpose: the service must start, live, say that it is not ready, answer 503 and not 500, and stop on SIGTERM
with status 0.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

from engine import ENGINES, REGISTRY, SERVICES, EngineError, find_engine, image_name, image_size, output

MEMORY = "128m"
USER = "10001"
SIZE_LIMIT = 200_000_000

NOWHERE = {
    "mongo-svc": {"MONGODB_URI": "mongodb://127.0.0.1:9/smoke"},
    "redis-svc": {"REDIS_URL": "redis://127.0.0.1:9/0"},
    "pg-svc": {"DATABASE_URL": "postgresql://nobody@127.0.0.1:9/smoke"},
    "weather-svc": {"WEATHER_URI": "http://127.0.0.1:9/"},
}
"""Addresses where nothing listens."""

STORE_PATHS = {
    "mongo-svc": "/v1/smoke/a",
    "redis-svc": "/v1/records/a",
    "pg-svc": "/rest/todos",
    "weather-svc": "/v1/current",
}
INSPECT = (
    "import json, os\n"
    "status = dict(line.split(':\\t', 1) for line in open('/proc/self/status') if ':\\t' in line)\n"
    "def writable(path):\n"
    "    try: open(path, 'w').close()\n"
    "    except OSError: return False\n"
    "    os.remove(path); return True\n"
    "print(json.dumps({'uid': os.getuid(), 'capabilities': int(status['CapEff'], 16),\n"
    "    'no_new_privileges': status['NoNewPrivs'].strip(), 'root_writable': writable('/opt/service/x'),\n"
    "    'tmp_writable': writable('/tmp/x')}))\n"
)


class Wrong(Exception):
    """An image that does not behave; the text says how."""


@dataclass(frozen=True)
class Container:
    """A running container and its two addresses on this machine."""

    engine: str
    name: str
    api: str
    admin: str


def run_command(engine: str, service: str, image: str, name: str) -> list[str]:
    """The command that starts the container."""
    environment = {"AUTH_MODE": "none", "BASE_PATH": "/base", **NOWHERE[service]}
    return [
        *(engine, "run", "--detach", "--name", name),
        *("--read-only", "--tmpfs", "/tmp:rw,size=16m,mode=1777", "--user", f"{USER}:{USER}"),  # noqa: S108
        *("--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--memory", MEMORY),
        *("--publish", "127.0.0.1::8000", "--publish", "127.0.0.1::9000"),
        *(part for key, value in environment.items() for part in ("--env", f"{key}={value}")),
        image,
    ]


@contextmanager
def running(engine: str, service: str, image: str) -> Iterator[Container]:
    """Start the container; it is removed in the end, whatever happens."""
    name = f"storefronts-smoke-{service}-{uuid.uuid4().hex[:8]}"
    try:
        output(run_command(engine, service, image, name))
        try:
            api, admin = (
                output([engine, "port", name, f"{port}/tcp"]).splitlines()[0] for port in (8000, 9000)
            )
        except (EngineError, IndexError):  # it has no ports any more: it ended
            raise Wrong(f"ended at once; its log: {logs(engine, name)}") from None
        yield Container(engine, name, f"http://{api}/base", f"http://{admin}")
    finally:
        subprocess.run([engine, "rm", "--force", name], capture_output=True, check=False)


def wait_until_live(container: Container, seconds: float = 20) -> float:
    """Wait for /livez; returns the seconds it took. Raises Wrong, with the container's log."""
    start = time.monotonic()
    while time.monotonic() - start < seconds:
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(f"{container.admin}/livez", timeout=2).status_code == 200:
                return time.monotonic() - start
        time.sleep(0.1)
    raise Wrong(f"not live after {seconds:g} s; its log: {logs(container.engine, container.name)}")


def logs(engine: str, name: str) -> str:
    """The end of what a container wrote."""
    done = subprocess.run([engine, "logs", "--tail", "20", name], capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).strip()


def confinement_faults(facts: dict[str, object]) -> list[str]:
    """What a process in the container may do and should not, or the other way round."""
    expected: dict[str, object] = {
        "uid": int(USER),
        "capabilities": 0,
        "no_new_privileges": "1",
        "root_writable": False,
        "tmp_writable": True,
    }
    return [
        f"{key} is {facts.get(key)!r}, not {value!r}"
        for key, value in expected.items()
        if facts.get(key) != value
    ]


def check(container: Container, service: str) -> None:
    """Look at everything while the container runs. Raises Wrong."""
    python = "/opt/service/bin/python"
    facts = json.loads(output([container.engine, "exec", container.name, python, "-c", INSPECT]))
    if faults := confinement_faults(facts):
        raise Wrong("; ".join(faults))
    expected = {
        f"{container.admin}/livez": 200,
        f"{container.admin}/version": 200,
        f"{container.admin}/metrics": 200,
        f"{container.admin}/readyz": 200 if service == "weather-svc" else 503,
        f"{container.api}/openapi.json": 200,
        f"{container.api}{STORE_PATHS[service]}": 502 if service == "weather-svc" else 503,
        f"{container.api}/v1/nothing/is/here": 404,
    }
    for url, status in expected.items():
        answer = httpx.get(url, timeout=15)
        if answer.status_code != status:
            raise Wrong(f"GET {url} gave {answer.status_code}, not {status}: {answer.text[:300]}")
    # On new connections each time: what a store that is away leaves behind must not touch other requests
    for _ in range(20):
        httpx.get(f"{container.api}{STORE_PATHS[service]}", timeout=15)
        if httpx.get(f"{container.admin}/livez", timeout=5).status_code != 200:
            raise Wrong("not live any more after requests that its store did not answer")


def stop(container: Container, seconds: int = 20) -> None:
    """SIGTERM; the container must end by itself with status 0. Raises Wrong."""
    output([container.engine, "stop", "--time", str(seconds), container.name])
    status = output([container.engine, "inspect", "--format", "{{.State.ExitCode}}", container.name])
    if status != "0":
        raise Wrong(f"exit status {status} after SIGTERM; its log: {logs(container.engine, container.name)}")


def smoke(engine: str, service: str, image: str) -> None:
    """One image. Raises Wrong or EngineError."""
    size = image_size(engine, image)
    if size > SIZE_LIMIT:
        raise Wrong(f"{size / 1e6:.0f} MB; the limit is {SIZE_LIMIT / 1e6:.0f}")
    with running(engine, service, image) as container:
        seconds = wait_until_live(container)
        check(container, service)
        stop(container)
    print(f"ok    {image}  {size / 1e6:.0f} MB, live after {seconds:.1f} s", flush=True)


def main() -> int:
    """Every image; 1 when one is wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--engine", default="", choices=["", *ENGINES[:2]], help="instead of the first that works"
    )
    parser.add_argument("--registry", default=REGISTRY, help="prefix of the images' names (%(default)s)")
    parser.add_argument("--tag", default="dev", help="tag of the images (%(default)s)")
    options = parser.parse_args()
    try:
        engine = find_engine(options.engine, ENGINES[:2])  # buildah cannot run a container in the background
    except EngineError as error:
        print(f"images-smoke: {error}", file=sys.stderr)
        return 1
    failed = 0
    for service in SERVICES:
        image = image_name(service, options.registry, options.tag)
        try:
            smoke(engine, service, image)
        except (Wrong, EngineError, httpx.HTTPError) as error:
            failed += 1
            print(f"WRONG {image}: {error}", flush=True)
    print(f"{len(SERVICES) - failed} of {len(SERVICES)} images behave")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
