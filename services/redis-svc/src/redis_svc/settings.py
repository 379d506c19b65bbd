"""Every environment variable that redis-svc reads, beside those of every service."""

from __future__ import annotations

from pydantic import Field, SecretStr, model_validator

from svc_common import CommaList, ServiceSettings

from .address import Address, parse_address


class RedisSettings(ServiceSettings):
    """Where Redis is, and what the service may ask of it."""

    redis_url: SecretStr = Field(
        SecretStr(""),
        description="Address of Redis: `redis://`, `rediss://`, `unix://`, "
        "`redis+sentinel://host:port,…/service` or `redis+cluster://host:port,…`.",
    )
    redis_host: str = Field("127.0.0.1", description="Host of Redis where `REDIS_URL` is not given.")
    redis_port: int = Field(6379, ge=1, le=65535, description="Port of Redis where `REDIS_URL` is not given.")
    redis_blocking_connections: int = Field(
        64,
        ge=0,
        description="Most connections for commands that wait (BLPOP, XREAD BLOCK …) and for MONITOR.",
    )
    redis_block_seconds: float = Field(
        20.0,
        gt=0,
        description="Longest that a waiting command waits; longer waits are cut to this, and to less than "
        "`REQUEST_TIMEOUT`.",
    )
    redis_max_reply_bytes: int = Field(
        64 * 2**20, ge=2**20, description="Most that Redis may answer to one request; more is refused."
    )
    redis_max_pipeline: int = Field(10_000, ge=1, description="Most commands in a pipeline or transaction.")
    redis_max_subscriptions: int = Field(
        10_000, ge=1, description="Most different channels, patterns and keys that are listened to at once."
    )
    redis_allow_commands: CommaList = Field(
        (),
        description="Commands to allow that are refused by default, by name (`CONFIG|GET`) or ACL category "
        "(`@dangerous`). They need a token with the scope admin.",
    )
    redis_deny_commands: CommaList = Field(
        (), description="Commands to refuse, by name or ACL category; wins over `REDIS_ALLOW_COMMANDS`."
    )

    @model_validator(mode="after")
    def _check_address(self) -> RedisSettings:
        try:
            login = self.address().login
        except ValueError as error:
            raise ValueError(f"REDIS_URL: {error}") from None
        try:
            login.ssl_context  # noqa: B018  # read now what would fail with every request
        except OSError as error:  # SSLError is one
            raise ValueError(f"REDIS_URL: ssl_ca_certs: {error.strerror or 'no certificates'}") from None
        return self

    def address(self) -> Address:
        """Where Redis is."""
        url = self.redis_url.get_secret_value()
        return parse_address(url or f"redis://{_bracketed(self.redis_host)}:{self.redis_port}/0")


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
