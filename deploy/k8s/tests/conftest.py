"""The programs beside the manifests are imported as a user runs them: from their own folders."""

from __future__ import annotations

import sys
from pathlib import Path

K8S = Path(__file__).resolve().parents[1]
for folder in (K8S.parent / "images", K8S, K8S / "tests"):
    sys.path.insert(0, str(folder))
