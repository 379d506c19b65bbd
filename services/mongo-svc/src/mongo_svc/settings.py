"""Everything mongo-svc can be told, beside what every service can."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote

from pydantic import Field, SecretStr, field_validator

from svc_common import CommaList, ServiceSettings, SettingsError

DEFAULT_DATABASE = "storefronts"


READ_PREFERENCES = ("primary", "primaryPreferred", "secondary", "secondaryPreferred", "nearest")
READ_CONCERNS = ("local", "available", "majority", "linearizable", "snapshot")


def _further_uris() -> dict[str, SecretStr]:
    """``MONGODB_URI_{NAME}`` and ``MONGODB_URI_{NAME}_FILE`` by NAME."""
    found: dict[str, SecretStr] = {}
    for variable, value in os.environ.items():
        name = variable.upper().removeprefix("MONGODB_URI_")
        if name == variable.upper() or not value or name == "FILE":
            continue
        if name.endswith("_FILE"):
            name = name.removesuffix("_FILE")
            try:
                value = Path(value).read_text(encoding="utf-8").rstrip("\r\n")
            except (OSError, UnicodeDecodeError):
                raise SettingsError([f"{variable}: cannot read {value}"]) from None
        found[name] = SecretStr(value)
    return found


class MongoSettings(ServiceSettings):
    """Settings of mongo-svc, from the environment."""

    mongodb_uri: SecretStr = Field(
        SecretStr("mongodb://127.0.0.1:27017"),
        description="Connection string of MongoDB: one server, a replica set or a sharded cluster.",
    )
    mongodb_database: str = Field(
        "",
        max_length=63,
        pattern=r'^[^/\\. "$*<>:|?\x00]*$',
        description=f"Database of the documents; if empty that of `MONGODB_URI`, else `{DEFAULT_DATABASE}`.",
    )
    mongodb_pool_size: int = Field(
        32, ge=1, le=96, description="Calls to MongoDB at once; a request that finds none free gets 503."
    )
    mongodb_write_concern: str = Field(
        "majority",
        pattern=r"^(majority|[0-9]{1,2})$",
        description="Members that acknowledge a write: `majority`, or a number from 1.",
    )
    mongodb_journal: bool = Field(True, description="Acknowledge a write only when it is in the journal.")

    query_timeout: float = Field(
        10.0, gt=0, description="Seconds that a query, a count or an aggregation may take (503 after)."
    )
    mongodb_watches: int = Field(
        32, ge=0, le=60, description="Streams of changes at once; each takes a connection of its own."
    )
    watch_snapshot: int = Field(
        10_000, ge=1, description="Most documents of the present state that a stream of changes begins with."
    )
    page_limit: int = Field(1000, ge=1, le=10000, description="Most documents on a page.")
    import_report: int = Field(
        1000, ge=1, description="Failures of an import that are told one by one; the rest is counted."
    )
    cursor_secret: SecretStr = Field(
        SecretStr(""),
        description="Signs the cursors of pages, the same in every replica; else from `MONGODB_URI`.",
    )
    read_preferences: CommaList = Field(
        READ_PREFERENCES, description="Values of `readPreference` that a request may ask for."
    )
    read_concerns: CommaList = Field(
        READ_CONCERNS, description="Values of `readConcern` that a request may ask for."
    )

    data_api_databases: CommaList = Field(
        (), description="Databases that the Data API may touch, `*` for any; the documents' own if empty."
    )
    data_api_collections: CommaList = Field(
        ("*",), description="Collections that the Data API may touch, as `name` or `database.name`."
    )
    data_api_sources: CommaList = Field(
        ("*",), description="Values of `dataSource` that are taken; see `MONGODB_URI_{NAME}`."
    )
    data_api_rules: str = Field(
        "", description="File with the row rules of the Data API (JSON); no restriction if empty."
    )
    data_api_limit: int = Field(
        50_000,
        ge=1,
        description="Most documents in an answer of the Data API; `find` gives 1000 unasked.",
    )
    mongodb_uris: Mapping[str, SecretStr] = Field(
        default_factory=_further_uris,
        validation_alias="MONGODB_URIS",
        description="Further connection strings: `MONGODB_URI_{NAME}` is the data source NAME.",
    )

    @field_validator("mongodb_uri")
    @classmethod
    def _check_scheme(cls, value: SecretStr) -> SecretStr:
        if not value.get_secret_value().startswith(("mongodb://", "mongodb+srv://")):
            raise ValueError("must begin with mongodb:// or mongodb+srv://")
        return value

    @field_validator("mongodb_write_concern")
    @classmethod
    def _check_write_concern(cls, value: str) -> str:
        if value == "0":
            raise ValueError("must not be 0: a write that nobody acknowledges may be lost")
        return value

    @field_validator("read_preferences")
    @classmethod
    def _check_preferences(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return _only(value, READ_PREFERENCES)

    @field_validator("read_concerns")
    @classmethod
    def _check_concerns(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return _only(value, READ_CONCERNS)

    @property
    def signing_secret(self) -> bytes:
        """What signs cursors."""
        given = self.cursor_secret.get_secret_value() or self.mongodb_uri.get_secret_value()
        return hashlib.sha256(b"cursor\0" + given.encode()).digest()

    @property
    def database(self) -> str:
        """The name of the documents' database."""
        if self.mongodb_database:
            return self.mongodb_database
        path = self.mongodb_uri.get_secret_value().partition("://")[2].partition("?")[0].partition("/")[2]
        return unquote(path) or DEFAULT_DATABASE


def _only(given: tuple[str, ...], known: tuple[str, ...]) -> tuple[str, ...]:
    for name in given:
        if name not in known:
            raise ValueError(f"{name!r} is none of {', '.join(known)}")
    return given
