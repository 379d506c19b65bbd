"""From a request to commands."""

from __future__ import annotations

import json
from typing import Any, NoReturn
from urllib.parse import unquote_to_bytes

import orjson

from ..replies import Command

TOKEN_ARGUMENT = "_token"  # noqa: S105  # the name of the argument


class RequestError(ValueError):
    """The request does not describe a command; the text is for the client."""


def from_path(path: str, body: bytes, query: str) -> Command:
    """``/set/foo`` with body ``1`` and query ``EX=100`` → ``SET foo 1 EX 100``.

    ``path`` and ``query`` are still percent-encoded. An empty body is no argument.
    """
    command = [unquote_to_bytes(segment) for segment in path.removeprefix("/").split("/")]
    if body:
        command.append(body)
    for pair in query.split("&"):
        name, equals, value = pair.partition("=")
        if not pair or name == TOKEN_ARGUMENT:
            continue
        command.append(_unquote(name))
        if equals:
            command.append(_unquote(value))
    return command


def token_in(query: str) -> str | None:
    """The token in a query; None where there is none."""
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        if name == TOKEN_ARGUMENT:
            return _unquote(value).decode("utf-8", "surrogateescape")
    return None


def from_json(body: bytes) -> Command:
    """``["SET","k",1]`` → ``SET k 1``. Raises RequestError."""
    return _command(_parse(body))


def batch_from_json(body: bytes, most: int) -> list[Command]:
    """``[["SET","k",1],["GET","k"]]`` → its commands, at most ``most``. Raises RequestError."""
    value = _parse(body)
    if not isinstance(value, list):
        raise RequestError("ERR a batch is an array of commands")
    if len(value) > most:
        raise RequestError(f"ERR a batch has at most {most} commands")
    return [_command(item) for item in value]


def _parse(body: bytes) -> Any:
    try:
        value = orjson.loads(body)
        if _holds_float(value):
            # The number's own text counts: "1.0" and "1e3" are arguments like any other
            return json.loads(body, parse_int=str, parse_float=str, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise RequestError("ERR the body is not valid JSON") from None
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _holds_float(value: Any) -> bool:
    # orjson reads integers beyond 64 bits as floats, so this finds them too
    if type(value) is not list:
        return False
    for item in value:
        kind = type(item)
        if kind is float or (kind is list and _holds_float(item)):
            return True
    return False


def _command(value: Any) -> Command:
    if not isinstance(value, list):
        raise RequestError("ERR a command is an array of its name and arguments")
    if not value:
        raise RequestError("ERR empty command")
    return [item.encode() if type(item) is str else _argument(item) for item in value]


def _argument(value: Any) -> bytes:
    if value is True:
        return b"true"
    if value is False:
        return b"false"
    if type(value) is int:
        return b"%d" % value
    if value is None:
        raise RequestError("ERR null args are not supported")
    raise RequestError("ERR an argument is a string, a number or a boolean")


def _unquote(text: str) -> bytes:
    return unquote_to_bytes(text.replace("+", " "))
