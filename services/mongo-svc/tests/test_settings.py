"""What mongo-svc can be told."""

from __future__ import annotations

import subprocess
import sys

import pytest

from mongo_svc.settings import MongoSettings


@pytest.mark.parametrize(
    ("uri", "database", "expected"),
    [
        ("mongodb://localhost", "", "storefronts"),
        ("mongodb://localhost/", "", "storefronts"),
        ("mongodb://localhost/?w=1", "", "storefronts"),
        ("mongodb://u:p@a,b:27018/shop?replicaSet=r", "", "shop"),
        ("mongodb+srv://cluster.example/my%2Dshop", "", "my-shop"),
        ("mongodb://localhost/shop", "other", "other"),
    ],
)
def test_the_database(uri: str, database: str, expected: str) -> None:
    settings = MongoSettings.model_validate(
        {"auth_mode": "none", "mongodb_uri": uri, "mongodb_database": database}
    )
    assert settings.database == expected


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("MONGODB_URI", "postgres://localhost"),
        ("MONGODB_DATABASE", "a/b"),
        ("MONGODB_WRITE_CONCERN", "0"),
        ("MONGODB_WRITE_CONCERN", "most"),
        ("MONGODB_POOL_SIZE", "0"),
    ],
)
def test_a_wrong_setting_is_one_clear_line(variable: str, value: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mongo_svc"],
        env={"AUTH_MODE": "none", variable: value},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 78
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"mongo-svc: {variable}: ")


def test_a_connection_string_that_cannot_be_read() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mongo_svc"],
        env={"AUTH_MODE": "none", "MONGODB_URI": "mongodb://user:s3cret@:0:0/"},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode != 0
    (line,) = done.stderr.splitlines()
    assert "MongoDB connection string" in line
    assert "s3cret" not in line
