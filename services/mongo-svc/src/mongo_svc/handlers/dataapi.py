"""``/app/{appId}/endpoint/data/v1/action/{action}``: the Data API, as its clients know it."""

from __future__ import annotations

from typing import Any

import orjson
from tornado.httputil import HTTPServerRequest

from svc_common import (
    READ,
    WRITE,
    Access,
    BadRequest,
    NotFound,
    Unauthorized,
    UnsupportedMediaType,
    best_type,
    media_type,
)
from svc_common.auth.admission import audit_refusal

from ..dataapi import ACTIONS, DEFAULT_LIMIT, READS, MissingParameter, Parameters
from ..ejson import parse_ejson
from ..filters import check_expression, check_filter, check_pipeline
from ..rendering import canonical, plain
from ..rules import Rule
from ..store import Actions
from ..updates import check_document, check_update
from .base import MongoHandler

JSON = "application/json"
EJSON = "application/ejson"

_MOST_SKIP = 2**31 - 1

_CODES = {
    400: "InvalidParameter",
    401: "InvalidSession",
    403: "NoMatchingRuleFound",
    404: "EndpointNotFound",
    413: "RequestTooLarge",
    415: "InvalidParameter",
    503: "ServiceUnavailable",
}


class DataApiHandler(MongoHandler):
    """One of the ten actions. Answers and errors have the Data API's shapes, not this service's own."""

    def access(self) -> Access:
        """Actions that only read need ``read``, the others ``write``."""
        if self.request.method == "OPTIONS":
            return super().access()
        return READ if self.path_kwargs.get("action") in READS else WRITE

    @classmethod
    def credential(cls, request: HTTPServerRequest) -> str | None:
        """A bearer token first, then an API key, a user's password, or a token of another issuer."""
        headers = request.headers
        if "Authorization" in headers:
            return super().credential(request)
        for name in ("apiKey", "api-key", "password", "jwtTokenString"):
            if headers.get(name):
                return headers[name]
        return None

    async def prepare(self) -> None:
        """Admit the request. A password is good for the e-mail address (the token's name) it belongs to."""
        await super().prepare()
        headers = self.request.headers
        if self.path_kwargs["action"] not in ACTIONS:
            raise NotFound("endpoint not found")
        by_password = "password" in headers and not {"Authorization", "apiKey", "api-key"} & set(headers)
        caller = None if self.context.settings.auth_mode == "none" else self.principal
        if by_password and caller is not None and headers.get("email") != caller.name:
            audit_refusal(self, "credential_refused", "the password is for another name", caller)
            raise Unauthorized("invalid username/password")

    async def post(self, appId: str, action: str) -> None:  # named as in the protocol
        kind = media_type(self.request.headers.get("Content-Type"))
        if kind not in ("", JSON, EJSON):
            raise UnsupportedMediaType("send the body as application/json or application/ejson")
        parameters = Parameters(parse_ejson(self.request.body))
        scope = self.state.scope
        source = scope.check_source(parameters.text("dataSource"))
        database, collection = parameters.text("database"), parameters.text("collection")
        scope.check(database, collection)
        request = _Request(
            self.state.sources.get(source, self.state.sources[""]),
            database,
            collection,
            self.state.rule(database, collection, self.principal),
            parameters,
            self.state.settings.data_api_limit,
            lambda other: self._check_other(database, other),
        )
        answer = await getattr(request, _METHODS[action])()
        self._answer(answer, 201 if action in ("insertOne", "insertMany") else 200)

    def _check_other(self, database: str, collection: str) -> None:
        """A further collection that a pipeline reads: it must be served, and be the caller's as a whole."""
        self.state.scope.check(database, collection)
        self.state.rule(database, collection, self.principal).whole()

    def _answer(self, answer: dict[str, Any], status: int) -> None:
        self.add_vary("Accept")
        self.set_status(status)
        if best_type(self.request.headers.get("Accept"), (JSON, EJSON)) == EJSON:
            self.set_header("Content-Type", EJSON)
            self.write(canonical(answer))
        else:
            self.set_header("Content-Type", JSON)
            self.write(plain(answer))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """The Data API's error: ``{error, error_code, link}``."""
        if status_code == 499:
            return
        problem = self.problem(status_code, kwargs.get("exc_info"))
        status = problem.status_code
        code = _CODES.get(status, "InternalServerError" if status >= 500 else "InvalidParameter")
        if isinstance(problem, MissingParameter):
            code = "MissingParameter"
        if status in (409, 422):  # what MongoDB itself refuses was a bad request here, too
            status, code = 400, "MongoDBError" if status == 409 else "InvalidParameter"
        self.set_status(status)
        for name, value in problem.headers.items():
            self.set_header(name, value)
        self.set_header("Content-Type", JSON)
        link = f"{self.context.settings.base_path}/docs"
        self.finish(
            orjson.dumps({"error": problem.detail or problem.title, "error_code": code, "link": link})
        )


