"""Addresses that the environment gives."""

from __future__ import annotations

from pathlib import Path

import pytest

from devstack.addresses import mongo_url, postgres_url, redis_url, setting, with_database


def test_nothing_is_given() -> None:
    assert (postgres_url({}), redis_url({}), mongo_url({})) == (None, None, None)
    assert postgres_url({"DATABASE_URL": ""}) is None


def test_a_setting_may_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("postgresql://db/app\n")
    assert postgres_url({"DATABASE_URL_FILE": str(file)}) == "postgresql://db/app"
    with pytest.raises(FileNotFoundError):
        setting({"X_FILE": str(tmp_path / "nothing")}, "X")


@pytest.mark.parametrize(
    ("environ", "url"),
    [
        ({"REDIS_URL": "redis://a:1/2", "REDIS_HOST": "b"}, "redis://a:1/2"),
        ({"REDIS_HOST": "b"}, "redis://b:6379/0"),
        ({"REDIS_PORT": "6380"}, "redis://localhost:6380/0"),
        ({"REDIS_HOST": "b", "REDIS_PORT": "6380"}, "redis://b:6380/0"),
    ],
)
def test_redis_has_three_variables(environ: dict[str, str], url: str) -> None:
    assert redis_url(environ) == url


@pytest.mark.parametrize(
    ("url", "other"),
    [
        ("postgresql://me:p@db:5432/app?sslmode=require", "postgresql://me:p@db:5432/test?sslmode=require"),
        ("postgresql:///app?host=/run", "postgresql:///test?host=/run"),
        ("mongodb://127.0.0.1:1/?directConnection=true", "mongodb://127.0.0.1:1/test?directConnection=true"),
        ("mongodb://a:1,b:2", "mongodb://a:1,b:2/test"),
        ("host=db dbname=app", "host=db dbname=app dbname=test"),
    ],
)
def test_another_database_of_the_same_server(url: str, other: str) -> None:
    assert with_database(url, "test") == other
