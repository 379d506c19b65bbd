"""Every setting of pg-svc. ``PGRST_…`` are PostgREST's own, so that its configuration starts pg-svc."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    AliasChoices,
    BeforeValidator,
    Field,
    PrivateAttr,
    SecretStr,
    model_validator,
)

from pg_svc.accounts.settings import AccountSettings
from svc_common import CommaList
from svc_common.settings import FILE_SUFFIX

_APP_SETTINGS_PREFIX = "PGRST_APP_SETTINGS_"
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:([^\s<>\"{}|\\^`%]|%[0-9A-Fa-f]{2})*")
_POSTGREST_ADDRESS = ("PGRST_DB_URI", "PGRST_DB_URI" + FILE_SUFFIX)


def _host(value: object) -> object:
    """PostgREST writes «every address» as ``*`` or ``!4``."""
    return {"*": "0.0.0.0", "*4": "0.0.0.0", "!4": "0.0.0.0", "*6": "::", "!6": "::"}.get(str(value), value)  # noqa: S104


def _from_file(value: object) -> object:
    """An address that begins with ``@`` is the path of a file that holds it."""
    if isinstance(value, str) and value.startswith("@"):
        try:
            return Path(value[1:]).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ValueError(f"cannot read {value[1:]}: {error.strerror}") from None
    return value


def _audience(value: str) -> str:
    if ":" in value and not re.fullmatch(
        r"[A-Za-z][A-Za-z0-9+.-]*:([^\s<>\"{}|\\^`%]|%[0-9A-Fa-f]{2})*", value
    ):
        raise ValueError("takes a name or a URI")
    return value


def _proxy(value: str) -> str:
    parts = urlsplit(value)
    if value and (parts.scheme not in ("http", "https") or not parts.hostname):
        raise ValueError("takes an address such as https://example.com:8443/basePath")
    return value


def _log_level(value: object) -> object:
    """PostgREST's names for them."""
    return {"crit": "error", "warn": "warning"}.get(str(value), value)


