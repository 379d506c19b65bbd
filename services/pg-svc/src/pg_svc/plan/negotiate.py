"""What the body is made with: the first accepted media type that the table, view or function can answer."""

from __future__ import annotations

from collections.abc import Sequence

from pg_svc.errors import not_acceptable
from pg_svc.plan.types import Output, ReadPlan
from pg_svc.request import media
from pg_svc.request.media import MediaType
from pg_svc.schema.model import Handler, Name, Schema

_BUILT_IN = {
    media.ANY: ("json", MediaType(media.JSON)),
    media.JSON: ("json", MediaType(media.JSON)),
    media.CSV: ("csv", MediaType(media.CSV)),
    media.GEOJSON: ("geojson", MediaType(media.GEOJSON)),
}
NDJSON = "application/x-ndjson"
"""One row a line: for results of any size."""


def negotiate(
    schema: Schema,
    identifier: Name,
    accepted: Sequence[MediaType],
    plan: ReadPlan,
    *,
    plans_allowed: bool,
    streams: bool = False,
) -> Output:
    """The output for a relation, or for the function or relation that a call answers with.

    Custom handlers count only where nothing is selected. Raises ApiError PGRST107.
    """
    everything = not plan.children and [s.ref.name for s in plan.select] == ["*"] and not plan.select[0].alias
    for wanted in accepted:
        output = _output(schema, identifier, wanted, everything, plans_allowed)
        if output is None and streams and wanted.name == NDJSON:
            return Output("ndjson", wanted, NDJSON)
        if output is not None:
            return output
    raise not_acceptable([wanted.mime for wanted in accepted])


def _output(
    schema: Schema, identifier: Name, wanted: MediaType, everything: bool, plans_allowed: bool
) -> Output | None:
    if wanted.plan_for is not None:
        if not plans_allowed:
            return None
        explained = _output(schema, identifier, wanted.plan_for, everything, False)
        if explained is None:
            return None
        return Output(explained.kind, wanted, wanted.content_type, explained.handler, explained.stripped)
    if wanted.is_object:
        return Output("object", wanted, wanted.content_type, stripped=wanted.stripped)
    if wanted.name == media.ARRAY:
        return Output("json", wanted, wanted.content_type, stripped=True)
    handler = _handler(schema, identifier, wanted.name, everything)
    if handler is not None:
        content_type = MediaType(handler.content_type).content_type
        return Output("custom", MediaType(handler.content_type), content_type, handler)
    if wanted.name in _BUILT_IN:
        kind, media_type = _BUILT_IN[wanted.name]
        return Output(kind, media_type, media_type.content_type)
    return None


def _handler(schema: Schema, identifier: Name, wanted: str, everything: bool) -> Handler | None:
    if everything:
        for name in (media.ANY, wanted):
            handler = schema.handlers.get((identifier, name))
            if handler is not None:
                return handler
    return schema.handlers.get((None, wanted))
