"""``python -m pg_svc``."""

from pg_svc.commands import main

if __name__ == "__main__":
    main()
