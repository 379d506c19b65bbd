"""``python -m pg_svc``: run the service."""

import sys

from pg_svc.accounts.commands import COMMANDS, run_command
from pg_svc.app import service


def main() -> None:
    """Run until SIGTERM or SIGINT, or do what a command says."""
    if sys.argv[1:2] and sys.argv[1] in COMMANDS:
        sys.exit(run_command(sys.argv[1:]))
    service.run()


if __name__ == "__main__":
    main()
