"""What the handlers of the protocol use."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from pg_svc.auth.roles import Roles
from pg_svc.configuration import Configuration
from pg_svc.plan.action import Limits
from pg_svc.plan.memo import PlanMemo
from pg_svc.settings import PgSettings
from pg_svc.store.database import Database


@dataclass(frozen=True)
class RestState:
    """What the handlers use."""

    configuration: Configuration
    database: Database
    memo: PlanMemo = field(default_factory=PlanMemo, init=False)

    @cached_property
    def app_settings(self) -> tuple[tuple[str, str], ...]:
        """Database settings that every transaction gets."""
        return tuple(self.configuration.environment.app_settings.items())

    @property
    def settings(self) -> PgSettings:
        """The settings that count now."""
        return self.configuration.settings

    @property
    def roles(self) -> Roles:
        """Who a request runs as, now."""
        return self.configuration.roles

    @property
    def limits(self) -> Limits:
        """What the configuration allows."""
        settings = self.settings
        return Limits(
            settings.pgrst_db_max_rows,
            settings.pgrst_db_aggregates_enabled,
            settings.pgrst_db_plan_enabled,
            settings.pgrst_url_use_legacy_target_names,
            settings.pgrst_client_error_verbosity == "verbose",
        )
