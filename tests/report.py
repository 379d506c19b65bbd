"""Add up pytest's result files: one line per environment, then ``N passed, N failed``."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path


def main(folder: Path) -> int:
    """Print the report of a folder of JUnit files; 1 when anything failed or nothing ran."""
    passed = failed = 0
    for file in sorted(folder.glob("*.xml")):
        suite = ElementTree.parse(file).getroot().find("testsuite")  # noqa: S314  # written by our own run
        if suite is None:
            continue
        tests, bad, skipped = (int(suite.get(name, 0)) for name in ("tests", "failures", "skipped"))
        bad += int(suite.get("errors", 0))
        seconds = float(suite.get("time", 0))
        print(f"  {file.stem:12} {tests - bad - skipped:5} passed {bad:4} failed {seconds:7.1f} s")
        passed += tests - bad - skipped
        failed += bad + skipped  # a skipped test hides a gap
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
