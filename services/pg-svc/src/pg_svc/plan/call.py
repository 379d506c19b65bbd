"""Calling a function: which overload is meant, and with what."""

from __future__ import annotations

from collections.abc import Sequence

from pg_svc.errors import ApiError
from pg_svc.plan.hints import STRICT_SCORE, nearest
from pg_svc.plan.types import CallPlan
from pg_svc.request import media
from pg_svc.request.media import MediaType
from pg_svc.request.payload import Payload
from pg_svc.schema.model import Name, Routine, Schema

_WHOLE_BODY_TYPES = {
    media.JSON: ("json", "jsonb"),
    media.TEXT: ("text",),
    media.XML: ("xml",),
    media.BYTES: ("bytea",),
}
_UNPARSED = (media.TEXT, media.XML, media.BYTES)


def find_routine(
    schema: Schema, name: Name, given: frozenset[str], content_type: MediaType, *, is_post: bool
) -> Routine:
    """The overload whose parameters fit the arguments' names.

    Without one, a POST may mean a function with a single unnamed parameter. Raises ApiError PGRST202 or
    PGRST203.
    """
    overloads = schema.routines.get(name, ())
    named = [routine for routine in overloads if _fits(routine, given, content_type, is_post)]
    if len(named) == 1:
        return named[0]
    if not named:
        whole = [
            routine
            for routine in overloads
            if is_post and _takes_whole_body(routine, content_type) and routine not in named
        ]
        if len(whole) == 1:
            return whole[0]
        if not whole:
            raise _not_found(schema, name, given, content_type, is_post, overloads)
        named = whole
    raise _ambiguous(named)


def _fits(routine: Routine, given: frozenset[str], content_type: MediaType, is_post: bool) -> bool:
    if not routine.parameters:
        return not given and not (is_post and content_type.name in _UNPARSED)
    required = {p.name for p in routine.parameters if p.required}
    optional = {p.name for p in routine.parameters if not p.required}
    return given - optional == required


def _takes_whole_body(routine: Routine, content_type: MediaType) -> bool:
    types = _WHOLE_BODY_TYPES.get(content_type.name, ())
    if len(routine.parameters) != 1:
        return False
    (only,) = routine.parameters
    return not only.name and only.type in types


def call_plan(
    routine: Routine,
    given: frozenset[str],
    *,
    pairs: Sequence[tuple[str, str]] | None,
    payload: Payload | None,
    returning: tuple[str, ...],
) -> CallPlan:
    """Plan the call. ``pairs`` are arguments from a query string or a form, in order."""
    return CallPlan(
        routine,
        given,
        payload,
        None if pairs is None else _arguments(routine, pairs),
        returning,
    )


def _arguments(routine: Routine, pairs: Sequence[tuple[str, str]]) -> dict[str, str | list[str]]:
    """A variadic parameter takes all of its values, any other the last one."""
    variadic = {p.name for p in routine.parameters if p.variadic}
    arguments: dict[str, str | list[str]] = {}
    for name, value in pairs:
        if name in variadic:
            values = arguments.setdefault(name, [])
            assert isinstance(values, list)
            values.append(value)
        else:
            arguments[name] = value
    return arguments


def _not_found(
    schema: Schema,
    name: Name,
    given: frozenset[str],
    content_type: MediaType,
    is_post: bool,
    overloads: Sequence[Routine],
) -> ApiError:
    names = ", ".join(sorted(given))
    function = f"{name.schema}.{name.name}"
    unparsed = is_post and content_type.name in _UNPARSED
    without = " without parameters"
    shown = f"({names})" if given else without
    searched = (f" with parameter{'s' if len(given) > 1 else ''} {names}") if given else without
    if unparsed:
        shown = ""
        kind = _WHOLE_BODY_TYPES[content_type.name][0]
        searched = f" with a single unnamed {kind} parameter"
    elif is_post and content_type.name == media.JSON:
        searched += " or with a single unnamed json/jsonb parameter"
    return ApiError(
        404,
        "PGRST202",
        f"Could not find the function {function}{shown} in the schema cache",
        f"Searched for the function {function}{searched}, but no matches were found in the schema cache.",
        None if unparsed else _suggestion(schema, name, given, overloads),
    )


def _suggestion(
    schema: Schema, name: Name, given: frozenset[str], overloads: Sequence[Routine]
) -> str | None:
    if not overloads:
        known = [other.name for other in schema.routines if other.schema == name.schema]
        found = nearest(name.name, known, least=STRICT_SCORE)
    else:
        listed = ["(" + ", ".join(sorted(p.name for p in routine.parameters)) + ")" for routine in overloads]
        parameters = nearest("(" + ", ".join(sorted(given)) + ")", listed)
        found = None if parameters is None else name.name + parameters
    return None if found is None else f"Perhaps you meant to call the function {name.schema}.{found}"


def _ambiguous(routines: Sequence[Routine]) -> ApiError:
    shown = ", ".join(
        f"{routine.id.schema}.{routine.id.name}("
        + ", ".join(f"{p.name} => {p.type}" for p in routine.parameters)
        + ")"
        for routine in routines
    )
    return ApiError(
        300,
        "PGRST203",
        f"Could not choose the best candidate function between: {shown}",
        hint="Try renaming the parameters or the function itself in the database so function overloading "
        "can be resolved",
    )
