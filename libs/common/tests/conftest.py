from __future__ import annotations

import sys
from pathlib import Path

# The services that the tests run are importable here as they are in the processes that tests start.
sys.path.insert(0, str(Path(__file__).parent / "apps"))
