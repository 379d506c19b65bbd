"""Everything mongo-svc can be told, beside what every service can."""

from __future__ import annotations

from urllib.parse import unquote

from pydantic import Field, SecretStr, field_validator

from svc_common import ServiceSettings

DEFAULT_DATABASE = "storefronts"


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

    @property
    def database(self) -> str:
        """The name of the documents' database."""
        if self.mongodb_database:
            return self.mongodb_database
        path = self.mongodb_uri.get_secret_value().partition("://")[2].partition("?")[0].partition("/")[2]
        return unquote(path) or DEFAULT_DATABASE
