"""Understanding a request, without a server: the query string, ranges, preferences, media types."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pg_svc.errors import ApiError
from pg_svc.request.media import parse_accept, parse_media_type
from pg_svc.request.preferences import Preferences, parse_preferences
from pg_svc.request.query import parse_query, split_query
from pg_svc.request.ranges import content_range, range_status, top_range
from pg_svc.request.recall import LONGEST, remembered
from pg_svc.request.types import (
    Field,
    Filter,
    JsonStep,
    Logic,
    Operation,
    OrderTerm,
    RowRange,
    SelectField,
    SelectRelation,
)


def test_long_texts_are_not_kept() -> None:
    parsed: list[str] = []

    @remembered(8)
    def parse(text: str) -> int:
        parsed.append(text)
        return len(parsed)

    short, long = "x" * LONGEST, "x" * (LONGEST + 1)
    assert [parse(text) for text in (short, short, long, long, short)] == [1, 1, 2, 3, 1]
    assert parsed == [short, long, long]


@pytest.mark.parametrize(
    "query",
    [
        "select=" + "id," * 30_000 + "id",
        "order=" + "id," * 30_000 + "id",
        "or=(" + "id.eq.1," * 10_000 + "id.eq.1)",
        "columns=" + "id," * 30_000 + "id",
        "&".join(f"parent.b{number}=eq.1" for number in range(9000)),
        "&".join(f"parent.b{number}.limit=1" for number in range(9000)),
        'id=eq.1&name=in.("' + 'x\\"' * 30_000 + '")',
    ],
)
def test_a_query_is_too_long_for_the_grammar(query: str) -> None:
    with pytest.raises(ApiError, match="The query is too long") as refused:
        parse_query(query)
    assert (refused.value.status, refused.value.code) == (400, "PGRST100")


def test_long_lists_are_not_too_long() -> None:
    names = tuple(f"name, {number}" for number in range(10_000))
    ((_, found),) = parse_query("name=in.(" + ",".join(f'"{name}"' for name in names) + ")").filters
    assert found.operation == Operation("in", names)
    ((_, found),) = parse_query("name=eq." + "x" * 1_000_000).filters
    assert found.operation == Operation("eq", "x" * 1_000_000)


def test_too_many_parameters() -> None:
    assert len(parse_query("&".join(["id=eq.1"] * 10_000)).filters) == 10_000
    with pytest.raises(ApiError, match="too many parameters"):
        parse_query("&".join(["id=eq.1"] * 10_001))


def test_limits_are_numbers_in_ascii() -> None:
    assert parse_query("limit=\u0663&offset=\u0664").root_range().everything


def test_select() -> None:
    query = parse_query(
        "select=a:b->c->>1::text,sum(),rel!hint!inner(x),...s(*)&order=a->b.desc.nullslast,r(c)"
    )
    assert query.select == (
        SelectField(
            Field("b", (JsonStep("c"), JsonStep("+1", index=True, text=True))), alias="a", cast="text"
        ),
        SelectRelation("sum", children=()),
        SelectRelation("rel", hint="hint", inner=True, children=(SelectField(Field("x")),)),
        SelectRelation("s", spread=True, children=(SelectField(Field("*")),)),
    )
    assert query.order == (
        (
            (),
            (
                OrderTerm(Field("a", (JsonStep("b"),)), "desc", "nullslast"),
                OrderTerm(Field("c"), relation="r"),
            ),
        ),
    )


@pytest.mark.parametrize(
    ("text", "operation"),
    [
        ("eq.1", Operation("eq", "1")),
        ("not.eq.", Operation("eq", "", negated=True)),
        ("like(any).{a*,b}", Operation("like", "{a*,b}", "any")),
        ("in.(1,2)", Operation("in", ("1", "2"))),
        ('in.("a,b","c\\"d")', Operation("in", ("a,b", 'c"d'))),
        ('not.in.("a,(b","",c d,e"f,)', Operation("in", ("a,(b", "", "c d", 'e"f', ""), negated=True)),
        ('in.( "a" ,"b"c)', Operation("in", ('"a" ', '"b"c'))),
        ("fts(german).x", Operation("fts", "x", "german")),
        ("eq.%E2%82%AC+1", Operation("eq", "\u20ac 1")),
    ],
)
def test_operations(text: str, operation: Operation) -> None:
    assert parse_query(f"a={text}").filters == (((), Filter(Field("a"), operation)),)


def test_logic_and_the_way_to_an_embed() -> None:
    query = parse_query("x.y.not.or=(a.eq.1,not.and(b.gt.2,c.is.null))&x.limit=3&x.y.z=eq.1")
    ((path, tree),) = query.logic
    assert path == ("x", "y")
    assert isinstance(tree, Logic)
    assert (tree.operator, tree.negated) == ("or", True)
    assert tree.children[0] == Filter(Field("a"), Operation("eq", "1"))
    assert isinstance(tree.children[1], Logic)
    assert tree.children[1].negated
    assert query.ranges == ((("x",), RowRange(0, 3)),)
    assert query.filters[0][0] == ("x", "y")


@pytest.mark.parametrize(
    "text", ["a=1", "select=a(", "order=a.up", "or=(a.eq.1", "a=eq(any)", "limit=x&a=is.z"]
)
def test_what_cannot_be_understood(text: str) -> None:
    with pytest.raises(ApiError) as caught:
        parse_query(text)
    assert (caught.value.status, caught.value.code) == (400, "PGRST100")
    assert "(line 1, column " in caught.value.message


@given(st.text(max_size=200))
def test_any_query_string_is_understood_or_refused(text: str) -> None:
    for query in (text, f"select={text}", f"order={text}", f"or={text}", f"a={text}", f"columns={text}"):
        try:
            parse_query(query)
        except ApiError as error:
            status = error.status
        else:
            status = 400
        assert status == 400


def test_the_canonical_query() -> None:
    assert parse_query("b=eq.a%20b&a=eq.%3D").canonical == "a=eq.%3D&b=eq.a%20b"
    assert split_query("a&&b=&c=d=e") == [("a", None), ("b", ""), ("c", "d=e")]


@pytest.mark.parametrize(
    ("query", "header", "rows"),
    [
        (RowRange(), None, RowRange()),
        (RowRange(), "0-9", RowRange(0, 10)),
        (RowRange(), "5-", RowRange(5)),
        (RowRange(2, 5), "3-100", RowRange(3, 4)),
        (RowRange(4, 0), "0-1", RowRange(4, 0)),
        (RowRange(), "bytes=0-1", RowRange()),
    ],
)
def test_ranges(query: RowRange, header: str | None, rows: RowRange) -> None:
    assert top_range(query, header) == rows


@pytest.mark.parametrize(
    ("query", "header"), [(RowRange(0, -1), None), (RowRange(), "5-1"), (RowRange(9, 1), "0-3")]
)
def test_impossible_ranges(query: RowRange, header: str | None) -> None:
    with pytest.raises(ApiError) as caught:
        top_range(query, header)
    assert (caught.value.status, caught.value.code) == (416, "PGRST103")


def test_content_ranges() -> None:
    assert content_range(0, 9, 100) == "0-9/100"
    assert content_range(0, -1, None) == "*/*"
    assert content_range(0, 0, 0) == "*/0"
    assert [
        range_status(0, 2, None),
        range_status(0, 2, 2),
        range_status(0, 2, 3),
        range_status(4, 0, 3),
    ] == [
        200,
        200,
        206,
        416,
    ]


def test_preferences() -> None:
    given_headers = [
        "return=minimal, return=representation",
        "tx=rollback, count=exact, max-affected=3, x=y, timezone=UTC",
    ]
    found = parse_preferences(given_headers, tx_allowed=False)
    assert found == Preferences(
        representation="minimal", count="exact", max_affected=3, timezone="UTC", invalid=("x=y",)
    )
    assert found.applied("return", "count", "max-affected", "timezone") == (
        "return=minimal, count=exact, timezone=UTC"
    )
    strict = parse_preferences(["handling=strict,max-affected=3"], tx_allowed=True)
    assert strict.applied("handling", "max-affected") == "handling=strict, max-affected=3"


def test_media_types() -> None:
    accepted = parse_accept("text/csv;q=0.5, application/json;q=0.9, */*;q=0.1")
    assert [wanted.name for wanted in accepted] == ["application/json", "text/csv", "*/*"]
    plan = parse_media_type('application/vnd.pgrst.plan+json; for="text/csv"; options=analyze|verbose')
    assert plan.plan_for is not None
    assert (plan.plan_for.name, plan.plan_format, plan.plan_options) == (
        "text/csv",
        "json",
        ("analyze", "verbose"),
    )
    assert parse_media_type("application/vnd.pgrst.object+json;nulls=stripped").content_type == (
        "application/vnd.pgrst.object+json;nulls=stripped; charset=utf-8"
    )
