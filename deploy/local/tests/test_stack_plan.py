"""What the stack decides and writes before anything starts."""

from __future__ import annotations

import configparser
import json
import os
import shlex
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from devstack.ports import bind_error, free_port, is_free
from devstack.stack import console, door, leftovers, plan
from devstack.stack.catalog import SERVICES
from devstack.stack.layout import Layout
from devstack.stack.plan import Plan, PlanError, PlannedService, find_program, make_plan, without_password
from devstack.stack.probes import http_get, http_ok, tcp_open
from devstack.stack.supervision import configuration
from devstack.weather.upstream import WeatherUpstream

SOCKET = Path("/run/storefronts/supervisor.sock")


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path / 'a folder, {odd} "quoted"' / ".data")
    layout.create()
    return layout


@pytest.fixture(autouse=True)
def every_service_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    # These tests start no service; whether the packages are there depends on the environment.
    monkeypatch.setattr(plan, "find_spec", lambda module: module)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def settings_of(made: Plan, program: str) -> dict[str, str]:
    """Return the variables that a program's command line sets."""
    command = next(entry.command for entry in made.programs if entry.name == program)
    return dict(part.split("=", 1) for part in command if "=" in part)


# The plan.


def test_everything_is_embedded_by_default(layout: Layout) -> None:
    made = make_plan(layout, 8080, {})
    assert [program.name for program in made.programs] == [
        *("postgres", "redis", "mongo"),
        *("mongo-svc", "redis-svc", "pg-svc", "weather-svc"),
        "caddy",
    ]
    urls = {store.kind.variable: store.shown_url for store in made.stores}
    for service in made.services:
        settings = settings_of(made, service.kind.program)
        assert settings == {
            **urls,
            "AUTH_MODE": "none",
            "SERVER_HOST": "127.0.0.1",
            "SERVER_PORT": str(service.port),
            "ADMIN_HOST": "127.0.0.1",
            "ADMIN_PORT": str(service.admin_port),
            "BASE_PATH": f"/{service.kind.name}",
            "TRUST_PROXY": "true",
        }


def test_no_port_is_used_twice(layout: Layout) -> None:
    # The front door may want a port that a service would have preferred.
    made = make_plan(layout, SERVICES[0].port, {}, offline=True)
    ports = [made.port]
    for service in made.services:
        ports += [service.port, service.admin_port]
    ports += [store.embedded.port for store in made.stores if store.embedded]
    assert len(set(ports)) == len(ports) == 12


def test_a_busy_port_is_replaced(listener: socket.socket) -> None:
    busy = listener.getsockname()[1]
    assert bind_error(busy) == "is in use"
    assert not is_free(busy)
    chosen = plan.Ports().take(busy)
    assert chosen != busy
    assert is_free(chosen)


def test_a_given_address_replaces_the_embedded_store(layout: Layout) -> None:
    secret = layout.data / "redis-url"
    secret.write_text("redis://:s3cret@redis.example:6380/2\n")
    environ = {
        "DATABASE_URL": "postgresql://me:s3cret@db.example/app?sslmode=require",
        "REDIS_URL_FILE": str(secret),
        "MONGODB_URI": "mongodb://mongo.example/?directConnection=true",
    }
    made = make_plan(layout, 8080, environ)
    assert [program.name for program in made.programs if program.group == "stores"] == []
    assert [store.shown_url for store in made.stores] == [
        "postgresql://me:***@db.example/app",
        "redis://:***@redis.example:6380/2",
        "mongodb://mongo.example/",
    ]
    # They reach the services through the environment alone, not through a command line.
    assert not {"DATABASE_URL", "REDIS_URL", "MONGODB_URI"} & set(settings_of(made, "redis-svc"))
    assert "s3cret" not in configuration(made, layout, SOCKET)


@pytest.mark.parametrize("environ", [{"REDIS_HOST": "redis.example"}, {"REDIS_PORT": "6380"}])
def test_redis_host_or_port_replace_the_embedded_redis(layout: Layout, environ: dict[str, str]) -> None:
    made = make_plan(layout, 8080, environ)
    assert [program.name for program in made.programs if program.group == "stores"] == ["postgres", "mongo"]
    assert "REDIS_URL" not in settings_of(made, "redis-svc")


def test_a_file_that_cannot_be_read_is_named(layout: Layout) -> None:
    with pytest.raises(PlanError, match="DATABASE_URL: cannot read the file /does/not/exist: No such file"):
        make_plan(layout, 8080, {"DATABASE_URL_FILE": "/does/not/exist"})


