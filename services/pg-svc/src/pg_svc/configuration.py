"""The configuration in force: what the environment says, and on top of it what the database says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from pg_svc.auth.roles import Roles
from pg_svc.settings import PgSettings, check_schemas
from svc_common import SettingsError
from svc_common.cors import CorsPolicy

_OWN_NAMES = {"server_cors_allowed_origins": "cors_origins"}
SETTABLE = (
    "client_error_verbosity",
    "db_aggregates_enabled",
    "db_anon_role",
    "db_extra_search_path",
    "db_hoisted_tx_settings",
    "db_max_rows",
    "db_plan_enabled",
    "db_pre_config",
    "db_pre_request",
    "db_prepared_statements",
    "db_root_spec",
    "db_schemas",
    "db_tx_end",
    "jwt_aud",
    "jwt_cache_max_entries",
    "jwt_role_claim_key",
    "jwt_secret",
    "jwt_secret_is_base64",
    "openapi_mode",
    "openapi_security_active",
    "openapi_server_proxy_uri",
    "server_cors_allowed_origins",
    "server_timing_enabled",
    "server_trace_header",
    "url_use_legacy_target_names",
)
"""What the database may say, each as ``pgrst.NAME``. The rest needs a new start."""


@dataclass(frozen=True, slots=True)
class InForce:
    """A whole configuration."""

    settings: PgSettings
    roles: Roles
    cors: CorsPolicy


class Configuration:
    """What counts now. It changes as a whole, so that no request sees a half of one and a half of another."""

    def __init__(self, environment: PgSettings) -> None:
        self.environment = environment
        self.in_force = self.proposed({})

    @property
    def settings(self) -> PgSettings:
        """The settings that count now."""
        return self.in_force.settings

    @property
    def roles(self) -> Roles:
        """Who a request runs as, now."""
        return self.in_force.roles

    def proposed(self, said: Mapping[str, str]) -> InForce:
        """The environment's configuration with what the database says (names of ``SETTABLE``) on top.

        SettingsError for what is wrong with it.
        """
        settings = _overridden(self.environment, said)
        roles = Roles(settings)
        origins = settings.cors_origins or (("*",) if roles.decide else ())
        return InForce(settings, roles, CorsPolicy(origins))


def _overridden(environment: PgSettings, said: Mapping[str, str]) -> PgSettings:
    if not said:
        return environment
    values: dict[str, Any] = {}
    wrong = []
    for name, text in said.items():
        field_name = _OWN_NAMES.get(name, f"pgrst_{name}")
        field = PgSettings.model_fields[field_name]
        if not text and name != "db_extra_search_path":  # as if it were not set at all
            values[field_name] = field.get_default(call_default_factory=True, validated_data={})
            continue
        try:
            values[field_name] = TypeAdapter(_type_of(field)).validate_python(text)
        except ValidationError as error:
            wrong.append(f"pgrst.{name}: {error.errors()[0]['msg'].removeprefix('Value error, ')}")
    if wrong:
        raise SettingsError(wrong)
    settings = environment.model_copy(update=values)
    try:
        check_schemas(settings.pgrst_db_schemas)
    except ValueError as error:
        raise SettingsError([str(error)]) from None
    return settings


def _type_of(field: FieldInfo) -> Any:
    annotated: Any = Annotated
    return annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
