"""SECURITY.md names the tests that hold its promises: they are there."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = ("libs/*/tests", "services/*/tests", "deploy/*/tests", "tests", "bench")


def test_every_promise_names_tests_that_exist(root: Path) -> None:
    known = [
        str(path.relative_to(root))
        for folder in TESTS
        for path in root.glob(f"{folder}/**/*")
        if path.suffix == ".py" or path.is_dir()
    ]
    known += [str(path.relative_to(root)) for folder in TESTS for path in root.glob(folder)]
    rows = re.findall(r"^\| (.+?) \| .+ \| (.+?) \|$", (root / "SECURITY.md").read_text(), re.MULTILINE)
    promises = [(promise, tests) for promise, tests in rows if promise not in ("promise", "---")]
    assert len(promises) > 20
    for promise, tests in promises:
        named = re.findall(r"`([^`]+)`", tests)
        assert named, f"no test holds: {promise}"
        for name in named:
            ending = f"/{name}"
            assert any(f"/{path}".endswith(ending) for path in known), f"{name} is not there: {promise}"
