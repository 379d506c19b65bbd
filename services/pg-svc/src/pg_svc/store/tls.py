"""What libpq says when a connection could not be secured as ``sslmode`` asks, for people. Pure."""

from __future__ import annotations

_SIGNS = (
    ("certificate verify failed", "The certificate of PostgreSQL is not trusted."),
    ("does not match host name", "The certificate of PostgreSQL is for another name."),
    ("root certificate file", "The file in sslrootcert cannot be read."),
    ("server does not support SSL", "PostgreSQL does not speak TLS, and sslmode asks for it."),
    ("SSL error", "The connection to PostgreSQL cannot be secured (TLS)."),
)


def tls_trouble(text: str) -> str | None:
    """The trouble in a driver's error; None for one of another kind. The text itself may hold an address."""
    return next((told for sign, told in _SIGNS if sign in text), None)
