"""Builds the images of the services with whatever of docker, podman and buildah is there.

    python deploy/images/build.py                                  all four, as localhost/storefronts/*:dev
    python deploy/images/build.py --registry registry.example.com/storefronts --tag 0.1.0 --push

The builder gets a copy of the files it needs and nothing else, so that every engine sees the same context.
A package mirror is taken from PIP_INDEX_URL where that is set.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from engine import (
    ENGINES,
    REGISTRY,
    ROOT,
    SERVICES,
    EngineError,
    find_engine,
    image_name,
    image_size,
    output,
    service_version,
)

DOCKERFILE = Path("deploy/images/Dockerfile")
CONTEXT = (
    Path("LICENSE"),
    DOCKERFILE,
    Path("deploy/images/requirements.txt"),
    Path("deploy/images/requirements-build.txt"),
    Path("libs/common"),
    Path("services"),
)
_NOT_NEEDED = shutil.ignore_patterns("__pycache__", "tests", "*.egg-info", ".*")


@contextmanager
def build_context() -> Iterator[Path]:
    """A folder with what the Dockerfile copies, and the Dockerfile itself."""
    with tempfile.TemporaryDirectory(prefix="storefronts-images-") as name:
        folder = Path(name)
        for part in CONTEXT:
            source, target = ROOT / part, folder / part
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, symlinks=True, ignore=_NOT_NEEDED)
            else:
                shutil.copy2(source, target)
        yield folder


def revision() -> tuple[str, str]:
    """The commit and its date, for the labels; ``unknown`` outside a git checkout."""
    try:
        commit = output(["git", "-C", str(ROOT), "rev-parse", "HEAD"])
        date = output(["git", "-C", str(ROOT), "log", "-1", "--format=%cI"])
        changed = output(["git", "-C", str(ROOT), "status", "--porcelain", "--", *map(str, CONTEXT)])
    except (EngineError, OSError):
        return "unknown", "1970-01-01T00:00:00Z"
    return commit + ("-dirty" if changed else ""), date


def build_arguments(service: str, options: argparse.Namespace) -> dict[str, str]:
    """The --build-arg values for one service."""
    commit, date = revision()
    arguments = {
        "SERVICE": service,
        "VERSION": service_version(service),
        "REVISION": commit,
        "CREATED": date,
    }
    if options.base_image:
        arguments["BASE_IMAGE"] = options.base_image
    if options.build_image:
        arguments["BUILD_IMAGE"] = options.build_image
    if os.environ.get("PIP_INDEX_URL"):
        arguments["PIP_INDEX_URL"] = os.environ["PIP_INDEX_URL"]
    return arguments


def build_command(engine: str, image: str, arguments: dict[str, str], extra: Sequence[str]) -> list[str]:
    """The engine's command, to be run in the context's folder."""
    # docker's format carries HEALTHCHECK, which the OCI format has no place for
    own = [] if engine == "docker" else ["--format", "docker"]
    pairs = [part for name, value in arguments.items() for part in ("--build-arg", f"{name}={value}")]
    return [engine, "build", *own, "-f", str(DOCKERFILE), "-t", image, *pairs, *extra, "."]


def push(engine: str, image: str) -> str:
    """Push an image; returns its digest."""
    if engine == "docker":
        output([engine, "push", image])
        return output([engine, "image", "inspect", "--format", "{{index .RepoDigests 0}}", image]).partition(
            "@"
        )[2]
    with tempfile.NamedTemporaryFile("r", suffix=".digest") as file:
        output([engine, "push", "--digestfile", file.name, image])
        return file.read().strip()


def main() -> int:
    """Build, and push where that was asked for; 1 when something failed."""
    options = _parser().parse_args()
    digests: dict[str, str] = {}
    try:
        engine = find_engine(options.engine)
        extra = ["--no-cache"] if options.no_cache else []
        with build_context() as folder:
            for service in options.services or SERVICES:
                image = image_name(service, options.registry, options.tag)
                print(f"{engine}: building {image} …", flush=True)
                start = time.monotonic()
                command = build_command(engine, image, build_arguments(service, options), extra)
                if subprocess.run(command, cwd=folder, check=False).returncode:
                    raise EngineError(f"{engine} could not build {image}")
                size = image_size(engine, image) / 1e6
                print(f"{image}  {size:.0f} MB  {time.monotonic() - start:.0f} s", flush=True)
                if options.push:
                    digests[service] = push(engine, image)
    except EngineError as error:
        print(f"images: {error}", file=sys.stderr)
        return 1
    if digests:
        print("\nFor `images:` in overlays/prod/kustomization.yaml:")
        for service, digest in digests.items():
            print(f"  - name: {service}\n    newName: {options.registry}/{service}\n    digest: {digest}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("services", nargs="*", choices=[*SERVICES, []], help="all four when none is named")
    parser.add_argument(
        "--engine", default="", choices=["", *ENGINES], help="instead of the first that works"
    )
    parser.add_argument("--registry", default=REGISTRY, help="prefix of the names (%(default)s)")
    parser.add_argument("--tag", default="dev", help="tag of the images (%(default)s)")
    parser.add_argument(
        "--base-image", default="", help="base of the final stage, instead of the Dockerfile's"
    )
    parser.add_argument(
        "--build-image", default="", help="base of the first stages; the same Python, with pip"
    )
    parser.add_argument("--no-cache", action="store_true", help="build every layer anew")
    parser.add_argument("--push", action="store_true", help="push the images and print their digests")
    return parser


if __name__ == "__main__":
    sys.exit(main())