class PgSettings(AccountSettings):
    """What pg-svc can be told."""

    server_host: Annotated[str, BeforeValidator(_host)] = Field(
        "127.0.0.1",
        validation_alias=AliasChoices("server_host", "pgrst_server_host"),
        description="Address the API listens on; `0.0.0.0` for all.",
    )
    server_port: int = Field(
        8000,
        ge=0,
        le=65535,
        validation_alias=AliasChoices("server_port", "pgrst_server_port"),
        description="Port of the API; 0 picks a free one.",
    )
    admin_port: int = Field(
        9000,
        ge=0,
        le=65535,
        validation_alias=AliasChoices("admin_port", "pgrst_admin_server_port"),
        description="Port of `/livez`, `/readyz`, `/metrics` and `/version`.",
    )
    admin_host: Annotated[str, BeforeValidator(_host)] = Field(
        "",
        validation_alias=AliasChoices("admin_host", "pgrst_admin_server_host"),
        description="Address of the admin port; `SERVER_HOST` when empty.",
    )
    log_level: Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_log_level)] = Field(
        "info",
        validation_alias=AliasChoices("log_level", "pgrst_log_level"),
        description="Least severe event that is logged; the audit log has all of its lines.",
    )
    cors_origins: CommaList = Field(
        (),
        validation_alias=AliasChoices("cors_origins", "pgrst_server_cors_allowed_origins"),
        description="Origins whose pages may call the API, separated by commas; `*` for any. "
        "`*` by default where database roles decide (see PGRST_JWT_SECRET).",
    )
    database_url: Annotated[SecretStr, BeforeValidator(_from_file)] = Field(
        validation_alias=AliasChoices("database_url", "pgrst_db_uri"),
        description="Address of the database, as a URL or a libpq connection string, or `@` and the path of "
        "a file that holds it. Several hosts and `target_session_attrs` are possible.",
    )
    database_replica_url: SecretStr = Field(
        SecretStr(""), description="Address of a read replica; reads go there when it is set."
    )
    migrate: Literal["auto", "never"] = Field(
        "auto", description="`auto` applies the package's migrations at start; `never` changes nothing."
    )
    pgrst_db_schemas: CommaList = Field(
        ("public",),
        validation_alias=AliasChoices("pgrst_db_schemas", "pgrst_db_schema"),
        description="Schemas that are exposed; the first is the default.",
    )
    pgrst_db_anon_role: str = Field(
        "", description="Database role of requests without a token; none: they run as the login role."
    )
    pgrst_db_extra_search_path: CommaList = Field(
        ("public",), description="Schemas searched after the exposed one."
    )
    pgrst_db_max_rows: int | None = Field(
        None,
        ge=0,
        validation_alias=AliasChoices("pgrst_db_max_rows", "pgrst_max_rows"),
        description="Most rows that an answer holds.",
    )
    pgrst_db_pool: int = Field(10, ge=1, description="Most connections to the database.")
    pgrst_db_pool_acquisition_timeout: float = Field(
        10.0, gt=0, description="Seconds a request waits for a free connection (504 PGRST003 after)."
    )
    pgrst_db_pool_max_lifetime: float = Field(1800.0, gt=0, description="Seconds a connection is used.")
    pgrst_db_pool_max_idletime: float = Field(
        30.0,
        gt=0,
        validation_alias=AliasChoices("pgrst_db_pool_max_idletime", "pgrst_db_pool_timeout"),
        description="Seconds an unused connection is kept.",
    )
    pgrst_db_pre_request: str = Field(
        "",
        validation_alias=AliasChoices("pgrst_db_pre_request", "pgrst_pre_request"),
        description="Function that is called in each transaction before the request's own query.",
    )
    pgrst_db_root_spec: str = Field(
        "",
        validation_alias=AliasChoices("pgrst_db_root_spec", "pgrst_root_spec"),
        description="Function that answers the root address instead of OpenAPI.",
    )
    pgrst_db_tx_end: Literal["commit", "commit-allow-override", "rollback", "rollback-allow-override"] = (
        Field("commit", description="How a transaction ends, and whether `Prefer: tx=…` may change it.")
    )
    pgrst_db_aggregates_enabled: bool = Field(False, description="Whether select may aggregate.")
    pgrst_db_plan_enabled: bool = Field(False, description="Whether the execution plan may be asked for.")
    pgrst_db_channel: str = Field("pgrst", description="Channel of the reload notifications.")
    pgrst_db_channel_enabled: bool = Field(True, description="Whether to listen on it.")
    pgrst_db_config: bool = Field(
        True,
        description="Whether the login role's settings `pgrst.…` count, before those of the environment.",
    )
    pgrst_db_pre_config: str = Field(
        "", description="Function that sets such settings with `set_config`; it has the last word."
    )
    pgrst_db_hoisted_tx_settings: CommaList = Field(
        ("statement_timeout", "plan_filter.statement_cost_limit", "default_transaction_isolation"),
        description="Settings of a function that are applied to its whole transaction.",
    )
    pgrst_db_prepared_statements: bool = Field(
        True,
        description="Whether statements that come often are prepared on the server; "
        "`false` behind a pooler that gives each transaction another session.",
    )
    pgrst_jwt_secret: SecretStr = Field(
        SecretStr(""),
        description="Key of the tokens: a secret of 32 bytes or more, a JWK or a JWK set. "
        "With it database roles decide about `/rest` instead of AUTH_TOKENS.",
    )
    pgrst_jwt_secret_is_base64: bool = Field(
        False,
        validation_alias=AliasChoices("pgrst_jwt_secret_is_base64", "pgrst_secret_is_base64"),
        description="Whether the secret is base64.",
    )
    pgrst_jwt_aud: Annotated[str, AfterValidator(_audience)] = Field(
        "", description="Audience that a token must name where it names any."
    )
    pgrst_jwt_role_claim_key: str = Field(
        "$.role",
        validation_alias=AliasChoices("pgrst_jwt_role_claim_key", "pgrst_role_claim_key"),
        description="Path of the role in a token's claims: a JSONPath (RFC 9535) query, or the older "
        "`.roles[0]`.",
    )
    pgrst_jwt_cache_max_entries: int = Field(1000, ge=0, description="Verified tokens that are remembered.")
    pgrst_openapi_mode: Literal["follow-privileges", "ignore-privileges", "disabled"] = Field(
        "follow-privileges", description="What the document at the root address shows."
    )
    pgrst_openapi_security_active: bool = Field(False, description="Whether it names the token header.")
    pgrst_openapi_server_proxy_uri: Annotated[str, AfterValidator(_proxy)] = Field(
        "", description="Address that it gives for the service."
    )
    pgrst_url_use_legacy_target_names: bool = Field(
        True, description="Whether filters may name an embed by its relation though it has an alias."
    )
    pgrst_server_timing_enabled: bool = Field(False, description="Whether answers carry Server-Timing.")
    pgrst_server_trace_header: str = Field("", description="Request header that is sent back as it came.")
    pgrst_client_error_verbosity: Literal["verbose", "minimal"] = Field(
        "verbose", description="`minimal` leaves details and hints out of errors."
    )
    pgrst_log_query: bool = Field(
        False, description="Whether the SQL of requests is logged, without the values in it."
    )
    pgrst_db_pool_automatic_recovery: bool = Field(
        True, description="Accepted for compatibility; lost connections are always made again."
    )
    pgrst_jwt_cache_max_lifetime: int = Field(
        0, ge=0, description="Accepted for compatibility; see PGRST_JWT_CACHE_MAX_ENTRIES."
    )
    pgrst_server_reuseport: bool = Field(
        False, description="Accepted for compatibility; `WORKERS` lets processes share the port."
    )
    pgrst_server_unix_socket: str = Field(
        "", description="Accepted for compatibility; the API listens on SERVER_HOST and SERVER_PORT."
    )
    pgrst_server_unix_socket_mode: str = Field(
        "660", pattern="^[67][0-7][0-7]$", description="Accepted for compatibility."
    )
    pgrst_admin_server_unix_socket: str = Field(
        "", description="Accepted for compatibility; see ADMIN_HOST and ADMIN_PORT."
    )
    pgrst_admin_server_unix_socket_mode: str = Field(
        "660", pattern="^[67][0-7][0-7]$", description="Accepted for compatibility."
    )
    schema_poll: float = Field(
        5.0, ge=0, description="Seconds between looks whether the catalog changed; 0 for never."
    )
    watch_rows: int = Field(10_000, ge=1, description="Rows that one listener may follow.")
    watch_log: int = Field(
        1_000,
        ge=0,
        description="Changes that a listener may have missed and still be told of when it comes back.",
    )
    _app_settings: dict[str, str] = PrivateAttr(default_factory=dict)
    _roles_alone: bool = PrivateAttr(default=False)

    def model_post_init(self, context: Any, /) -> None:
        """Keep ``PGRST_APP_SETTINGS_X`` as the database setting ``app.settings.x``."""
        given = {name.upper().removesuffix(FILE_SUFFIX) for name, value in os.environ.items() if value}
        self._roles_alone = "PGRST_DB_URI" in given and given.isdisjoint(("AUTH_MODE", "AUTH_TOKENS"))
        for name, value in os.environ.items():
            if name.upper().startswith(_APP_SETTINGS_PREFIX):
                self._app_settings["app.settings." + name[len(_APP_SETTINGS_PREFIX) :].lower()] = value

    @property
    def app_settings(self) -> dict[str, str]:
        """Database settings that every transaction gets."""
        return self._app_settings

    @property
    def roles_alone(self) -> bool:
        """Whether nothing but database roles is meant to decide: a PostgREST configuration, and no more."""
        return self._roles_alone

    @property
    def open_to_all(self) -> bool:
        """Not where database roles decide."""
        return super().open_to_all and not (
            self._roles_alone or self.pgrst_db_anon_role or self.pgrst_jwt_secret.get_secret_value()
        )

    @model_validator(mode="before")
    @classmethod
    def _roles_decide(cls, values: dict[str, Any]) -> dict[str, Any]:
        """With PostgREST's roles configured and nothing said about tokens of our own, roles decide alone."""
        if os.environ.get("PGRST_DB_EXTRA_SEARCH_PATH") == "":  # said to be empty, unlike any other
            values = {**values, "pgrst_db_extra_search_path": ""}
        said = any(values.get(name) for name in ("pgrst_jwt_secret", "pgrst_db_anon_role"))
        if not said and not any(os.environ.get(name) for name in _POSTGREST_ADDRESS):
            return values
        if not values.get("auth_mode") and not values.get("auth_tokens"):
            values = {**values, "auth_mode": "none"}
        if not values.get("cors_origins") and not values.get("pgrst_server_cors_allowed_origins"):
            values = {**values, "cors_origins": "*"}
        return values

    @model_validator(mode="after")
    def _check_pgrst(self) -> PgSettings:
        check_schemas(self.pgrst_db_schemas)
        return self


def check_schemas(exposed: Sequence[str]) -> None:
    """ValueError for schemas that cannot be exposed."""
    if not exposed:
        raise ValueError("PGRST_DB_SCHEMAS: name at least one schema")
    for schema in ("pg_catalog", "information_schema"):
        if schema in exposed:
            raise ValueError(f"PGRST_DB_SCHEMAS: the schema {schema} cannot be exposed")
