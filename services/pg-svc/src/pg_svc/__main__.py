"""``python -m pg_svc``: run the service."""

from pg_svc.app import service


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    service.run()


if __name__ == "__main__":
    main()
