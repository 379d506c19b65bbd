"""Settings from the environment: typed, with ``*_FILE`` secrets and a report of what is wrong.

Every setting is an environment variable named like its field in capitals. Each variable ``X`` may be
given as ``X_FILE`` instead, the path of a file (a mounted secret) that holds the value; a trailing line
end is dropped. Giving both is an error, since nobody could tell which one counts. A setting that is itself
called ``…_FILE`` (``TLS_CERT_FILE``) is a path, since the file is read again when it changes; it has no
such form.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    AliasChoices,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

EXIT_CONFIG = 78
"""Exit status for wrong settings (``EX_CONFIG`` of sysexits.h)."""

FILE_SUFFIX = "_FILE"


def _split_commas(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


CommaList = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split_commas)]
"""A setting written as ``a,b,c``."""

HttpServer = Literal["fast", "tornado"]
Algorithm = Literal["EdDSA", "ES256", "RS256"]
AuthMode = Literal["none", "token", "jwt"]


def _auth_modes(text: str) -> str:
    modes = [part.strip() for part in text.split(",") if part.strip()]
    unknown = [mode for mode in modes if mode not in get_args(AuthMode)]
    if unknown or not modes:
        raise ValueError("takes none, token, jwt or token,jwt")
    if "none" in modes and len(modes) > 1:
        raise ValueError("none stands alone: it lets everyone do everything")
    return ",".join(modes)


def _address(text: str) -> str:
    try:
        parts = urlsplit(text)
        fits = not text or parts.scheme == "file" or (parts.hostname is not None and parts.port != 0)
    except ValueError:  # brackets that are not closed, a port that is no number
        fits = False
    if not fits:
        raise ValueError("takes an address such as http://pg-svc:8000/pg/auth")
    return text


class SettingsError(Exception):
    """The environment does not describe a service that can start.

    ``lines`` has one sentence for each variable that is wrong; no secret is in it.
    """

    def __init__(self, lines: Iterable[str]) -> None:
        self.lines = tuple(lines)
        super().__init__("\n".join(self.lines))


class _FileSource(PydanticBaseSettingsSource):
    """Reads ``X_FILE`` for every field ``X`` that is not a path itself."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        for name in variable_names(field_name, field):
            path = os.environ.get(name + FILE_SUFFIX)
            if not path:
                continue
            if os.environ.get(name):
                raise SettingsError([f"{name} and {name}{FILE_SUFFIX} are both set; give one of them"])
            try:
                return Path(path).read_text(encoding="utf-8").rstrip("\r\n"), name, False
            except (OSError, UnicodeDecodeError) as error:
                reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
                raise SettingsError([f"{name}{FILE_SUFFIX}: cannot read {path}: {reason}"]) from None
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for field_name, field in self.settings_cls.model_fields.items():
            if field_name.upper().endswith(FILE_SUFFIX):
                continue
            value, _, _ = self.get_field_value(field, field_name)
            if value is not None:
                values[_input_key(field_name, field)] = value
        return values


