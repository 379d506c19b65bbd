"""The root address: what there is."""

from __future__ import annotations

import orjson

from pg_svc.describe.openapi3 import openapi3
from pg_svc.describe.swagger import Server, server_of, swagger
from pg_svc.errors import not_acceptable, openapi_disabled
from pg_svc.handlers.protocol import PREFIX
from pg_svc.handlers.rest import RestHandler
from pg_svc.render import Answer
from pg_svc.request import media
from pg_svc.request.api import FUNCTION, ROOT, Address
from pg_svc.schema.catalog import VISIBLE
from pg_svc.sql.builder import Sql
from pg_svc.store.transaction import Transaction


class RootHandler(RestHandler):
    """``/rest``: what there is."""

    kind = ROOT

    async def get(self) -> None:
        """The document of the exposed schema, or what the root function says instead."""
        schema = self.state.database.schema
        settings = self.state.settings
        if settings.pgrst_openapi_mode == "disabled":
            self.caller()
            raise openapi_disabled()
        if settings.pgrst_db_root_spec:
            await self.respond(Address(FUNCTION, settings.pgrst_db_root_spec.rpartition(".")[2]))
            return
        caller = self.caller()
        self.stamp("jwt")
        request = self.understand(Address(ROOT))
        self.stamp("parse")
        form = next((wanted.name for wanted in request.accepted if wanted.name in _DESCRIBED_AS), None)
        if form is None:
            raise not_acceptable([wanted.mime for wanted in request.accepted])
        self.stamp("plan")
        transaction = Transaction(
            prologue=self.prologue(caller, request.schema, schema),
            statement=Sql(VISIBLE, (request.schema,)),
            read_only=True,
            name="root",
        )
        result = await self.state.database.run(transaction, authenticated=caller.authenticated)
        self.stamp("transaction")
        visible, callable_oids, description = result.rows[0]
        everything = settings.pgrst_openapi_mode == "ignore-privileges"
        names, oids = set(orjson.loads(visible)), set(orjson.loads(callable_oids))
        tables = [
            table
            for name, table in sorted(schema.tables.items())
            if name.schema == request.schema and (everything or name.name in names)
        ]
        routines = [
            routine
            for name, overloads in sorted(schema.routines.items())
            for routine in overloads
            if name.schema == request.schema and (everything or routine.oid in oids)
        ]
        is_newer = form == media.OPENAPI_3

        def described() -> bytes:
            if is_newer:
                document = openapi3(
                    schema,
                    tables,
                    routines,
                    description,
                    address=settings.pgrst_openapi_server_proxy_uri or settings.base_path + PREFIX,
                    version=self.context.version,
                    security=self.state.roles.decide,
                )
            else:
                document = swagger(
                    schema,
                    tables,
                    routines,
                    description,
                    self._server(),
                    unqualified=() if everything else (request.schema, *settings.pgrst_db_extra_search_path),
                )
            return orjson.dumps(document)

        content_type = f"{media.OPENAPI_3};version=3.1" if is_newer else f"{media.OPENAPI}; charset=utf-8"
        headers = [("Content-Type", content_type)]
        if request.profile is not None:
            headers.append(("Content-Profile", request.profile))
        # Thousands of tables take a second, and other requests do not wait for it
        self.send(Answer(200, headers, b"" if request.is_head else await self.aside(described)))

    def _server(self) -> Server:
        settings = self.state.settings
        return server_of(
            settings.pgrst_openapi_server_proxy_uri,
            settings.server_host,
            settings.server_port,
            settings.base_path + PREFIX if settings.base_path else "/",
            self.context.version,
            security=settings.pgrst_openapi_security_active,
        )

    async def options(self, *args: str, **kwargs: str) -> None:
        """What the root takes."""
        if self._is_preflight():
            self.preflight()
            return
        self.asked_for(Address(ROOT))
        self.allow("OPTIONS,GET,HEAD")


_DESCRIBED_AS = (media.OPENAPI, media.JSON, media.ANY, media.OPENAPI_3)
