"""Store addresses that the environment gives; they win over embedded stores.

As in the services, each variable ``X`` may be given as ``X_FILE``, the name of a file with the value.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit


def setting(environ: Mapping[str, str], name: str) -> str | None:
    """Return the value of ``name``, or the content of the file that ``name_FILE`` names, or None.

    Raises ``OSError`` if the file cannot be read.
    """
    if environ.get(name):
        return environ[name]
    file = environ.get(f"{name}_FILE")
    return Path(file).read_text().strip() if file else None


def postgres_url(environ: Mapping[str, str]) -> str | None:
    """Return ``DATABASE_URL``."""
    return setting(environ, "DATABASE_URL")


def mongo_url(environ: Mapping[str, str]) -> str | None:
    """Return ``MONGODB_URI``."""
    return setting(environ, "MONGODB_URI")


def redis_url(environ: Mapping[str, str]) -> str | None:
    """Return ``REDIS_URL``, or an address made of ``REDIS_HOST`` and ``REDIS_PORT``, or None."""
    url = setting(environ, "REDIS_URL")
    if url:
        return url
    host, port = setting(environ, "REDIS_HOST"), setting(environ, "REDIS_PORT")
    return f"redis://{host or 'localhost'}:{port or '6379'}/0" if host or port else None


def with_database(url: str, database: str) -> str:
    """Return a PostgreSQL or MongoDB address that names another database; the rest stays.

    Understands addresses of the form ``scheme://…`` and PostgreSQL's ``key=value`` form.
    """
    if "://" not in url:
        return f"{url} dbname={database}"  # the last one counts
    parts = urlsplit(url)
    # Not through urlunsplit(): that drops the "//" of an address without a host.
    return f"{parts.scheme}://{parts.netloc}/{database}{f'?{parts.query}' if parts.query else ''}"
