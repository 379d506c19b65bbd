"""What to run, where and with which settings: decided once, before anything starts."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from devstack.ports import LOOPBACK, free_port
from devstack.stack.catalog import SERVICES, STORES, ServiceKind, StoreKind
from devstack.stack.layout import Layout
from devstack.stack.probes import http_ok, tcp_open
from devstack.stores import Store


class PlanError(Exception):
    """The stack cannot be started as asked; the message is for the user."""


@dataclass(frozen=True)
class Program:
    """One process to supervise. ``probe`` tells whether it does its work; it blocks for seconds at most."""

    name: str
    group: str  # "stores", "services" or "door"
    command: list[str]
    probe: Callable[[], bool]
    stop_signal: str = "TERM"
    stop_seconds: int = 30


@dataclass(frozen=True)
class PlannedService:
    """A service and its ports."""

    kind: ServiceKind
    port: int
    admin_port: int


@dataclass(frozen=True)
class PlannedStore:
    """A store and its address, without password; ``embedded`` is None for one that the environment gives."""

    kind: StoreKind
    shown_url: str
    embedded: Store | None


@dataclass(frozen=True)
class Plan:
    """Everything that will run."""

    port: int
    programs: list[Program]
    services: list[PlannedService]
    stores: list[PlannedStore]
    open_by_default: bool  # nobody said how to authenticate, so nobody needs to
    asks_for_token: bool
    simulated_weather: str | None
    missing: list[str]

    @property
    def url(self) -> str:
        """The address of the front door."""
        return f"http://{LOOPBACK}:{self.port}"


class Ports:
    """Hands out free ports, none of them twice."""

    def __init__(self, *taken: int) -> None:
        self._taken = set(taken)

    def take(self, preferred: int | None = None) -> int:
        """Return ``preferred`` if it is free, else some other port."""
        port = free_port(preferred) if preferred not in self._taken else free_port()
        while port in self._taken:
            port = free_port()
        self._taken.add(port)
        return port


def make_plan(layout: Layout, port: int, environ: Mapping[str, str], *, offline: bool = False) -> Plan:
    """Decide what runs. Looks at the environment, at free ports and at what is installed; starts nothing."""
    ports = Ports(port)
    stores = [_plan_store(kind, layout, ports, environ) for kind in STORES]
    services = [
        PlannedService(kind, ports.take(kind.port), ports.take(kind.admin_port))
        for kind in SERVICES
        if find_spec(kind.module)
    ]
    programs = [_store_program(store.kind, store.embedded) for store in stores if store.embedded]
    shared: dict[str, str] = {
        store.kind.variable: store.embedded.url for store in stores if store.embedded is not None
    }

    weather_url = None
    if offline:
        weather_port = ports.take()
        weather_url = f"http://{LOOPBACK}:{weather_port}"
        programs.append(_weather_program(weather_port))
        shared |= {"WEATHER_URI": weather_url, "WEATHER_GEOCODING_URI": weather_url}

    # Who gives tokens wants them to be asked for.
    open_by_default = not any(
        environ.get(name) for name in ("AUTH_MODE", "AUTH_MODE_FILE", "AUTH_TOKENS", "AUTH_TOKENS_FILE")
    )
    if open_by_default:
        shared["AUTH_MODE"] = "none"

    programs += [_service_program(service, shared, environ) for service in services]
    programs.append(_door_program(layout, port))
    return Plan(
        port=port,
        programs=programs,
        services=services,
        stores=stores,
        open_by_default=open_by_default,
        asks_for_token=not open_by_default and environ.get("AUTH_MODE") != "none",
        simulated_weather=weather_url,
        missing=[kind.program for kind in SERVICES if not find_spec(kind.module)],
    )


def without_password(url: str) -> str:
    """Return an address with its password replaced by three asterisks."""
    if "://" not in url:
        return "(a connection string)" if "password" in url else url
    parts = urlsplit(url)
    login, at, rest = parts.netloc.rpartition("@")
    user, colon, _ = login.partition(":")
    return f"{parts.scheme}://{user}{':***' if colon else ''}{at}{rest}{parts.path}"


def _plan_store(kind: StoreKind, layout: Layout, ports: Ports, environ: Mapping[str, str]) -> PlannedStore:
    try:
        given = kind.given(environ)
    except OSError as error:
        raise PlanError(f"{kind.variable}: cannot read the file {error.filename}: {error.strerror}") from None
    if given is not None:
        return PlannedStore(kind, without_password(given), None)
    store = kind.embedded(layout.store(kind.name), ports.take(kind.port))
    return PlannedStore(kind, store.url, store)


def _store_program(kind: StoreKind, store: Store) -> Program:
    command = [
        *(sys.executable, "-m", "devstack.stores", kind.name),
        *("--directory", str(store.directory)),
        *("--port", str(store.port)),
        "--end-with-parent",
    ]
    return Program(
        name=kind.name,
        group="stores",
        command=command,
        probe=store.probe,
        stop_signal=store.stop_signal.name.removeprefix("SIG"),
        # PostgreSQL writes a checkpoint. The others need no more than a moment, and lose nothing by force.
        stop_seconds=30 if kind.name == "postgres" else 10,
    )


def _weather_program(port: int) -> Program:
    command = [sys.executable, "-m", "devstack.weather", "--port", str(port)]
    return Program("weather", "stores", command, partial(tcp_open, port))


def _service_program(service: PlannedService, shared: dict[str, str], environ: Mapping[str, str]) -> Program:
    settings = {
        **shared,
        "SERVER_HOST": LOOPBACK,
        "SERVER_PORT": str(service.port),
        "ADMIN_HOST": LOOPBACK,
        "ADMIN_PORT": str(service.admin_port),
        "BASE_PATH": service.kind.base_path,
        "TRUST_PROXY": "true",
    }
    return Program(
        name=service.kind.program,
        group="services",
        # env(1) becomes the service; it spares us supervisord's own rules for quoting values.
        command=[
            find_program("env"),
            *(f"{name}={value}" for name, value in settings.items()),
            *(sys.executable, "-m", service.kind.module),
        ],
        probe=partial(http_ok, service.admin_port, "/readyz"),
        # Longer than the service itself takes to finish what is in flight; 0 and 20 s are its defaults.
        stop_seconds=round(_seconds(environ, "DRAIN_DELAY", 0) + _seconds(environ, "SHUTDOWN_GRACE", 20)) + 5,
    )


def _door_program(layout: Layout, port: int) -> Program:
    home = layout.run / "caddy"
    command = [
        find_program("env"),
        f"XDG_DATA_HOME={home}",
        f"XDG_CONFIG_HOME={home}",
        *(find_program("caddy"), "run", "--adapter", "caddyfile"),
        *("--config", str(layout.caddyfile)),
    ]
    return Program("caddy", "door", command, partial(http_ok, port, "/"), stop_seconds=10)


def find_program(name: str) -> str:
    """Return the path of a program of this Python environment or of the system."""
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.is_file() else shutil.which(name)
    if found is None:
        raise PlanError(f"the program '{name}' is not installed in this environment")
    return found


def _seconds(environ: Mapping[str, str], name: str, default: float) -> float:
    try:
        return float(environ.get(name) or default)
    except ValueError:
        return default  # the service itself says what is wrong with it
