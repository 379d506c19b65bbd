"""Bodies: JSON, CSV and forms, all of them as the JSON that the database takes apart."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

import orjson

from pg_svc.errors import bad_body, invalid_bytes
from pg_svc.request import media
from pg_svc.request.media import MediaType
from pg_svc.request.query import split_query


@dataclass(frozen=True, slots=True)
class Payload:
    """A body.

    ``text`` is JSON, or for ``raw`` bodies whatever was sent. ``keys`` are the members that its objects have.
    ``pairs`` are a form's fields, for a function's arguments.
    """

    text: bytes
    keys: tuple[str, ...] = ()
    raw: bool = False
    pairs: tuple[tuple[str, str], ...] = ()

    @property
    def is_object(self) -> bool:
        """Whether the JSON is one object."""
        return self.text.lstrip(b" \t\r\n").startswith(b"{")


def parse_payload(
    body: bytes, content_type: MediaType, *, columns: tuple[str, ...] | None, for_function: bool
) -> Payload:
    """Understand a body. With ``columns`` given JSON is not looked into. Raises ApiError (PGRST102)."""
    if content_type.name == media.JSON:
        return _json(body, columns, for_function)
    if content_type.name == media.CSV:
        return _csv(body)
    if content_type.name == media.FORM:
        _check_text(unquote_to_bytes(body))
        pairs = tuple((key, given or "") for key, given in split_query(body.decode()))
        return Payload(orjson.dumps(dict(pairs)), tuple(sorted({key for key, _ in pairs})), pairs=pairs)
    if for_function and content_type.name in (media.TEXT, media.XML, media.BYTES):
        if content_type.name != media.BYTES:
            _check_text(body)
        return Payload(body, raw=True)
    raise bad_body(f"Content-Type not acceptable: {content_type.mime}")


def _check_text(body: bytes) -> None:
    """What is not UTF-8 must not be stored as something else."""
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise invalid_bytes(body[error.start]) from None


def _json(body: bytes, columns: tuple[str, ...] | None, for_function: bool) -> Payload:
    if columns is not None:
        _check_text(body)
        return Payload(body, tuple(sorted(set(columns))))
    if not body and for_function:
        return Payload(b"{}")
    document = _document(body)
    if isinstance(document, dict):
        return Payload(body, tuple(sorted(document)))
    if not isinstance(document, list) or not document:
        return Payload(b"[]")
    if not isinstance(document[0], dict):
        raise bad_body("All object keys must match")
    keys = document[0].keys()
    if not all(isinstance(row, dict) and row.keys() == keys for row in document):
        raise bad_body("All object keys must match")
    return Payload(body, tuple(sorted(keys)))


def _document(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        pass
    # Numbers beyond a float's range are JSON too, and numeric to the database
    try:
        return json.loads(body.decode(), parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise bad_body("Empty or invalid json") from None


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _csv(body: bytes) -> Payload:
    try:
        rows = list(csv.reader(io.StringIO(body.decode("utf-8"), newline=""), strict=True))
    except (csv.Error, UnicodeDecodeError):
        raise bad_body("The body is not valid CSV") from None
    if not rows or not rows[0]:
        raise bad_body("not enough input")
    header, *lines = rows
    lines = [line for line in lines if line]
    if any(len(line) != len(header) for line in lines):
        raise bad_body("All lines must have same number of fields")
    documents = [
        {name: None if cell == "NULL" else cell for name, cell in zip(header, line, strict=True)}
        for line in lines
    ]
    return Payload(orjson.dumps(documents), tuple(sorted(set(header))) if lines else ())
