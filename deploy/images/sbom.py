"""Writes a CycloneDX bill of materials for each service: sbom/redis-svc.cdx.json and so on.

    python deploy/images/sbom.py

Each is taken from an environment into which the service was installed from the image's own pinned and hashed
requirements, so it lists the Python packages of the image, with versions and licences. The operating system's
packages are the base image's; its publisher's attestation lists those.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from engine import ROOT, SERVICES
from pins import RUNTIME

TOOL = "cyclonedx-bom==7.5.0"


def run(*command: str) -> None:
    """Run a tool; what it prints is shown only when it fails, by the exception's text."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[:4])} …: {done.stderr.strip() or done.stdout.strip()}")


def constraints_without_hashes() -> str:
    """The image's versions. Hashes cannot be asked for beside our own packages, which have none yet."""
    lines = RUNTIME.read_text(encoding="utf-8").splitlines()
    return "\n".join(line.removesuffix(" \\") for line in lines if line and not line.startswith(" ")) + "\n"


def write_sbom(service: str, target: Path, folder: Path) -> int:
    """Install the service below a folder and describe what came with it; returns the number of packages."""
    environment, pins = folder / service, folder / "constraints.txt"
    pins.write_text(constraints_without_hashes(), encoding="utf-8")
    run("uv", "venv", "--quiet", "--python", sys.executable, str(environment))
    run(
        *("uv", "pip", "install", "--quiet", "--python", str(environment), "-c", str(pins)),
        *(f"services/{service}", "libs/common[tracing]"),
    )
    run(
        *("uv", "tool", "run", "--from", TOOL, "cyclonedx-py", "environment", str(environment)),
        *("--pyproject", f"services/{service}/pyproject.toml", "--mc-type", "application"),
        *("--output-reproducible", "--of", "JSON", "-o", str(target)),
    )
    return len(json.loads(target.read_text(encoding="utf-8"))["components"])


def main() -> int:
    """Write the four files; 1 when a tool failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--output", type=Path, default=ROOT / "dist" / "sbom", help="folder (%(default)s)")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="storefronts-sbom-") as name:
        for service in SERVICES:
            target = options.output / f"{service}.cdx.json"
            try:
                count = write_sbom(service, target.resolve(), Path(name))
            except RuntimeError as error:
                print(f"sbom: {error}", file=sys.stderr)
                return 1
            print(f"{target}: {count} packages", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
