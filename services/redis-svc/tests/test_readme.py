"""The console lines of the README do what it says they do."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"


def _steps() -> list[tuple[str, str]]:
    """Every ``$ command`` with the output below it."""
    steps = []
    for block in re.findall(r"```console\n(.*?)```", README.read_text(), re.DOTALL):
        for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = step.partition("\n")
            steps.append((command, output))
    return steps


def test_every_line(service_url: str, tmp_path: Path) -> None:
    steps = _steps()
    assert len(steps) > 40
    curl = tmp_path / "curl"  # a machine without curl runs the same lines
    curl.write_text(f'#!/bin/sh\nexec {sys.executable} -m svc_common.testing.curl "$@"\n')
    curl.chmod(0o755)
    environment = {
        "PATH": f"{tmp_path}:/usr/local/bin:/usr/bin:/bin",
        "URL": service_url,
        "AUTH": "Authorization: Bearer s3cret",
        "ADMIN": "Authorization: Bearer adm1n",
    }
    for command, expected in steps:
        done = subprocess.run(
            ["sh", "-c", command], env=environment, capture_output=True, text=True, timeout=20
        )
        stream = " -m 1 " in command  # listened to for a second, which curl calls 28; more may come in it
        assert done.returncode in (0, 28 if stream else 0), (command, done.stderr)
        pattern = re.escape(expected.strip()).replace("…", ".*") + (r"(\n.*)*" if stream else "")
        assert re.fullmatch(pattern, done.stdout.strip().replace("\r", "")), (command, done.stdout)
