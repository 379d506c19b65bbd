"""What the documents say is what is there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGES = ("mongo-svc", "redis-svc", "pg-svc", "weather-svc")


def tracked(root: Path) -> list[Path]:
    """The files of the tree, without what tools made."""
    made = {
        ".venv",
        ".tox",
        ".data",
        ".git",
        "dist",
        "node_modules",
        "__pycache__",
        ".mypy_cache",
        ".ruff_cache",
    }
    return [
        path
        for path in root.rglob("*")
        if path.is_file() and not made & set(path.relative_to(root).parts) and path.suffix != ".pyc"
    ]


def test_the_table_of_settings_is_current(root: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(root / "docs" / "configuration.py"), "--check"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_links_between_documents_lead_somewhere(root: Path) -> None:
    pages = [path for path in tracked(root) if path.suffix == ".md"]
    assert len(pages) >= 10
    for page in pages:
        for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text()):
            if "://" not in link and not link.startswith("/"):
                assert (page.parent / link).exists(), f"{page.relative_to(root)} links to {link}"


def test_the_lock_names_no_index(root: Path) -> None:
    for line in (root / "constraints.txt").read_text().splitlines():
        assert re.fullmatch(r"[a-z0-9._-]+==[^\s/]+( ; .+)?|#.*|", line), line


@pytest.mark.parametrize("package", PACKAGES)
def test_the_entry_point_is_short(root: Path, package: str) -> None:
    module = package.replace("-", "_")
    main = root / "services" / package / "src" / module / "__main__.py"
    assert len([line for line in main.read_text().splitlines() if line]) <= 10


def test_drivers_stay_in_their_stores(root: Path) -> None:
    drivers = re.compile(r"^\s*(?:import|from) (motor|pymongo|gridfs|redis|hiredis|aiopg|psycopg2)\b", re.M)
    for path in [*(root / "services").glob("*/src/**/*.py"), *(root / "libs").glob("*/src/**/*.py")]:
        found = drivers.search(path.read_text())
        if found:
            assert "store" in str(path.relative_to(root)), f"{path.relative_to(root)} imports {found[1]}"
    services = re.compile(r"^\s*(?:import|from) (mongo_svc|redis_svc|pg_svc|weather_svc)\b", re.M)
    for path in (root / "libs").glob("*/src/**/*.py"):
        assert not services.search(path.read_text()), f"{path.relative_to(root)} imports a service"
