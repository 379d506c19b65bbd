"""A request of the protocol: from method, address, headers and body to ApiRequest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pg_svc.errors import bad_rpc_method, put_with_limit, unknown_schema, unsupported_method
from pg_svc.request import media
from pg_svc.request.media import MediaType, parse_accept, parse_media_type
from pg_svc.request.payload import Payload, parse_payload
from pg_svc.request.preferences import Preferences, parse_preferences
from pg_svc.request.query import parse_query
from pg_svc.request.ranges import top_range
from pg_svc.request.types import QueryParams, RowRange

ROOT = "root"
TABLE = "table"
FUNCTION = "function"

_READS = ("GET", "HEAD")
_LONGEST_LOCATION = 8192  # a longer header would be refused by clients and proxies
_METHODS = {
    ROOT: ("GET", "HEAD", "OPTIONS"),
    TABLE: ("GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "OPTIONS", "QUERY"),
    FUNCTION: ("GET", "HEAD", "POST", "OPTIONS"),
}


@dataclass(frozen=True, slots=True)
class Address:
    """What a path names: the root, a table or a function."""

    kind: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """A request, understood but not yet held against the schema."""

    method: str
    address: Address
    schema: str
    profile: str | None
    """The schema to name in the answer: where several are exposed."""
    query: QueryParams
    preferences: Preferences
    accepted: tuple[MediaType, ...]
    content_type: MediaType
    rows: RowRange
    payload: Payload | None = None

    @property
    def is_head(self) -> bool:
        """Whether the body is left out."""
        return self.method == "HEAD"

    @property
    def reads(self) -> bool:
        """Whether it is a GET or HEAD."""
        return self.method in _READS


def check_method(method: str, kind: str) -> None:
    """Raise ApiError PGRST101 or PGRST117 for a method that the address does not take."""
    if method not in _METHODS[kind]:
        raise bad_rpc_method(method) if kind == FUNCTION else unsupported_method(method)


def parse_request(
    method: str,
    address: Address,
    query_string: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    exposed: Sequence[str],
    tx_allowed: bool,
) -> ApiRequest:
    """Understand a request. ``headers`` have lower-case names. Raises ApiError."""
    check_method(method, address.kind)
    schema, profile = _schema(method, headers, exposed)
    if method == "QUERY":  # as GET, with the query string in the body
        method = "GET"
        query_string = "&".join(
            part for part in (query_string, body.decode("utf-8", "replace").strip()) if part
        )
    reads_function = address.kind == FUNCTION and method != "POST"
    query = parse_query(query_string, arguments_allowed=reads_function)
    if len(query.canonical) > _LONGEST_LOCATION:
        query = replace(query, canonical="")
    rows = top_range(query.root_range(), headers.get("range") if method == "GET" else None)
    if method == "PUT" and not rows.everything:
        raise put_with_limit()
    content_type = parse_media_type(headers.get("content-type") or media.JSON)
    payload = None
    if method in ("POST", "PATCH", "PUT"):
        payload = parse_payload(
            body,
            content_type,
            columns=query.columns if method != "PUT" else None,
            for_function=address.kind == FUNCTION,
        )
    return ApiRequest(
        method,
        address,
        schema,
        profile,
        query,
        parse_preferences(
            (headers["prefer"],) if "prefer" in headers else (),
            tx_allowed=tx_allowed,
        ),
        parse_accept(headers.get("accept")),
        content_type,
        rows,
        payload,
    )


def _schema(method: str, headers: Mapping[str, str], exposed: Sequence[str]) -> tuple[str, str | None]:
    """The schema that a profile header names; only where several are exposed does it count."""
    if len(exposed) == 1:
        return exposed[0], None
    header = "content-profile" if method in ("POST", "PATCH", "PUT", "DELETE") else "accept-profile"
    schema = headers.get(header, exposed[0])
    if schema not in exposed:
        raise unknown_schema(schema, exposed)
    return schema, schema