class ServiceSettings(BaseSettings):
    """What every service can be told. A service's own settings are a subclass."""

    model_config = SettingsConfigDict(
        case_sensitive=False, extra="ignore", env_ignore_empty=True, frozen=True, hide_input_in_errors=True
    )

    server_host: str = Field("127.0.0.1", description="Address the API listens on; `0.0.0.0` for all.")
    server_port: int = Field(8000, ge=0, le=65535, description="Port of the API; 0 picks a free one.")
    admin_host: str = Field("", description="Address of the admin port; `SERVER_HOST` when empty.")
    admin_port: int = Field(
        9000, ge=0, le=65535, description="Port of `/livez`, `/readyz`, `/metrics` and `/version`."
    )
    base_path: str = Field(
        "",
        pattern=r"^(/[A-Za-z0-9._~-]+)*$",
        description="Prefix under which the API is served, such as `/redis`.",
    )
    workers: int = Field(1, ge=1, le=256, description="Processes that share the port.")

    auth_mode: Annotated[str, AfterValidator(_auth_modes)] = Field(
        "token",
        description="`token` takes bearer tokens from `AUTH_TOKENS`, `jwt` those of an issuer "
        "(signed, personal and in cookies), `token,jwt` both; `none` lets everyone do everything.",
    )
    auth_tokens: SecretStr = Field(
        SecretStr(""),
        description="Accepted tokens, `name:scope:secret,…`; the scopes are read, write and admin.",
    )
    auth_accounts_url: Annotated[str, AfterValidator(_address)] = Field(
        "",
        pattern=r"^(https?://.+)?$",
        description="Address of the accounts, such as `http://pg-svc:8000/pg/auth`: keys, ended sessions and "
        "personal tokens are asked for there.",
    )
    auth_jwks_url: Annotated[str, AfterValidator(_address)] = Field(
        "",
        pattern=r"^((https?|file)://.+)?$",
        description="Public keys of an issuer (a JWK set), `https://…` or `file:///…`; by default those of "
        "`AUTH_ACCOUNTS_URL`.",
    )
    auth_issuer: str = Field("storefronts", min_length=1, description="The `iss` of signed tokens.")
    auth_audience: str = Field("storefronts", min_length=1, description="The `aud` that they must name.")
    auth_algorithms: Annotated[tuple[Algorithm, ...], NoDecode, BeforeValidator(_split_commas)] = Field(
        ("EdDSA", "ES256"), min_length=1, description="Signatures that count: EdDSA, ES256, RS256."
    )
    auth_development: bool = Field(
        False, description="Take and set cookies over plain http (`dev-access`, without `Secure`)."
    )
    rate_limit: str = Field(
        "",
        pattern=r"^([1-9][0-9]{0,8}/(second|minute|hour))?$",
        description="Requests a token, or an address without one, may make: `600/minute`. Empty: any.",
    )
    rate_limit_redis_url: SecretStr = Field(
        SecretStr(""),
        validation_alias=AliasChoices("rate_limit_redis_url", "redis_url"),
        description="Redis in which all processes count them together, `redis://` or `rediss://`; that of "
        "`REDIS_URL` when empty, and without both each process counts by itself.",
    )
    tls_cert_file: str = Field(
        "", description="Path of a certificate chain (PEM): the API speaks TLS 1.2 and newer."
    )
    tls_key_file: str = Field("", description="Path of its private key (PEM).")
    cors_origins: CommaList = Field(
        (), description="Origins whose pages may call the API, separated by commas; `*` for any."
    )
    http_server: HttpServer = Field(
        "fast",
        description="`fast` for the HTTP server of `svc_common.httpserver`, `tornado` for Tornado's own.",
    )
    trust_proxy: bool = Field(
        False, description="Take the client's address and scheme from `X-Forwarded-*` of the proxy in front."
    )
    gzip: bool = Field(True, description="Compress answers for clients that accept gzip.")

    max_body_bytes: int = Field(16 * 2**20, ge=0, description="Largest request body (413 above).")
    max_header_bytes: int = Field(
        32 * 2**10, ge=1024, le=2**19, description="Largest request head: line and headers (431 above)."
    )
    max_header_count: int = Field(100, ge=8, description="Most header lines in a request (431 above).")
    max_in_flight: int = Field(1000, ge=1, description="Requests served at once (503 above).")
    max_form_arguments: int = Field(1000, ge=1, description="Most arguments in a form body (400 above).")
    request_timeout: float = Field(30.0, gt=0, description="Seconds a request may take (503 after).")
    body_timeout: float = Field(
        20.0, gt=0, description="Seconds a client may be slow with its body (408 after)."
    )
    min_body_rate: int = Field(
        1024, ge=1, description="Bytes a second that a body must keep beyond `BODY_TIMEOUT`."
    )
    idle_timeout: float = Field(
        75.0, gt=0, description="Seconds a connection may wait for its next request head."
    )
    header_timeout: float = Field(
        10.0,
        gt=0,
        description="Seconds a request head may take from its first byte on (`HTTP_SERVER=fast`; "
        "the other allows `IDLE_TIMEOUT`).",
    )
    store_timeout: float = Field(
        1.5, gt=0, description="Seconds to wait for a store that does not answer (503 after)."
    )
    drain_delay: float = Field(
        0.0, ge=0, description="Seconds between turning not ready and closing the port at shutdown."
    )
    shutdown_grace: float = Field(
        20.0, gt=0, description="Seconds that requests in flight have to finish at shutdown."
    )

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severe event that is logged; the audit log has all of its lines."
    )
    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="`json` lines, or `console` for people; `auto` is console on a terminal."
    )
    otel_exporter_otlp_endpoint: str = Field(
        "", description="Where OpenTelemetry traces are sent (needs the extra `svc-common[tracing]`)."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment and nothing else."""
        return init_settings, env_settings, _FileSource(settings_cls)

    @model_validator(mode="after")
    def _check_auth(self) -> ServiceSettings:
        if "token" in self.auth_modes and not self.auth_tokens.get_secret_value():
            raise ValueError(
                "AUTH_TOKENS: needed with AUTH_MODE=token, as name:scope:secret,… "
                "(or say AUTH_MODE=none to let everyone in)"
            )
        if "jwt" in self.auth_modes and not (
            self.auth_accounts_url or self.auth_jwks_url or self.issues_tokens
        ):
            raise ValueError("AUTH_ACCOUNTS_URL: needed with AUTH_MODE=jwt (or AUTH_JWKS_URL)")
        if bool(self.tls_cert_file) != bool(self.tls_key_file):
            raise ValueError("TLS_CERT_FILE and TLS_KEY_FILE: give both or none of them")
        return self

    @property
    def auth_modes(self) -> frozenset[str]:
        """The ways to authenticate that count."""
        return frozenset(self.auth_mode.split(","))

    @property
    def issues_tokens(self) -> bool:
        """Whether this service makes the tokens itself."""
        return False

    @property
    def open_to_all(self) -> bool:
        """Whether nobody is asked who they are. A service that asks in a way of its own says so here."""
        return self.auth_mode == "none"

    @property
    def loopback_only(self) -> bool:
        """Whether the API can be reached from this machine alone."""
        return self.server_host in ("localhost", "::1") or self.server_host.startswith("127.")


SettingsT = TypeVar("SettingsT", bound=ServiceSettings)


def load_settings(settings_class: type[SettingsT], **overrides: Any) -> SettingsT:
    """The settings that the environment describes.

    Raises SettingsError with one line for each variable that is wrong or missing.
    """
    try:
        return settings_class(**overrides)
    except ValidationError as error:
        raise SettingsError(_lines(settings_class, error)) from None


def variable_names(field_name: str, field: FieldInfo) -> tuple[str, ...]:
    """The environment variables that set a field, the preferred one first."""
    alias = field.validation_alias
    if isinstance(alias, AliasChoices):
        return tuple(str(choice).upper() for choice in alias.choices)
    return (str(alias or field_name).upper(),)


def _input_key(field_name: str, field: FieldInfo) -> str:
    """What pydantic looks a value up by: the alias as it is written, else the name of the field."""
    alias = field.validation_alias
    if isinstance(alias, AliasChoices):
        return str(alias.choices[0])
    return str(alias or field_name)


def is_secret(field: FieldInfo) -> bool:
    """Whether a field's value must never be shown."""
    return field.annotation is SecretStr or SecretStr in get_args(field.annotation)


def describe_settings(settings_class: type[ServiceSettings]) -> list[tuple[str, str, str]]:
    """``(variable, default, description)`` of every setting, for ``--help`` and the documents."""
    rows = []
    for field_name, field in settings_class.model_fields.items():
        rows.append((variable_names(field_name, field)[0], _default(field), field.description or ""))
    return rows


def masked(settings: ServiceSettings) -> Mapping[str, str]:
    """Every setting as text, secrets masked."""
    shown = {}
    for field_name, field in type(settings).model_fields.items():
        value = getattr(settings, field_name)
        shown[variable_names(field_name, field)[0]] = "***" if is_secret(field) and value else str(value)
    return shown


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if value in (None, "", (), PydanticUndefined):
        return ""
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def _lines(settings_class: type[ServiceSettings], error: ValidationError) -> list[str]:
    lines = []
    for item in error.errors(include_url=False, include_context=False):
        message = item["msg"].removeprefix("Value error, ")
        if not item["loc"]:  # a check over several settings names its variables itself
            lines.append(message)
            continue
        key = str(item["loc"][0])
        field = settings_class.model_fields.get(key.lower())
        name = variable_names(key, field)[0] if field else key.upper()
        if item["type"] == "missing":
            lines.append(f"{name}: required, but not set (nor {name}{FILE_SUFFIX})")
            continue
        given = "" if field is None or is_secret(field) else f" (got {os.environ.get(name, '')!r})"
        lines.append(f"{name}: {message[:1].lower()}{message[1:]}{given}")
    return lines
