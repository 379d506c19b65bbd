"""A whole request held against the schema: what is to be run, and how its result is answered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from urllib.parse import quote

from pg_svc.errors import (
    bad_preferences,
    max_affected_needs_set,
    not_single,
    put_key_mismatch,
    timezone_too_long,
    too_many_affected,
)
from pg_svc.plan.call import call_plan, find_routine
from pg_svc.plan.mutate import mutate_plan
from pg_svc.plan.negotiate import negotiate
from pg_svc.plan.read import needed_columns, read_plan, require_table
from pg_svc.plan.targets import deprecations
from pg_svc.plan.types import Compare, Condition, Group, InsertPlan, Output, ReadPlan
from pg_svc.render import (
    Answer,
    RowSet,
    call_answer,
    delete_answer,
    insert_answer,
    put_answer,
    read_answer,
    read_headers,
    update_answer,
)
from pg_svc.request import media
from pg_svc.request.api import ApiRequest
from pg_svc.schema.model import Name, Routine, Schema
from pg_svc.sql.builder import Sql
from pg_svc.sql.read import count_query
from pg_svc.sql.statement import (
    call_statement,
    explain,
    read_statement,
    stream_statement,
    write_statement,
)
from pg_svc.sql.write import call_query


@dataclass(frozen=True, slots=True)
class Limits:
    """What the configuration allows."""

    max_rows: int | None = None
    aggregates: bool = False
    plans: bool = False
    by_relation: bool = True
    verbose: bool = True


@dataclass(frozen=True, slots=True)
class Action:
    """What to run and how to answer.

    ``answer`` makes the answer of the result's row; it raises ApiError when nothing must be stored.
    ``estimate`` is the statement whose plan tells a total where counting was not wanted.
    """

    statement: Sql
    output: Output
    read_only: bool
    answer: Callable[[RowSet], Answer]
    routine: Routine | None = None
    estimate: Sql | None = None
    estimate_always: bool = False
    reading: ReadPlan | None = None
    notices: tuple[tuple[str, str], ...] = ()
    """Headers that go with any answer but an error."""


def plan_action(schema: Schema, request: ApiRequest, limits: Limits) -> Action:
    """Plan a request on a table or a function. Raises ApiError."""
    if request.address.kind == "function":
        return _call(schema, request, limits)
    table = Name(request.schema, request.address.name)
    require_table(schema, table)
    if request.reads:
        return _read(schema, request, table, limits)
    return _write(schema, request, table, limits)


def _read(schema: Schema, request: ApiRequest, table: Name, limits: Limits) -> Action:
    plan = read_plan(
        schema,
        table,
        request.query,
        rows=request.rows,
        max_rows=limits.max_rows,
        aggregates=limits.aggregates,
        by_relation=limits.by_relation,
    )
    output = negotiate(
        schema, table, request.accepted, plan, plans_allowed=limits.plans, streams=not request.is_head
    )
    _check_preferences(schema, request)
    made = _without_body(output) if request.is_head else output
    preferences = request.preferences
    if output.kind == "ndjson":
        made = output
        statement = stream_statement(plan, output)
    else:
        statement = read_statement(plan, made, count=preferences.count, max_rows=limits.max_rows)
    canonical = request.query.canonical
    name = table.name if table.name.isprintable() else quote(table.name)  # a header takes no line breaks
    location = f"/{name}" + (f"?{canonical}" if canonical else "")

    headers = read_headers(output, preferences, location=location, profile=request.profile)
    offset, is_head = request.rows.offset, request.is_head

    def answer(rows: RowSet) -> Answer:
        _check_single(output, rows)
        return read_answer(rows, offset, headers, is_head=is_head, verbose=limits.verbose)

    estimate = None
    if preferences.count in ("planned", "estimated"):
        estimate = explain(count_query(plan), "json")
    return Action(
        _explained(statement, output),
        output,
        True,
        answer,
        estimate=None if output.media_type.is_plan else estimate,
        estimate_always=preferences.count == "planned",
        reading=plan,
        notices=deprecations(plan),
    )


def _write(schema: Schema, request: ApiRequest, table: Name, limits: Limits) -> Action:
    preferences = request.preferences
    plan = read_plan(
        schema,
        table,
        request.query,
        from_source=True,
        is_write=True,
        aggregates=limits.aggregates,
        by_relation=limits.by_relation,
    )
    mutation = mutate_plan(schema, table, request.method, request.query, request.payload, preferences, plan)
    _check_preferences(schema, request)
    output = negotiate(schema, table, request.accepted, plan, plans_allowed=limits.plans)
    made = output if preferences.representation == "representation" else _without_body(output)
    statement = write_statement(mutation, plan, made, location=preferences.representation == "headers-only")
    has_target = isinstance(mutation, InsertPlan) and bool(
        mutation.key or request.query.on_conflict is not None
    )

    def answer(rows: RowSet) -> Answer:
        if request.method == "PUT":
            if rows.page != 1:
                raise put_key_mismatch()
            return put_answer(rows, output, preferences, profile=request.profile)
        _check_single(output, rows)
        if request.method == "POST":
            return insert_answer(
                rows,
                output,
                preferences,
                table=table.name,
                has_target=has_target,
                profile=request.profile,
            )
        _check_affected(request, rows)
        if request.method == "PATCH":
            return update_answer(rows, output, preferences, profile=request.profile)
        return delete_answer(rows, output, preferences, profile=request.profile)

    return Action(_explained(statement, output), output, False, answer, notices=deprecations(plan))


def find_called(schema: Schema, request: ApiRequest) -> tuple[Routine, frozenset[str]]:
    """The function that a request means, and the names of its arguments."""
    name = Name(request.schema, request.address.name)
    if request.method == "POST":
        given = frozenset(request.payload.keys if request.payload else ())
    else:
        given = frozenset(key for key, _ in request.query.arguments)
    is_post = request.method == "POST"
    return find_routine(schema, name, given, request.content_type, is_post=is_post), given


def _call(schema: Schema, request: ApiRequest, limits: Limits) -> Action:
    routine, given = find_called(schema, request)
    returned = routine.returns.name if routine.returns_composite else routine.id.name
    identifier = Name(routine.id.schema, returned)
    plan = read_plan(
        schema,
        identifier,
        request.query,
        rows=request.rows,
        from_source=True,
        max_rows=limits.max_rows,
        aggregates=limits.aggregates,
        by_relation=limits.by_relation,
    )
    payload = request.payload
    pairs: tuple[tuple[str, str], ...] | None = None
    if request.reads:
        pairs = request.query.arguments
    elif request.content_type.name == media.FORM and payload is not None:
        pairs = payload.pairs
    called = call_plan(routine, given, pairs=pairs, payload=payload, returning=_call_columns(plan))
    output = negotiate(schema, identifier, request.accepted, plan, plans_allowed=limits.plans)
    _check_preferences(schema, request)
    preferences = request.preferences
    if preferences.strict and preferences.max_affected is not None and not routine.returns_set:
        raise max_affected_needs_set()
    made = _without_body(output) if request.is_head else output
    statement = call_statement(call_query(called), plan, routine, made, count=preferences.count)

    def answer(rows: RowSet) -> Answer:
        _check_single(output, rows)
        _check_affected(request, rows)
        return call_answer(
            rows,
            output,
            request.rows,
            preferences,
            is_void=routine.is_void,
            profile=request.profile,
            is_head=request.is_head,
            verbose=limits.verbose,
        )

    read_only = request.reads or routine.volatility in ("s", "i")
    return Action(
        _explained(statement, output),
        output,
        read_only,
        answer,
        routine=routine,
        reading=plan,
        notices=deprecations(plan),
    )


def _call_columns(plan: ReadPlan) -> tuple[str, ...]:
    """What the call must select: what is shown, and what is filtered by."""
    columns = needed_columns(plan)
    if columns in ((), ("*",)):
        return columns
    return tuple(sorted({*columns, *filtered_columns(plan)}))


def filtered_columns(plan: ReadPlan) -> set[str]:
    """The columns that the root's own conditions name."""

    def names(condition: Condition) -> set[str]:
        if isinstance(condition, Compare):
            return {condition.ref.name}
        if isinstance(condition, Group):
            return set().union(*(names(child) for child in condition.children))
        return set()

    return set().union(*(names(condition) for condition in plan.where))


