"""The console lines of the README do what it says they do."""

from __future__ import annotations

import os
import re
import signal
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
        pattern = re.escape(expected.strip()).replace("…", ".*")
        if " -m 1 " in command:
            said = _heard(command, environment, pattern)
        else:
            done = subprocess.run(
                ["sh", "-c", command], env=environment, capture_output=True, text=True, timeout=60
            )
            assert done.returncode == 0, (command, done.stderr)
            said = _plain(done.stdout)
        assert re.fullmatch(pattern, said), (command, said)


def _heard(command: str, environment: dict[str, str], pattern: str) -> str:
    """What a stream says, until it is what is expected: a second, as in the line, may be short."""
    said = b""
    with subprocess.Popen(
        ["sh", "-c", command.replace(" -m 1 ", " -m 60 ")],
        env=environment,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        try:
            while not re.fullmatch(pattern, _plain(said.decode())):
                piece = os.read(process.stdout.fileno(), 65536)
                if not piece:
                    break
                said += piece
        finally:
            os.killpg(process.pid, signal.SIGKILL)
    return _plain(said.decode())


def _plain(text: str) -> str:
    return text.strip().replace("\r", "")
