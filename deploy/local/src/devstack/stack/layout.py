"""Where the stack keeps what: one folder with the data, the logs and what belongs to the present run."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

# The longest path of a Unix socket is 107 bytes on Linux and 103 on macOS; supervisord appends its pid first.
_SOCKET_PATH_LIMIT = 90


@dataclass(frozen=True)
class Layout:
    """The paths below the data folder (``.data``)."""

    data: Path

    @property
    def run(self) -> Path:
        """What is written anew at every start: configurations, the lock, the control socket."""
        return self.data / "run"

    @property
    def logs(self) -> Path:
        """One log per program."""
        return self.data / "logs"

    def log(self, program: str) -> Path:
        """The log of one program."""
        return self.logs / f"{program}.log"

    def store(self, name: str) -> Path:
        """The folder of one embedded store."""
        return self.data / name

    @property
    def lock(self) -> Path:
        """Held while a stack runs on this folder."""
        return self.run / "lock"

    @property
    def supervisor_config(self) -> Path:
        """What supervisord reads."""
        return self.run / "supervisord.conf"

    @property
    def caddyfile(self) -> Path:
        """What Caddy reads."""
        return self.run / "Caddyfile"

    @property
    def door(self) -> Path:
        """Generated files that the front door serves."""
        return self.run / "door"

    def create(self) -> None:
        """Make the folders."""
        for folder in (self.run, self.logs, self.door):
            folder.mkdir(parents=True, exist_ok=True)

    def control_socket(self) -> Path:
        """Return a path for supervisord's socket, outside the data folder if that lies too deep."""
        path = self.run / "supervisor.sock"
        if len(str(path).encode()) <= _SOCKET_PATH_LIMIT:
            return path
        return Path(tempfile.mkdtemp(prefix="devstack-")) / "supervisor.sock"
