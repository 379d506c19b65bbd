"""``python -m weather_svc``."""

from weather_svc.app import service


def main() -> None:
    """Run the service."""
    service.run()


if __name__ == "__main__":
    main()
