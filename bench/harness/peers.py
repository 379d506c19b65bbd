"""Environments for the servers that are not ours, with the versions of ``bench/constraints.txt``.

They are kept in ``.data/bench`` and made anew when the packages or the pinned versions change.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".data" / "bench"
CONSTRAINTS = ROOT / "bench" / "constraints.txt"

_VERSIONS = """
import json, sys
from importlib.metadata import PackageNotFoundError, version
found = {}
for name in sys.argv[1:]:
    try:
        found[name] = version(name)
    except PackageNotFoundError:
        pass
print(json.dumps(found))
"""


class PeersError(RuntimeError):
    """An environment could not be made; the message says what failed."""


def prepare(name: str, packages: Sequence[str]) -> str:
    """The Python of an environment with ``packages``. Raises PeersError, for example without a network."""
    state = "\n".join([sys.version, CONSTRAINTS.read_text(), *packages])
    folder = CACHE / f"{name}-{hashlib.sha256(state.encode()).hexdigest()[:12]}"
    python, done = folder / "bin" / "python", folder / "complete"
    if not done.exists():
        for old in CACHE.glob(f"{name}-*"):
            shutil.rmtree(old)
        _run([sys.executable, "-m", "venv", str(folder)])
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run([*pip, "--constraint", str(CONSTRAINTS), *packages])
        done.touch()
    return str(python)


def versions(python: str, names: Sequence[str]) -> dict[str, str]:
    """The versions of those of the packages that ``python`` has."""
    done = subprocess.run([python, "-c", _VERSIONS, *names], check=True, capture_output=True, text=True)
    found: dict[str, str] = json.loads(done.stdout)
    return found


def _run(command: list[str]) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except subprocess.CalledProcessError as error:
        lines = (error.stderr or error.stdout or "").strip().splitlines() or ["no output"]
        raise PeersError(lines[-1]) from None
