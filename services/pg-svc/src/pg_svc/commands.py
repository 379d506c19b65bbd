"""What ``python -m pg_svc`` can do: run the service, or one of its commands."""

from __future__ import annotations

import sys

from pg_svc.accounts.commands import COMMANDS, run_command
from pg_svc.app import service
from pg_svc.watch.command import run_watch


def main() -> None:
    """Run until SIGTERM or SIGINT, or do what a command says."""
    if sys.argv[1:2] and sys.argv[1] in COMMANDS:
        sys.exit(run_command(sys.argv[1:]))
    if sys.argv[1:2] == ["watch"]:
        sys.exit(run_watch(sys.argv[2:]))
    service.run()
