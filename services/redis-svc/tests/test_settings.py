"""What the environment may say."""

from __future__ import annotations

import pytest

from redis_svc.address import Endpoint
from redis_svc.settings import RedisSettings
from svc_common import SettingsError, load_settings


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REDIS_URL", "REDIS_HOST", "REDIS_PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AUTH_MODE", "none")


def test_a_url_wins_over_host_and_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_HOST", "::1")
    monkeypatch.setenv("REDIS_PORT", "7000")
    assert load_settings(RedisSettings).address().endpoints == (Endpoint("::1", 7000),)
    monkeypatch.setenv("REDIS_URL", "redis://example.org")
    assert load_settings(RedisSettings).address().endpoints == (Endpoint("example.org", 6379),)


def test_a_wrong_url_is_one_line_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://:hidden@host/x")
    with pytest.raises(SettingsError) as caught:
        load_settings(RedisSettings)
    assert caught.value.lines == ("REDIS_URL: 'x' is not a database number",)


def test_lists_of_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_ALLOW_COMMANDS", "CONFIG|GET, @dangerous")
    assert load_settings(RedisSettings).redis_allow_commands == ("CONFIG|GET", "@dangerous")
