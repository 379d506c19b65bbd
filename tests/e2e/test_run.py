"""``make run``: everything comes up, works as the documents say, stops, and keeps its data."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from curl import curl_lines, perform, readme_curl_lines
from stack import Stack

from devstack.stores import Redis
from svc_common.testing import free_port

README_DOOR = "http://127.0.0.1:8080"


def answers(lines: list[str], client: httpx.Client, base: str) -> list[httpx.Response]:
    found = [answer for line in lines for answer in perform(line, client, instead_of=README_DOOR, base=base)]
    for answer in found:
        assert answer.is_success, (answer.request.url, answer.status_code, answer.text)
    return found


def test_the_readme_from_start_to_restart(data: Path, root: Path, client: httpx.Client) -> None:
    stack = Stack(data, free_port())
    with stack:
        shown = answers(readme_curl_lines(root / "README.md"), client, stack.url)
        assert [answer.text for answer in shown if answer.request.method == "GET"][:2] == [
            '{"title":"Dune","year":1965}',
            "hello",
        ]
        assert shown[-1].text.startswith("Currently ")
        assert "simulated" in shown[-1].text
        printed = curl_lines(stack.output)
        assert len(printed) == 5
        answers(printed, client, stack.url)
        assert "AUTH_MODE=none" in stack.output

        page = client.get(stack.url + "/")
        assert page.headers["content-type"].startswith("text/html")
        for name in ("mongo", "redis", "pg", "weather"):
            assert client.get(f"{stack.url}/-/status/{name}").json()["status"] == "ok"
            assert client.get(f"{stack.url}/{name}/docs").status_code == 200
            assert client.get(f"{stack.url}/{name}/openapi.json").json()["servers"] == [{"url": f"/{name}"}]
            # nothing of the admin port is reachable through the door
            hidden = client.get(f"{stack.url}/{name}/metrics")
            assert hidden.status_code in (400, 404)  # to redis-svc it is a command that Redis does not have
            assert "http_requests" not in hidden.text

        running = stack.processes()
        assert len(running) >= 8
        assert stack.stop(signal.SIGINT) == 0
        assert stack.processes() == []

    def stored() -> tuple[object, ...]:
        paths = ("/pg/rest/todos", "/mongo/v1/books/dune", "/redis/v1/records/greeting")
        todos, book, greeting = (client.get(stack.url + path) for path in paths)
        for answer in (todos, book, greeting):
            assert answer.status_code == 200, (answer.request.url, answer.text, stack.output)
        return book.json()["title"], greeting.text, [todo["task"] for todo in todos.json()]

    kept = ("Dune", "hello", ["try it", "try it"])
    with stack:
        assert stored() == kept
        client.put(f"{stack.url}/redis/v1/records/last", content="words")
        client.put(f"{stack.url}/mongo/v1/books/last", json="words")
        stack.kill_everything()
    with stack:
        assert stored() == kept
        assert client.get(f"{stack.url}/redis/v1/records/last").text == "words"
        assert client.get(f"{stack.url}/mongo/v1/books/last").json() == "words"


def test_settings_are_passed_through_and_given_stores_are_used(
    data: Path, client: httpx.Client, redis_server: Redis
) -> None:
    environment = {
        "AUTH_MODE": "token",
        "AUTH_TOKENS": "laptop:write:s3cret,viewer:read:other",
        "REDIS_URL": redis_server.url,
    }
    with Stack(data, free_port(), **environment) as stack:
        url = f"{stack.url}/redis/v1/records/given"
        assert client.get(url).status_code == 401
        reader, writer = ({"Authorization": f"Bearer {secret}"} for secret in ("other", "s3cret"))
        assert client.put(url, content=b"x", headers=reader).status_code == 403
        assert client.put(url, content=b"x", headers=writer).status_code == 204
        assert client.get(url, headers=reader).content == b"x"
        assert client.get(f"{stack.url}/mongo/v1/books/none", headers=reader).status_code == 404
        assert "s3cret" not in stack.output
        assert not (stack.data / "redis").exists()
        assert stack.stop() == 0


def test_a_busy_door_is_named(data: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "devstack", "--data", str(data), "--port", str(port)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 1
    assert f"port {port} (front door)" in done.stderr
    assert "PORT=" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("port", ["0", "x", "70000"])
def test_a_port_that_is_none(data: Path, port: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "devstack", "--data", str(data), "--port", port],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "must be from 1 to 65535" in done.stderr
