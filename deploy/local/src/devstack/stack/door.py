"""The front door: Caddy's configuration and the small page at ``/``."""

from __future__ import annotations

import json
from pathlib import Path

from devstack.ports import LOOPBACK
from devstack.stack.layout import Layout
from devstack.stack.plan import Plan, PlannedService

PAGE = Path(__file__).parent / "page"

# Event streams and bodies of unknown length pass unbuffered: Caddy flushes those by itself. (Its option
# flush_interval -1 would do the same, but keep a stream to the service open when the client has gone.)
_SERVICE = """
	@{name} path /{name} /{name}/*
	handle @{name} {{
		reverse_proxy {host}:{port} {{
			# A service that is being restarted is waited for.
			lb_try_duration 2s
			lb_try_interval 100ms
		}}
	}}
	handle /-/status/{name} {{
		rewrite * /readyz?verbose
		reverse_proxy {host}:{admin_port}
	}}
"""

_CADDYFILE = """\
{{
	admin off
	auto_https off
	persist_config off
	grace_period 3s
}}

http://127.0.0.1:{port}, http://localhost:{port} {{
	bind {host}
{services}
	handle /-/stack.json {{
		root * {door}
		rewrite * /stack.json
		header Cache-Control no-store
		file_server
	}}
	handle / {{
		root * {page}
		header Cache-Control no-cache
		header Content-Security-Policy "default-src 'self'; frame-ancestors 'none'"
		file_server
	}}
	handle /-/page/* {{
		root * {page}
		uri strip_prefix /-/page
		header Cache-Control no-cache
		file_server
	}}
	handle {{
		header Content-Type application/problem+json
		respond `{not_found}` 404
	}}
	handle_errors {{
		header Content-Type application/problem+json
		header Retry-After 1
		respond `{unavailable}` 503
	}}
}}

# Any other host name: a page from elsewhere that had its name point to this machine could otherwise use the
# services in the name of whoever opened it.
http://:{port} {{
	bind {host}
	header Content-Type application/problem+json
	respond `{misdirected}` 421
}}
"""


def caddyfile(plan: Plan, layout: Layout) -> str:
    """Return the Caddyfile."""
    names = " ".join(service.kind.base_path for service in plan.services)
    return _CADDYFILE.format(
        host=LOOPBACK,
        port=plan.port,
        door=_quoted(layout.door),
        page=_quoted(PAGE),
        services="".join(_service(service) for service in plan.services),
        not_found=_problem(404, "Not Found", f"The services are at {names}."),
        unavailable=_problem(503, "Service Unavailable", "The service does not run at present."),
        misdirected=_problem(421, "Misdirected Request", "Use the name 127.0.0.1 or localhost."),
    )


def stack_json(plan: Plan) -> str:
    """Return what the page shows: services, stores and whether a token is needed."""
    return json.dumps(
        {
            "asks_for_token": plan.asks_for_token,
            "simulated_weather": plan.simulated_weather is not None,
            "services": [
                {
                    "name": service.kind.name,
                    "program": service.kind.program,
                    "summary": service.kind.summary,
                    "port": service.port,
                    "admin_port": service.admin_port,
                }
                for service in plan.services
            ],
            "stores": [
                {
                    "title": store.kind.title,
                    "url": store.shown_url,
                    "embedded": store.embedded is not None,
                }
                for store in plan.stores
            ],
        },
        indent=2,
    )


def _service(service: PlannedService) -> str:
    return _SERVICE.format(
        name=service.kind.name, host=LOOPBACK, port=service.port, admin_port=service.admin_port
    ).rstrip("\n")


def _problem(status: int, title: str, detail: str) -> str:
    return json.dumps({"type": "about:blank", "title": title, "status": status, "detail": detail})


def _quoted(path: Path) -> str:
    # In a Caddyfile's double quotes only the quote itself is escaped; a placeholder would be expanded.
    text = str(path).replace('"', '\\"').replace("{", "\\{")
    return f'"{text}"'
