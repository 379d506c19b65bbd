"""A server that refuses connections costs other requests nothing."""

from __future__ import annotations

import httpx

from svc_common.testing import ServiceProcess, free_port


def test_requests_beside_a_refused_connection_are_answered() -> None:
    address = f"postgresql://nobody@127.0.0.1:{free_port()}/none"
    with ServiceProcess("pg_svc", DATABASE_URL=address).start(ready=False) as svc:
        for _ in range(40):
            assert httpx.get(svc.url + "/rest/todos", trust_env=False).status_code == 503
            assert httpx.get(svc.admin_url + "/livez", trust_env=False).status_code == 200
        assert svc.stop() == 0
