"""The README's program is a service with health, metrics, logs and drain."""

from __future__ import annotations

import re
from pathlib import Path

import httpx

from svc_common.testing import ServiceProcess

README = Path(__file__).parents[1] / "README.md"


def sample() -> str:
    match = re.search(r"```python\n(from svc_common.*?)```", README.read_text(), re.S)
    assert match
    return match[1]


def test_it_is_at_most_ten_lines() -> None:
    assert len([line for line in sample().splitlines() if line.strip()]) <= 10


def test_it_is_a_whole_service(tmp_path: Path) -> None:
    (tmp_path / "hello.py").write_text(sample())
    with ServiceProcess("hello", PYTHONPATH=str(tmp_path)) as svc:
        assert httpx.get(svc.url + "/v1/hello/world", trust_env=False).json() == {"hello": "world"}
        assert httpx.get(svc.admin_url + "/readyz", trust_env=False).status_code == 200
        assert "http_requests_total" in httpx.get(svc.admin_url + "/metrics", trust_env=False).text
        assert svc.stop() == 0
        assert '"event":"request"' in svc.log
        assert '"event":"stopped"' in svc.log
