from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import AliasChoices, Field, SecretStr

from svc_common import CommaList, ServiceSettings, SettingsError, load_settings
from svc_common.settings import describe_settings, masked


class StoreSettings(ServiceSettings):
    store_url: SecretStr = Field(description="Where the store is.")
    peers: CommaList = Field((), description="Others.")
    size: int = Field(3, ge=1, description="How many.")


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("AUTH_MODE", "none")
    monkeypatch.setenv("STORE_URL", "redis://:hunter2@localhost")
    return monkeypatch


def test_reads_the_environment(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("PEERS", "a, b,,c")
    environment.setenv("SERVER_PORT", "9001")
    settings = load_settings(StoreSettings)
    assert settings.peers == ("a", "b", "c")
    assert settings.server_port == 9001
    assert settings.store_url.get_secret_value() == "redis://:hunter2@localhost"


def test_an_empty_variable_is_as_good_as_none(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("SIZE", "")
    assert load_settings(StoreSettings).size == 3


def test_a_value_from_a_file(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("from a file\n")
    environment.delenv("STORE_URL")
    environment.setenv("STORE_URL_FILE", str(secret))
    assert load_settings(StoreSettings).store_url.get_secret_value() == "from a file"


@pytest.mark.parametrize("variable", ["STORE_ADDRESS", "OLD_STORE_ADDRESS"])
def test_a_file_for_a_setting_with_several_names(
    variable: str, environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Renamed(ServiceSettings):
        address: str = Field(validation_alias=AliasChoices("store_address", "old_store_address"))

    (tmp_path / "address").write_text("from a file\n")
    environment.setenv(f"{variable}_FILE", str(tmp_path / "address"))
    assert load_settings(Renamed).address == "from a file"


def test_a_variable_and_its_file_contradict_each_other(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("x")
    environment.setenv("STORE_URL_FILE", str(tmp_path / "secret"))
    with pytest.raises(SettingsError, match="STORE_URL and STORE_URL_FILE are both set"):
        load_settings(StoreSettings)


def test_a_file_that_is_not_there(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment.delenv("STORE_URL")
    environment.setenv("STORE_URL_FILE", str(tmp_path / "missing"))
    with pytest.raises(SettingsError, match=r"STORE_URL_FILE: cannot read .*missing: No such file"):
        load_settings(StoreSettings)


def test_one_line_for_each_wrong_variable(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("STORE_URL")
    environment.setenv("SIZE", "0")
    environment.setenv("SERVER_PORT", "abc")
    environment.setenv("BASE_PATH", "redis/")
    with pytest.raises(SettingsError) as caught:
        load_settings(StoreSettings)
    lines = caught.value.lines
    assert [line.partition(":")[0] for line in lines] == ["SERVER_PORT", "BASE_PATH", "STORE_URL", "SIZE"]
    assert "got 'abc'" in lines[0]
    assert lines[2] == "STORE_URL: required, but not set (nor STORE_URL_FILE)"


def test_a_secret_is_never_shown(environment: pytest.MonkeyPatch) -> None:
    settings = load_settings(StoreSettings)
    assert masked(settings)["STORE_URL"] == "***"
    assert "hunter2" not in repr(settings)
    environment.setenv("AUTH_TOKENS", "a:nosuch:tops3cret")
    environment.setenv("AUTH_MODE", "token")
    assert "tops3cret" not in str(masked(load_settings(StoreSettings)))


def test_tokens_are_needed_unless_everyone_is_let_in(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("AUTH_MODE")
    with pytest.raises(SettingsError, match="AUTH_TOKENS: needed with AUTH_MODE=token"):
        load_settings(StoreSettings)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("localhost", True), ("::1", True), ("0.0.0.0", False), ("10.0.0.1", False)],
)
def test_knows_loopback(environment: pytest.MonkeyPatch, host: str, loopback: bool) -> None:
    environment.setenv("SERVER_HOST", host)
    assert load_settings(StoreSettings).loopback_only is loopback


def test_every_setting_is_described() -> None:
    rows = {name: (default, text) for name, default, text in describe_settings(StoreSettings)}
    assert rows["STORE_URL"] == ("required", "Where the store is.")
    assert rows["SIZE"][0] == "3"
    assert all(text for _, text in rows.values())
