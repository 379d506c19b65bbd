"""The container engine of this machine (docker, podman or buildah), and what the images are called."""

from __future__ import annotations

import shutil
import subprocess
import tomllib
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ("mongo-svc", "redis-svc", "pg-svc", "weather-svc")
ENGINES = ("docker", "podman", "buildah")
REGISTRY = "localhost/storefronts"
"""Below localhost, so that no engine and no cluster looks for the images in a public registry."""


class EngineError(Exception):
    """No engine, or one that failed; the text is one line for the person who asked."""


def find_engine(wanted: str = "", candidates: Sequence[str] = ENGINES) -> str:
    """The wanted engine, or the first that works: docker's program may be there without its daemon.

    Raises EngineError.
    """
    for engine in (wanted,) if wanted else candidates:
        if shutil.which(engine) and _works(engine):
            return engine
    names = wanted or ", ".join(candidates)
    raise EngineError(f"no container engine that works was found ({names})")


def _works(engine: str) -> bool:
    return subprocess.run([engine, "info"], capture_output=True, check=False).returncode == 0


def image_name(service: str, registry: str = REGISTRY, tag: str = "dev") -> str:
    """``localhost/storefronts/redis-svc:dev``."""
    return f"{registry.rstrip('/')}/{service}:{tag}"


def service_version(service: str) -> str:
    """The version in the service's pyproject.toml."""
    with (ROOT / "services" / service / "pyproject.toml").open("rb") as file:
        version: str = tomllib.load(file)["project"]["version"]
    return version


def output(command: Sequence[str]) -> str:
    """What a command prints. Raises EngineError with its last line of complaint when it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        complaint = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
        raise EngineError(f"{' '.join(command[:3])} … failed: {complaint}")
    return done.stdout.strip()


def image_size(engine: str, image: str) -> int:
    """Bytes of an image, all layers together, uncompressed."""
    if engine == "buildah":
        return parse_size(output([engine, "images", "--format", "{{.Size}}", image]))
    return int(output([engine, "image", "inspect", "--format", "{{.Size}}", image]))


def parse_size(text: str) -> int:
    """Bytes of a size as buildah writes it: ``183 MB``."""
    number, _, unit = text.partition(" ")
    return round(float(number) * {"B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9}[unit.upper() or "B"])