_METHODS = {
    "findOne": "find_one",
    "find": "find",
    "insertOne": "insert_one",
    "insertMany": "insert_many",
    "updateOne": "update_one",
    "updateMany": "update_many",
    "replaceOne": "replace_one",
    "deleteOne": "delete_one",
    "deleteMany": "delete_many",
    "aggregate": "aggregate",
}


class _Request:
    """One action with its parameters, within the caller's rule."""

    def __init__(
        self,
        actions: Actions,
        database: str,
        collection: str,
        rule: Rule,
        parameters: Parameters,
        most: int,
        check_other: Any,
    ) -> None:
        self._actions = actions
        self._at = (database, collection)
        self._rule = rule
        self._parameters = parameters
        self._most = most
        self._check_other = check_other

    async def find_one(self) -> dict[str, Any]:
        found = await self._find(limit=1, skip=0)
        return {"document": found[0] if found else None}

    async def find(self) -> dict[str, Any]:
        limit = self._parameters.number("limit", DEFAULT_LIMIT, self._most) or DEFAULT_LIMIT
        return {"documents": await self._find(limit, self._parameters.number("skip", 0, _MOST_SKIP))}

    async def aggregate(self) -> dict[str, Any]:
        pipeline = check_pipeline(self._parameters.array("pipeline"), self._check_other)
        return {
            "documents": await self._actions.aggregate(*self._at, self._rule.pipeline(pipeline), self._most)
        }

    async def insert_one(self) -> dict[str, Any]:
        document = self._new(self._parameters.object("document", required=True))
        return {"insertedId": await self._actions.insert_one(*self._at, document)}

    async def insert_many(self) -> dict[str, Any]:
        documents = [self._new(document) for document in self._parameters.array("documents")]
        if not documents:
            raise BadRequest("'documents' must not be empty")
        return {"insertedIds": await self._actions.insert_many(*self._at, documents)}

    async def update_one(self) -> dict[str, Any]:
        return await self._update(many=False)

    async def update_many(self) -> dict[str, Any]:
        return await self._update(many=True)

    async def replace_one(self) -> dict[str, Any]:
        replacement = check_document(self._parameters.object("replacement", required=True))
        self._rule.replace(replacement)
        upsert = self._parameters.flag("upsert")
        return await self._actions.replace(*self._at, self._filter(), replacement, upsert=upsert)

    async def delete_one(self) -> dict[str, Any]:
        return await self._delete(many=False)

    async def delete_many(self) -> dict[str, Any]:
        return await self._delete(many=True)

    def _filter(self) -> dict[str, Any]:
        return self._rule.narrow(check_filter(self._parameters.object("filter")))

    def _new(self, document: Any) -> dict[str, Any]:
        self._rule.insert(check_document(document))
        return dict(document)

    async def _find(self, limit: int, skip: int) -> list[dict[str, Any]]:
        projection, sort = self._parameters.object("projection"), self._parameters.sort()
        check_expression(projection)
        self._rule.order(sort)
        return await self._actions.find(
            *self._at,
            self._filter(),
            projection=self._rule.project(projection),
            sort=sort,
            limit=limit,
            skip=skip,
        )

    async def _update(self, *, many: bool) -> dict[str, Any]:
        update = check_update(self._parameters.any("update"))
        upsert = self._parameters.flag("upsert")
        self._rule.update(update, upsert=upsert)
        if upsert:
            self._rule.upsert(self._parameters.object("filter"))
        return await self._actions.update(*self._at, self._filter(), update, many=many, upsert=upsert)

    async def _delete(self, *, many: bool) -> dict[str, Any]:
        self._rule.remove()
        return {"deletedCount": await self._actions.delete(*self._at, self._filter(), many=many)}
