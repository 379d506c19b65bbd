from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

sys.path.insert(0, str(Path(__file__).parent))

ROOT = Path(__file__).parents[2]


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False, timeout=60) as client:
        yield client


@pytest.fixture
def data() -> Iterator[Path]:
    """A folder for a stack's data. Not pytest's own: an account of less right must be able to reach it."""
    with tempfile.TemporaryDirectory(prefix="storefronts-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        yield Path(folder) / "data"


@pytest.fixture(scope="session")
def root() -> Path:
    """The top of the tree."""
    return ROOT
