"""What the figures were measured on: the processor, and the versions of what took part."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

from .peers import ROOT


def machine() -> str:
    """The processor, its cores that we may use, the system and Python."""
    found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    model = found[1].strip() if found else platform.machine()
    cores = len(os.sched_getaffinity(0))
    system = f"{platform.system()} {_short(platform.release())}"
    return f"{model}, {cores} cores, {system}, Python {platform.python_version()}"


def programs() -> dict[str, str]:
    """The versions of the Debian packages that take part."""
    found = {}
    for name in ("wrk", "webdis"):
        if shutil.which(name) and shutil.which("dpkg-query"):
            done = subprocess.run(
                ["dpkg-query", "--show", "--showformat=${Version}", name], capture_output=True, text=True
            )
            found[name] = done.stdout.strip() or "unknown"
    return found


def revision() -> str:
    """The commit that was measured, with a ``+`` where files differ from it."""
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty=+", "--exclude=*"], cwd=ROOT, capture_output=True, text=True
    )
    return done.stdout.strip() or "unknown"


def _short(release: str) -> str:
    """``6.1.0-28-amd64`` → ``6.1``"""
    return ".".join(re.split(r"[.-]", release)[:2])
