"""A service as its own process: how it starts, how it stops, and its workers."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from svc_common.testing import ServiceProcess, free_port, process

pytestmark = pytest.mark.usefixtures("either_server")

APPS = str(Path(__file__).parent / "apps")


def slow_service(**environment: str) -> ServiceProcess:
    return ServiceProcess("slow_svc", PYTHONPATH=APPS, **environment)


def test_a_chosen_port_is_not_given_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = free_port()
    monkeypatch.setattr(process, "_PORTS", [chosen])
    with pytest.raises(RuntimeError, match="no free port"):
        free_port()
    code = (
        "from svc_common.testing import free_port, process\n"
        f"process._PORTS = [{chosen}]\n"
        "try: print(free_port())\n"
        "except RuntimeError as error: print(error)\n"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "there is no free port\n"
    with socket.create_server(("127.0.0.1", chosen)):  # servers do not mind
        pass


def run_to_its_end(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "slow_svc", *arguments],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": APPS, "AUTH_MODE": "none", **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_help_lists_every_setting() -> None:
    done = run_to_its_end("--help")
    assert done.returncode == 0
    for name in ("SERVER_PORT=8000", "AUTH_TOKENS", "FAREWELL", "X_FILE"):
        assert name in done.stdout
    assert run_to_its_end("--version").stdout.startswith("slow-svc ")


def test_check_shows_the_settings_and_no_secret() -> None:
    done = run_to_its_end("--check", AUTH_MODE="token", AUTH_TOKENS="a:read:hunter2")
    assert done.returncode == 0
    assert "AUTH_TOKENS=***" in done.stdout
    assert "hunter2" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("environment", "status", "line"),
    [
        ({"SERVER_PORT": "x"}, 78, "slow-svc: SERVER_PORT: input should be a valid integer"),
        ({"AUTH_MODE": ""}, 78, "slow-svc: AUTH_TOKENS: needed with AUTH_MODE=token"),
        (
            {"AUTH_MODE": "token", "AUTH_TOKENS": "a:b:hunter2"},
            78,
            "slow-svc: AUTH_TOKENS: entry 1 has an unknown scope",
        ),
        ({"FAIL": "no luck"}, 1, "slow-svc: cannot start: RuntimeError: no luck"),
        ({"SERVER_HOST": "192.0.2.1"}, 1, "slow-svc: cannot start: SERVER_PORT"),
        ({"WORKERS": "2", "SERVER_PORT": "0"}, 1, "slow-svc: cannot start: SERVER_PORT 0 cannot be shared"),
    ],
)
def test_what_keeps_it_from_starting(environment: dict[str, str], status: int, line: str) -> None:
    done = run_to_its_end(**{"SERVER_PORT": str(free_port()), "ADMIN_PORT": str(free_port()), **environment})
    assert done.returncode == status
    assert done.stderr.startswith(line)
    assert len(done.stderr.splitlines()) == 1
    assert "hunter2" not in done.stderr


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("variable", ["SERVER_PORT", "ADMIN_PORT"])
def test_a_busy_port_is_named(variable: str, workers: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        ports = {"SERVER_PORT": str(free_port()), "ADMIN_PORT": str(free_port())}
        ports[variable] = str(busy.getsockname()[1])
        done = run_to_its_end(WORKERS=workers, **ports)
    assert done.returncode == 1
    assert f"cannot start: {variable} {ports[variable]} on 127.0.0.1" in done.stderr


async def test_a_drain_finishes_what_is_in_flight(tmp_path: Path) -> None:
    farewell = tmp_path / "farewell"
    with slow_service(DRAIN_DELAY="5", FAREWELL=str(farewell)) as svc:
        async with (
            httpx.AsyncClient(base_url=svc.url, trust_env=False, timeout=60) as client,
            httpx.AsyncClient(base_url=svc.admin_url, trust_env=False, timeout=60) as admin,
        ):
            idle = await client.get("/v1/slow/0")
            assert "connection" not in idle.headers
            slow = asyncio.create_task(client.get("/v1/slow/6000"))
            stream = asyncio.create_task(client.get("/v1/ticks"))
            state = ""
            while '"streams": 1' not in state or '"in_flight": 2' not in state:
                state = (await admin.get("/readyz?verbose")).text
            svc.process.send_signal(signal.SIGTERM)
            while (await admin.get("/readyz")).status_code != 503:
                await asyncio.sleep(0.01)
            assert (await admin.get("/livez")).status_code == 200
            during = await client.get("/v1/slow/0")  # not ready, but still serving
            assert (during.status_code, during.headers["connection"]) == (200, "close")
            answer = await slow
            assert (answer.status_code, answer.headers["connection"]) == (200, "close")
            assert "event: goodbye" in (await stream).text
            assert await asyncio.to_thread(svc.process.wait, 60) == 0
            with pytest.raises(httpx.ConnectError):
                await client.get("/v1/slow/0")
    assert farewell.read_text() == "bye"


def test_an_idle_connection_does_not_hold_up_the_end() -> None:
    with slow_service() as svc, httpx.Client(base_url=svc.url, trust_env=False) as client:
        client.get("/v1/slow/0")  # leaves a keep-alive connection
        assert svc.stop(timeout=15) == 0  # less than SHUTDOWN_GRACE


async def test_what_takes_too_long_is_cut_off() -> None:
    with slow_service(SHUTDOWN_GRACE="0.2") as svc:
        async with httpx.AsyncClient(base_url=svc.url, trust_env=False, timeout=20) as client:
            slow = asyncio.create_task(client.get("/v1/slow/20000"))
            while '"in_flight": 1' not in httpx.get(svc.admin_url + "/readyz?verbose").text:
                await asyncio.sleep(0.01)
            assert await asyncio.to_thread(svc.stop, timeout=60) == 0
            with pytest.raises(httpx.TransportError):
                await slow
        assert "requests_cut_off" in svc.log


def test_a_second_signal_ends_it_at_once() -> None:
    with slow_service(DRAIN_DELAY="60") as svc:
        svc.process.send_signal(signal.SIGINT)
        svc.wait_for("/readyz", 503)
        svc.process.send_signal(signal.SIGINT)
        assert svc.process.wait(30) == 128 + signal.SIGINT


def test_the_log_is_json_lines() -> None:
    with slow_service() as svc:
        httpx.get(svc.url + "/v1/slow/0?secret=hunter2", trust_env=False)
        assert svc.stop() == 0
        events = [json.loads(line) for line in svc.log.splitlines()]
    assert [event["event"] for event in events] == [
        "auth_mode_none",
        "listening",
        "request",
        "stopping",
        "stopped",
    ]
    assert events[2]["route"] == "/v1/slow/{milliseconds}"
    assert "hunter2" not in json.dumps(events)


def test_open_house_beyond_loopback_is_a_warning() -> None:
    with slow_service(SERVER_HOST="0.0.0.0") as svc:
        assert svc.stop() == 0
        event = json.loads(svc.log.splitlines()[0])
    assert (event["event"], event["level"]) == ("auth_mode_none", "warning")


def test_workers_share_the_port_and_are_replaced() -> None:
    with slow_service(WORKERS="2") as svc:

        def pids() -> set[int]:
            return {httpx.get(svc.url + "/v1/slow/0", trust_env=False).json()["pid"] for _ in range(30)}

        def wait_for_two(without: int = 0) -> set[int]:
            for _ in range(200):
                found = pids() - {without}
                if len(found) == 2:
                    return found
            raise AssertionError("there are not two workers")

        first = wait_for_two()
        victim = first.pop()
        os.kill(victim, signal.SIGKILL)
        for _ in range(500):  # until the kernel and the supervisor have noticed
            try:
                second = wait_for_two(without=victim)
                break
            except httpx.TransportError:
                continue
        assert first < second
        total = sum(
            float(line.rpartition(" ")[2])
            for line in httpx.get(svc.admin_url + "/metrics", trust_env=False).text.splitlines()
            if line.startswith("http_requests_total{") and 'route="/v1/slow/{milliseconds}"' in line
        )
        assert total > 45  # more than any one of them has served
        assert svc.stop() == 0
        assert "worker_died" in svc.log


def test_workers_end_with_their_parent() -> None:
    with slow_service(WORKERS="2") as svc:
        worker = httpx.get(svc.url + "/v1/slow/0", trust_env=False).json()["pid"]
        svc.process.kill()
        svc.process.wait()
        assert gone(worker), "the worker outlives its parent"


def gone(pid: int, *, seconds: float = 30.0) -> bool:
    """Whether a process ends within some seconds (a zombie that nobody waits for has ended)."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.02)
    return False
