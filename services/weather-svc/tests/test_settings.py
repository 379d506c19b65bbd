"""Settings that do not fit together are refused with one clear line."""

from __future__ import annotations

import pytest

from svc_common import SettingsError, load_settings
from weather_svc.budget import divide
from weather_svc.settings import WeatherSettings


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTH_MODE", "none")
    for name in ("REDIS_URL", "WEATHER_URI", "WEATHER_GEOCODING_URI"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("variables", "line"),
    [
        ({"WEATHER_PROVIDERS": "open-meteo,weather.com"}, "WEATHER_PROVIDERS: 'weather.com' is none of"),
        ({"WEATHER_PROVIDERS": ","}, "WEATHER_PROVIDERS: name at least one"),
        ({"WEATHER_PROVIDERS": "met-norway"}, "WEATHER_CONTACT: needed with met-norway"),
        ({"WEATHER_PROVIDERS": "openweathermap"}, "OPENWEATHERMAP_API_KEY: needed with openweathermap"),
        ({"WEATHER_PROVIDERS": "channel-item"}, "WEATHER_CHANNEL_URI: needed with channel-item"),
        ({"WEATHER_CONTACT": "a\r\nX-Evil: 1"}, "WEATHER_CONTACT: "),
        ({"WEATHER_URI": "ftp://h"}, "WEATHER_URI: must be an http:// or https:// address"),
        ({"WEATHER_URI": "http://h/?a=b"}, "WEATHER_URI: must be an http:// or https:// address"),
        ({"WEATHER_PROVIDERS": "wttr,open-meteo,wttr"}, "WEATHER_PROVIDERS: 'wttr' is named twice"),
        ({"WEATHER_BUDGETS": "met-noway=20"}, "WEATHER_BUDGETS: 'met-noway' is none of open-meteo, "),
        ({"WEATHER_BUDGETS": "wttr"}, "WEATHER_BUDGETS: 'wttr' is not name=number"),
        ({"WEATHER_BUDGETS": "wttr=0"}, "WEATHER_BUDGETS: 'wttr=0' is not name=number"),
        ({"WEATHER_BUDGET": "5", "WEATHER_REPLICAS": "3"}, "WEATHER_BUDGET: 3 processes need a budget of at"),
        ({"WEATHER_TIMEOUT": "0"}, "WEATHER_TIMEOUT: "),
    ],
)
def test_what_is_wrong_is_said(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], line: str) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings(WeatherSettings)
    assert len(caught.value.lines) == 1
    assert caught.value.lines[0].startswith(line)


def test_what_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEATHER_PROVIDERS", "open-meteo,met-norway,wttr")
    monkeypatch.setenv("WEATHER_CONTACT", "weather@example.org")
    monkeypatch.setenv("WEATHER_BUDGETS", "met-norway=20,open-meteo-geocoding=100")
    monkeypatch.setenv("WEATHER_URI", "http://127.0.0.1:1/")
    settings = load_settings(WeatherSettings)
    assert settings.weather_providers == ("open-meteo", "met-norway", "wttr")
    assert settings.weather_uri == "http://127.0.0.1:1"
    assert (settings.budget_of("met-norway"), settings.budget_of("wttr")) == (20, 60)


@pytest.mark.parametrize("limit", range(2, 200, 7))
@pytest.mark.parametrize("processes", [2, 3, 7])
def test_shares_never_add_up_to_more_than_the_budget(limit: int, processes: int) -> None:
    if limit < 2 * processes:
        return
    pool, share = divide(limit, processes)
    assert pool + share * processes == limit
    assert pool >= 1
    assert share >= 1