@pytest.mark.parametrize(
    ("environ", "open_by_default", "asks_for_token"),
    [
        ({}, True, False),
        ({"AUTH_MODE": "none"}, False, False),
        ({"AUTH_MODE": "token", "AUTH_TOKENS": "me:write:s3cret"}, False, True),
        ({"AUTH_TOKENS": "me:write:s3cret"}, False, True),
        ({"AUTH_TOKENS_FILE": "/run/secrets/tokens"}, False, True),
    ],
)
def test_authentication(
    layout: Layout, environ: dict[str, str], open_by_default: bool, asks_for_token: bool
) -> None:
    made = make_plan(layout, 8080, environ)
    assert (made.open_by_default, made.asks_for_token) == (open_by_default, asks_for_token)
    assert ("AUTH_MODE" in settings_of(made, "pg-svc")) == open_by_default
    assert all(("$TOKEN" in line) == asks_for_token for line in console.curl_lines(made))


def test_offline_simulates_the_weather(layout: Layout) -> None:
    made = make_plan(layout, 8080, {}, offline=True)
    settings = settings_of(made, "weather-svc")
    assert settings["WEATHER_URI"] == settings["WEATHER_GEOCODING_URI"] == made.simulated_weather
    assert "weather" in [program.name for program in made.programs]


def test_services_have_time_to_finish(layout: Layout) -> None:
    made = make_plan(layout, 8080, {"SHUTDOWN_GRACE": "40", "DRAIN_DELAY": "3"})
    assert {program.stop_seconds for program in made.programs if program.group == "services"} == {48}


def test_a_service_that_is_not_installed_is_left_out(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "find_spec", lambda module: None if module == "pg_svc" else module)
    made = make_plan(layout, 8080, {})
    assert made.missing == ["pg-svc"]
    assert "pg-svc" not in [program.name for program in made.programs]
    assert not any("/pg/" in line for line in console.curl_lines(made))


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://localhost:6379/0", "redis://localhost:6379/0"),
        ("postgresql://me@db/app", "postgresql://me@db/app"),
        ("postgresql://me:a@b:c@db/app", "postgresql://me:***@db/app"),
        ("mongodb://u:p@a:1,b:2/db?authSource=admin", "mongodb://u:***@a:1,b:2/db"),
        ("host=db user=me", "host=db user=me"),
        ("host=db password=s3cret", "(a connection string)"),
    ],
)
def test_passwords_are_not_shown(url: str, shown: str) -> None:
    assert without_password(url) == shown


def test_a_missing_program_is_named() -> None:
    with pytest.raises(PlanError, match="'no-such-program' is not installed"):
        find_program("no-such-program")


# What is written.


def test_supervisord_reads_what_was_meant(layout: Layout) -> None:
    made = make_plan(layout, 8080, {})
    parser = configparser.RawConfigParser(inline_comment_prefixes=(";", "#"))
    parser.read_string(configuration(made, layout, SOCKET))
    assert parser["group:services"]["programs"] == "mongo-svc,redis-svc,pg-svc,weather-svc"
    for program in made.programs:
        section = parser[f"program:{program.name}"]
        assert shlex.split(section["command"]) == program.command
        assert section["stdout_logfile"] == str(layout.log(program.name))
    assert parser["program:postgres"]["stopsignal"] == "INT"
    groups = ("stores", "services", "door")
    assert [int(parser[f"group:{group}"]["priority"]) for group in groups] == [100, 200, 300]


def test_supervisord_accepts_the_configuration(layout: Layout) -> None:
    from supervisor.options import ServerOptions

    made = make_plan(layout, 8080, {})
    layout.supervisor_config.write_text(configuration(made, layout, SOCKET))
    options = ServerOptions()
    options.realize(["-c", str(layout.supervisor_config)])
    commands = {
        process.name: shlex.split(process.command)
        for group in options.process_group_configs
        for process in group.process_configs
    }
    assert commands == {program.name: program.command for program in made.programs}


@pytest.mark.parametrize("odd", ["a ;b", "a #b", "100%"])
def test_a_path_that_supervisord_cannot_take_is_refused(tmp_path: Path, odd: str) -> None:
    layout = Layout(tmp_path / odd)
    with pytest.raises(PlanError, match="are not supported"):
        configuration(make_plan(layout, 8080, {}), layout, SOCKET)


def test_a_socket_path_that_would_be_too_long_is_elsewhere(tmp_path: Path) -> None:
    deep = Layout(tmp_path / ("x" * 100))
    path = deep.control_socket()
    assert len(str(path)) < 90
    path.parent.rmdir()
    assert Layout(Path("/srv/app/.data")).control_socket() == Path("/srv/app/.data/run/supervisor.sock")


