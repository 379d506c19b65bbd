"""Writes base/*/settings.env: every setting that is no secret, with its description and value.

    python deploy/k8s/settings_env.py            write the files anew, after a setting was added or changed
    python deploy/k8s/settings_env.py --check    only say whether they are up to date

A value is the service's own default, unless a cluster needs another one: those are below, with the reason.
"""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mongo_svc.settings import MongoSettings
from pg_svc.settings import PgSettings
from redis_svc.settings import RedisSettings
from svc_common.settings import ServiceSettings, describe_settings, is_secret, variable_names
from weather_svc.settings import WeatherSettings

BASE = Path(__file__).parent / "base"


@dataclass(frozen=True)
class ServiceInfo:
    """A service as the manifests see it.

    ``secrets`` are the keys that its Secret must have, each mounted as a file. A service's other secrets can
    do without a value; who needs one adds its key to the Secret and its ``…_FILE`` to the Deployment.
    """

    settings: type[ServiceSettings]
    base_path: str
    secrets: tuple[str, ...]
    values: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)


IN_A_CLUSTER: Mapping[str, tuple[str, str]] = {
    "SERVER_HOST": ("0.0.0.0", "all addresses of the pod; the NetworkPolicy says who reaches them"),  # noqa: S104
    "TRUST_PROXY": ("true", "only the front door reaches the pod"),
    "IDLE_TIMEOUT": (
        "620",
        "longer than any proxy in front keeps an unused connection (cloud load balancers: 600 s), "
        "so that it is never the service that closes one under a request",
    ),
    "DRAIN_DELAY": ("5", "after preStop's 10 s, for proxies that are late"),
    "SHUTDOWN_GRACE": ("30", "as long as a request may take (REQUEST_TIMEOUT)"),
    "LOG_FORMAT": ("json", "one line for each event, for collectors"),
}

SERVICES: Mapping[str, ServiceInfo] = {
    "mongo-svc": ServiceInfo(MongoSettings, "/mongo", ("AUTH_TOKENS", "MONGODB_URI")),
    "redis-svc": ServiceInfo(
        RedisSettings,
        "/redis",
        ("AUTH_TOKENS", "REDIS_URL"),
        left_out={"REDIS_HOST": "REDIS_URL is given", "REDIS_PORT": "REDIS_URL is given"},
    ),
    "pg-svc": ServiceInfo(PgSettings, "/pg", ("AUTH_TOKENS", "DATABASE_URL")),
    "weather-svc": ServiceInfo(WeatherSettings, "/weather", ("AUTH_TOKENS",)),
}


def secret_names(settings: type[ServiceSettings]) -> set[str]:
    """The variables that belong into a Secret."""
    return {variable_names(name, each)[0] for name, each in settings.model_fields.items() if is_secret(each)}


def render(name: str) -> str:
    """The text of one service's settings.env."""
    service = SERVICES[name]
    values = {
        **IN_A_CLUSTER,
        "BASE_PATH": (service.base_path, "the path of the front door, which rewrites nothing"),
        **service.values,
    }
    secrets = secret_names(service.settings)
    lines = [
        f"# Settings of {name}; written by settings_env.py. An overlay changes one by a configMapGenerator",
        "# with `behavior: merge`. Left empty, a setting has the service's own default.",
    ]
    for variable, default, description in describe_settings(service.settings):
        if variable in secrets or variable in service.left_out:
            continue
        value, reason = values.get(variable, (default, ""))
        text = description + (f" Here: {reason}." if reason else "")
        comment = textwrap.wrap(text, 110, initial_indent="# ", subsequent_indent="# ")
        lines += ["", *comment, f"{variable}={value}"]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write the files, or compare them; 1 when one is not up to date."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a file differs")
    options = parser.parse_args()
    stale = 0
    for name in SERVICES:
        path = BASE / name / "settings.env"
        if path.exists() and path.read_text(encoding="utf-8") == render(name):
            continue
        stale += 1
        if not options.check:
            path.write_text(render(name), encoding="utf-8")
        print(f"{path.relative_to(BASE.parent)}: {'not up to date' if options.check else 'written'}")
    return 1 if options.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
