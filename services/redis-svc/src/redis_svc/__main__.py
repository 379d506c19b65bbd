"""``python -m redis_svc``."""

from redis_svc.app import service


def main() -> None:
    """Run the service."""
    service.run()


if __name__ == "__main__":
    main()