def test_caddy_accepts_its_configuration(layout: Layout) -> None:
    made = make_plan(layout, 8080, {})
    layout.caddyfile.write_text(door.caddyfile(made, layout))
    command = [find_program("caddy"), "adapt", "--adapter", "caddyfile", "--config", str(layout.caddyfile)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    adapted = json.loads(result.stdout)
    assert adapted["admin"]["disabled"]
    (server,) = adapted["apps"]["http"]["servers"].values()
    assert server["listen"] == ["127.0.0.1:8080"]
    assert server["automatic_https"]["disable"]
    for service in made.services:
        assert f"127.0.0.1:{service.port}" in result.stdout
        assert f"127.0.0.1:{service.admin_port}" in result.stdout


def test_the_page_is_told_what_runs(layout: Layout) -> None:
    shown = json.loads(door.stack_json(make_plan(layout, 8080, {})))
    assert [service["name"] for service in shown["services"]] == ["mongo", "redis", "pg", "weather"]
    assert [store["embedded"] for store in shown["stores"]] == [True, True, True]
    for name in ("index.html", "page.css", "page.js", "icon.svg"):
        assert "http:" not in (door.PAGE / name).read_text().replace("http://www.w3.org/2000/svg", "")
        assert "https:" not in (door.PAGE / name).read_text()


# What is said.


def test_the_end_of_a_log_is_of_this_run_and_each_line_once(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert console.log_tail(log) == []
    log.write_text("old\n")
    since = console.size(log)
    with log.open("a") as file:
        file.write("one\n\none\n" + "x" * 1000 + "\n")
    assert console.log_tail(log, since) == ["one", "x" * 300]
    log.write_text("new\n")  # rotated
    assert console.log_tail(log, since + 1) == ["new"]


def test_the_summary_names_every_address(layout: Layout, capsys: pytest.CaptureFixture[str]) -> None:
    made = make_plan(layout, 8080, {"DATABASE_URL": "postgresql://me:s3cret@db.example/app"})
    console.summary(made, layout, 2.5, [])
    output = capsys.readouterr().out
    assert "Storefronts is ready after 2.5 s." in output
    for service in made.services:
        assert isinstance(service, PlannedService)
        assert f"http://127.0.0.1:8080/{service.kind.name}/docs" in output
        assert f":{service.admin_port}" in output
    assert "postgresql://me:***@db.example/app" in output
    assert "given by the environment" in output
    assert "s3cret" not in output
    assert output.count("\n  curl") == 5
    assert "AUTH_MODE=none" in output


def test_what_is_not_ready_is_said(layout: Layout, capsys: pytest.CaptureFixture[str]) -> None:
    console.summary(make_plan(layout, 8080, {}), layout, 60, ["mongo"])
    assert "up, but not complete after 60.0 s" in capsys.readouterr().out


# Probes, the lock and leftovers.


def test_probes(weather_upstream: WeatherUpstream) -> None:
    assert tcp_open(weather_upstream.port)
    answer = http_get(weather_upstream.port, "/v1/search?name=Oslo")
    assert answer is not None
    assert answer[0] == 200
    assert b"Oslo" in answer[1]
    assert not http_ok(weather_upstream.port, "/nothing")
    weather_upstream.misbehave("reset")
    assert http_get(weather_upstream.port, "/v1/search?name=Oslo") is None
    closed = free_port()
    assert not tcp_open(closed)
    assert not http_ok(closed, "/")


def test_one_stack_at_a_time(layout: Layout) -> None:
    with leftovers.only_one(layout, "http://127.0.0.1:8080/"):
        with pytest.raises(leftovers.AlreadyRunning) as caught, leftovers.only_one(layout, "other"):
            pass
        assert caught.value.url == "http://127.0.0.1:8080/"
        assert caught.value.pid == psutil.Process().pid
    with leftovers.only_one(layout, "again"):
        pass


def test_leftovers_are_of_this_very_folder(layout: Layout, tmp_path: Path) -> None:
    def sleeper(data: Path) -> subprocess.Popen[bytes]:
        return subprocess.Popen(["sleep", "60"], env={**os.environ, "STOREFRONTS_STACK": str(data)})

    with sleeper(layout.data) as ours, sleeper(tmp_path) as others:
        assert [process.pid for process in leftovers.find(layout)] == [ours.pid]
        leftovers.stop(leftovers.find(layout))
        stopped, untouched = not psutil.pid_exists(ours.pid), others.poll() is None
        others.kill()
    assert (stopped, untouched) == (True, True)


def test_the_holder_of_a_port_is_named(listener: socket.socket) -> None:
    own = psutil.Process()
    assert leftovers.holder_of(listener.getsockname()[1]) == f"{own.name()} (pid {own.pid})"
    assert leftovers.holder_of(free_port()) is None
