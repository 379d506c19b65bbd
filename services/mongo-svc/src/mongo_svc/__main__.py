"""Run mongo-svc: ``python -m mongo_svc``."""

from mongo_svc.app import service


def main() -> None:
    service.run()


if __name__ == "__main__":
    main()
