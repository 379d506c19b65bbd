"""What AUTH_… may say."""

from __future__ import annotations

import os
from pathlib import Path
from unittest import mock

import pytest

from svc_common import ServiceSettings, SettingsError, load_settings
from svc_common.auth import build_authenticator


def settings(**environment: str) -> ServiceSettings:
    with mock.patch.dict(os.environ, environment, clear=True):
        return load_settings(ServiceSettings)


def test_several_modes() -> None:
    both = settings(AUTH_MODE="jwt, token", AUTH_TOKENS="a:read:b", AUTH_ACCOUNTS_URL="http://pg/auth")
    assert both.auth_modes == {"jwt", "token"}
    assert both.auth_mode == "jwt,token"
    assert build_authenticator(both, "redis-svc").cookie == "__Host-access"
    assert build_authenticator(settings(AUTH_MODE="none")).cookie is None


@pytest.mark.parametrize(
    ("environment", "complaint"),
    [
        ({"AUTH_MODE": "none,jwt"}, "AUTH_MODE: none stands alone"),
        ({"AUTH_MODE": "jwt,magic"}, "AUTH_MODE: takes none, token, jwt or token,jwt"),
        ({"AUTH_MODE": ","}, "AUTH_MODE: takes"),
        ({"AUTH_MODE": "jwt"}, "AUTH_ACCOUNTS_URL: needed with AUTH_MODE=jwt"),
        ({"AUTH_MODE": "token,jwt", "AUTH_ACCOUNTS_URL": "http://a"}, "AUTH_TOKENS: needed"),
        ({"AUTH_MODE": "none", "AUTH_ALGORITHMS": "HS256"}, "AUTH_ALGORITHMS"),
        ({"AUTH_MODE": "none", "AUTH_ALGORITHMS": "none"}, "AUTH_ALGORITHMS"),
        ({"AUTH_MODE": "none", "AUTH_JWKS_URL": "ftp://a"}, "AUTH_JWKS_URL"),
        ({"AUTH_MODE": "jwt", "AUTH_ACCOUNTS_URL": "http://[::1"}, "AUTH_ACCOUNTS_URL: takes an address"),
        ({"AUTH_MODE": "jwt", "AUTH_ACCOUNTS_URL": "http://pg:auth"}, "AUTH_ACCOUNTS_URL: takes an address"),
        ({"AUTH_MODE": "jwt", "AUTH_JWKS_URL": "https:///keys"}, "AUTH_JWKS_URL: takes an address"),
        ({"AUTH_MODE": "none", "RATE_LIMIT": "fast"}, "RATE_LIMIT"),
        ({"AUTH_MODE": "none", "TLS_CERT_FILE": "a.pem"}, "TLS_CERT_FILE and TLS_KEY_FILE: give both"),
    ],
)
def test_what_cannot_be_meant(environment: dict[str, str], complaint: str) -> None:
    with pytest.raises(SettingsError, match=complaint):
        settings(**environment)


def test_tls_cert_file_is_a_path_and_not_a_file_that_holds_a_setting(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("/etc/passwd")
    given = settings(
        AUTH_MODE="none",
        TLS_CERT_FILE="/no/such.pem",
        TLS_KEY_FILE="/no/such.key",
        TLS_CERT_FILE_FILE=str(other),
    )
    assert given.tls_cert_file == "/no/such.pem"
    assert given.tls_key_file == "/no/such.key"
