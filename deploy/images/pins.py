"""Writes the pinned requirements of the images, with hashes, and those of the manifests' checks.

    python deploy/images/pins.py      after constraints.txt or a service's dependencies changed

The versions are those of constraints.txt. No index address is written.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from engine import ROOT, SERVICES

HERE = Path(__file__).parent
RUNTIME = HERE / "requirements.txt"
BUILD = HERE / "requirements-build.txt"
CHECKS = ROOT / "deploy" / "k8s" / "tests" / "requirements.txt"
_BUILD_SYSTEM = "hatchling>=1.27\n"
_COMMON = (
    *("--quiet", "--universal", "--python-version", "3.11"),
    *("--no-emit-index-url", "--no-emit-find-links", "--no-annotate", "--no-header"),
)
_IMAGES = ("--generate-hashes", "-c", "constraints.txt")


def compile_pins(arguments: list[str], target: Path, text: str = "") -> None:
    """Run uv; it complains by itself when it fails."""
    command = ["uv", "pip", "compile", *_COMMON, *arguments, "-o", str(target)]
    subprocess.run(command, cwd=ROOT, input=text, text=True, check=True)
    print(f"{target.relative_to(ROOT)}: written")


def main() -> int:
    """Write the files."""
    own = [part for name in ("svc-common", *SERVICES) for part in ("--no-emit-package", name)]
    projects = ["libs/common/pyproject.toml", *(f"services/{name}/pyproject.toml" for name in SERVICES)]
    compile_pins([*_IMAGES, "--extra", "tracing", *own, *projects], RUNTIME)
    compile_pins([*_IMAGES, "-"], BUILD, _BUILD_SYSTEM)
    # Not from constraints.txt: checkov needs older versions of some packages than the services do
    compile_pins([*own, *projects, str(CHECKS.with_suffix(".in"))], CHECKS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
