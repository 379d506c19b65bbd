"""``make dist``: wheels that install and run outside this tree."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path

PACKAGES = (
    "libs/common",
    "deploy/local",
    "services/mongo-svc",
    "services/redis-svc",
    "services/pg-svc",
    "services/weather-svc",
)


def run(*command: str | Path, folder: Path) -> str:
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith(("VIRTUAL_ENV", "TOX"))
    }
    done = subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        env={**environment, "AUTH_MODE": "none"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def test_every_package_installs_and_runs_elsewhere(root: Path, tmp_path: Path) -> None:
    uv = Path(sys.executable).parent / "uv"
    dist = tmp_path / "dist"
    for package in PACKAGES:
        run(uv, "build", "--quiet", "--out-dir", dist, root / package, folder=tmp_path)
    wheels = sorted(dist.glob("*.whl"))
    assert len(wheels) == len(PACKAGES)
    for sdist in dist.glob("*.tar.gz"):
        with tarfile.open(sdist) as archive:
            names = archive.getnames()
        assert any(name.endswith("README.md") for name in names)
        assert not any("__pycache__" in name or "node_modules" in name for name in names)
    venv = tmp_path / "venv"
    run(uv, "venv", "--quiet", "--python", sys.executable, venv, folder=tmp_path)
    python = venv / "bin" / "python"
    constraints = root / "constraints.txt"
    run(uv, "pip", "install", "--quiet", "--python", python, "-c", constraints, *wheels, folder=tmp_path)
    for module in ("mongo_svc", "redis_svc", "pg_svc", "weather_svc"):
        found = run(
            python,
            "-c",
            f"import {module}.app as a, svc_common.openapi as o; print(a.__file__); "
            f"print(len(o.OpenApi('{module}', '').document['paths']))",
            folder=tmp_path,
        ).splitlines()
        assert str(venv) in found[0]
        assert int(found[1]) >= 1
        assert run(venv / "bin" / module.replace("_", "-"), "--version", folder=tmp_path).endswith("0.1.0\n")
    assert "front door" in run(python, "-m", "devstack", "--help", folder=tmp_path)
