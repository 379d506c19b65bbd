"""Write ``docs/configuration.md`` from the settings classes; ``--check`` only compares."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import mongo_svc.app
import pg_svc.app
import redis_svc.app
import weather_svc.app
from svc_common import Service, ServiceSettings
from svc_common.settings import describe_settings

PAGE = Path(__file__).with_name("configuration.md")

HEAD = """\
# What can be set

Every setting is an environment variable. Each variable `X` may be given as `X_FILE` instead, the path of a
file that holds the value (a mounted secret). A wrong or missing variable stops the service before it starts
anything: one line for each on stderr, exit status 78. `python -m redis_svc --help` shows a service's
settings, `--check` what they are right now, secrets masked. This page is generated (`make docs`).
"""

SERVICES: tuple[Service[Any, Any], ...] = (
    mongo_svc.app.service,
    redis_svc.app.service,
    pg_svc.app.service,
    weather_svc.app.service,
)


def page() -> str:
    """The page as the settings classes have it now."""
    common = describe_settings(ServiceSettings)
    parts = [HEAD, _section("Every service", common)]
    for service in SERVICES:
        own = [row for row in describe_settings(service.settings_class) if row not in common]
        parts.append(_section(service.name, own))
    return "\n".join(parts)


def _section(title: str, rows: list[tuple[str, str, str]]) -> str:
    lines = [f"## {title}", "", "| variable | default | meaning |", "|---|---|---|"]
    for name, default, description in rows:
        shown = default if default in ("", "required") else f"`{default}`"
        lines.append(f"| `{name}` | {shown} | {description.replace('|', '&#124;')} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write or check the page."""
    if "--check" in sys.argv[1:]:
        if PAGE.read_text() == page():
            return 0
        print("docs/configuration.md is not what the settings say; run: make docs", file=sys.stderr)
        return 1
    PAGE.write_text(page())
    return 0


if __name__ == "__main__":
    sys.exit(main())
