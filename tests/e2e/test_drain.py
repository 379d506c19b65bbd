"""A rolling restart behind a front door: no request fails, and a stream gets its end."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from svc_common.testing import ServiceProcess, free_port

CADDYFILE = """\
{{
	admin off
	auto_https off
	persist_config off
}}
http://127.0.0.1:{port} {{
	bind 127.0.0.1
	reverse_proxy 127.0.0.1:{first} 127.0.0.1:{second} {{
		lb_policy round_robin
		lb_try_duration 5s
		lb_try_interval 20ms
		fail_duration 1s
	}}
}}
"""


@contextmanager
def front_door(folder: Path, first: int, second: int) -> Iterator[str]:
    port = free_port()
    caddyfile = folder / "Caddyfile"
    caddyfile.write_text(CADDYFILE.format(port=port, first=first, second=second))
    caddy = Path(sys.executable).parent / "caddy"
    with (folder / "caddy.log").open("wb") as log:
        process = subprocess.Popen(
            [caddy, "run", "--config", caddyfile, "--adapter", "caddyfile"],
            stderr=log,
            env={"HOME": str(folder), "XDG_DATA_HOME": str(folder), "PATH": os.environ["PATH"]},
        )
    try:
        url = f"http://127.0.0.1:{port}"
        for _ in range(1000):
            try:
                httpx.get(url, trust_env=False)
                break
            except httpx.TransportError:
                assert process.poll() is None, (folder / "caddy.log").read_text()
        yield url
    finally:
        process.terminate()
        process.wait(10)


@pytest.mark.parametrize("drained", ["SIGTERM", "SIGINT"])
async def test_a_rolling_restart_loses_no_request(drained: str, tmp_path: Path, redis_url: str) -> None:
    environment = {"REDIS_URL": redis_url, "DRAIN_DELAY": "0.5"}
    with (
        ServiceProcess("redis_svc", **environment) as first,
        ServiceProcess("redis_svc", **environment) as second,
        front_door(tmp_path, first.port, second.port) as url,
    ):
        failed: list[str] = []
        done = 0
        running = True

        async def load(number: int) -> None:
            nonlocal done
            async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=20) as client:
                while running:
                    key = f"/v1/records/load-{number}"
                    for answer in (await client.put(key, content=b"x"), await client.get(key)):
                        done += 1
                        if not answer.is_success:
                            failed.append(f"{answer.request.method} {answer.status_code} {answer.text}")

        workers = [asyncio.create_task(load(number)) for number in range(8)]
        for service in (first, second):
            await asyncio.sleep(0.5)
            before = done
            status = await asyncio.to_thread(service.stop, getattr(signal, drained))
            assert status == 0, service.log
            while done < before + 50:
                await asyncio.sleep(0.01)
            await asyncio.to_thread(service.start)
        running = False
        await asyncio.gather(*workers)
        assert failed == []
        assert done > 100