def _explained(statement: Sql, output: Output) -> Sql:
    wanted = output.media_type
    if wanted.plan_format is None:
        return statement
    return explain(statement, wanted.plan_format, wanted.plan_options)


def _without_body(output: Output) -> Output:
    return replace(output, kind="none", handler=None)


def _check_preferences(schema: Schema, request: ApiRequest) -> None:
    preferences = request.preferences
    if preferences.strict and preferences.invalid:
        raise bad_preferences(preferences.invalid)
    if len(preferences.timezone or "") > _LONGEST_TIMEZONE and not _takes_any_timezone(schema.server_version):
        raise timezone_too_long(_LONGEST_TIMEZONE)


_LONGEST_TIMEZONE = 24
_FIXED = {14: 140024, 15: 150019, 16: 160015, 17: 170011, 18: 180006}


def _takes_any_timezone(version: int) -> bool:
    """Whether the server has the fix of CVE-2026-14669: to_char() trusted the length of a zone's name."""
    return version >= _FIXED.get(version // 10000, 190000)


def _check_single(output: Output, rows: RowSet) -> None:
    if output.media_type.is_object and rows.page != 1:
        raise not_single(rows.page)


def _check_affected(request: ApiRequest, rows: RowSet) -> None:
    most = request.preferences.max_affected
    if request.preferences.strict and most is not None and rows.page > most:
        raise too_many_affected(rows.page)
