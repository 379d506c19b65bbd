# ruff: noqa: E501 -- addresses are as long as they are
"""Reads that depend on names, types and settings: the cases of an orchard."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import quote

import httpx
import pytest

from svc_common.testing import ServiceProcess

from .protocol_cases import OBJECT, Case, fails, get, ids

if TYPE_CHECKING:
    from .library import Library

STRIPPED = {"Accept": "application/vnd.pgrst.array+json;nulls=stripped"}
_GARDEN = {"Accept-Profile": "باغ"}
_DEPRECATED = (
    '299 PostgREST "Embedded resource was referenced by relation name even though it has an alias. This is '
    "deprecated and will stop working in a future release. Update {} in query string filters, orders or limits."
    '"'
)


def trees(query: str, *numbers: int) -> Case:
    """The ids of the trees that a filter finds."""
    return get(f"/trees?select=id&order=id&{query}", ids(*numbers))


FULL_TEXT = [
    trees("kind=fts(simple).cherry", 1, 2),
    trees("found=fts(simple).cherry", 1, 2),
    trees("found=not.fts(simple).cherry", 3),
    trees("described=fts(simple).bark", 1, 2),
    trees("described=plfts(simple).red bark", 1),
    trees("searched=fts(simple).pear", 3),
    trees("searched=wfts(simple).cherry -sour", 2),
    trees("or=(searched.fts(simple).pear,found.fts(simple).sweet)", 2, 3),
    trees("data->tags=fts(simple).old", 1),
    fails(
        "/trees?years=fts.x",
        404,
        "42883",
        "operator does not exist: integer @@ tsquery",
        hint="No operator matches the given name and argument types. You might need to add explicit type casts.",
    ),
]

COMPUTED = [
    get("/trees?select=kind,years&years=gt.10&order=years", [{"kind": "sour cherry", "years": 20}]),
    get(
        "/growers?select=name,trees(kind)&order=id",
        [
            {"name": "Ida", "trees": [{"kind": "sweet cherry"}]},
            {"name": "Jon", "trees": [{"kind": "pear"}]},
            {"name": "Kai", "trees": []},
        ],
    ),
    get(
        "/growers?select=name,oldest(kind,planted)&order=oldest(planted).desc.nullslast&oldest=not.is.null",
        [
            {"name": "Jon", "oldest": {"kind": "pear", "planted": "2022-10-01"}},
            {"name": "Ida", "oldest": {"kind": "sour cherry", "planted": "2010-04-01"}},
        ],
    ),
    get("/growers?select=name,...oldest(first:kind)&id=eq.1", [{"name": "Ida", "first": "sour cherry"}]),
]

RELATED = [
    fails(
        "/growers?select=tools(name)",
        400,
        "PGRST200",
        "Could not find a relationship between 'growers' and 'tools' in the schema cache",
        details="Searched for a foreign key relationship between 'growers' and 'tools' in the schema 'orchard', "
        "but no matches were found.",
        hint="Perhaps you meant 'trees' instead of 'tools'.",
    ),
    # Every relationship of the tools is hidden: there is nothing to suggest
    fails(
        "/tools?select=growers(name)",
        400,
        "PGRST200",
        "Could not find a relationship between 'tools' and 'growers' in the schema cache",
        details="Searched for a foreign key relationship between 'tools' and 'growers' in the schema 'orchard', "
        "but no matches were found.",
    ),
    fails(
        "/bees?select=trees(kind)",
        300,
        "PGRST201",
        "Could not embed because more than one relationship was found for 'bees' and 'trees'",
        details=[
            {
                "cardinality": "many-to-one",
                "embedding": "bees with trees",
                "relationship": "bees_next_tree_id_fkey using bees(next_tree_id) and trees(id)",
            },
            {
                "cardinality": "many-to-one",
                "embedding": "bees with trees",
                "relationship": "bees_tree_id_fkey using bees(tree_id) and trees(id)",
            },
        ],
        hint="Try changing 'trees' to one of the following: 'trees!bees_next_tree_id_fkey', "
        "'trees!bees_tree_id_fkey'. Find the desired relationship in the 'details' key.",
    ),
    get(
        "/bees?select=now:trees!tree_id(kind),then:trees!next_tree_id(kind)",
        [
            {"now": {"kind": "sour cherry"}, "then": {"kind": "sweet cherry"}},
        ],
    ),
    get(
        "/trees?select=kind,parent_id(kind),trees(kind)&id=lt.3&order=id",
        [
            {"kind": "sour cherry", "parent_id": None, "trees": [{"kind": "sweet cherry"}]},
            {"kind": "sweet cherry", "parent_id": {"kind": "sour cherry"}, "trees": []},
        ],
    ),
    get("/trees?select=kind,harvests!inner()&harvests.kilos=gt.30", [{"kind": "sour cherry"}]),
    get(
        "/harvests?select=kilos,trees!inner(growers!inner(name))&trees.growers.name=eq.Jon",
        [
            {"kilos": 12, "trees": {"growers": {"name": "Jon"}}},
        ],
    ),
    get("/harvests?select=id&trees=is.null", status=400),
    get("/harvests?select=kilos,trees()&trees.data->soil->>ph=eq.7&trees=not.is.null", [{"kilos": 5}]),
]

SHAPES = [
    get("/trees?select=id,parent_id,data->soil->ph&id=eq.3", [{"id": 3}], headers=STRIPPED),
    get("/trees?select=id,growers(name)&id=eq.3", {"id": 3, "growers": {"name": "Jon"}}, headers=OBJECT),
    get("/trees?select=ph:data->soil->ph::float&order=data->soil->ph.desc.nullslast&limit=1", [{"ph": 7}]),
    get("/trees?select=data->tags->-1&id=eq.1", [{"tags": "low"}]),
    get("/harvests?select=season,kilos.sum(),count()&order=season", [
        {"season": "2023", "sum": 40, "count": 1},
        {"season": "2024", "sum": 52, "count": 3},
    ]),
    get("/harvests?select=kilos.sum(),...trees(grower_id)&trees.grower_id=eq.2&order=trees(grower_id).nullsfirst", [
        {"sum": 80, "grower_id": None},
        {"sum": 12, "grower_id": 2},
    ]),
    # The columns of a spread may be aggregated more than once, and beside themselves
    get("/harvests?select=season,...trees(planted.min(),planted.max())&order=season", [
        {"season": "2023", "min": "2010-04-01", "max": "2010-04-01"},
        {"season": "2024", "min": "2010-04-01", "max": "2022-10-01"},
    ]),
    get("/harvests?select=kilos.sum(),...trees(kind,kinds:kind.count(),...growers(name.max(),last:name.min()))&id=eq.4", [
        {"sum": 12, "kind": "pear", "kinds": 1, "max": "Jon", "last": "Jon"},
    ]),
    get("/harvests?select=...trees(id.max(),...growers(id.min(),name))&order=trees(name)", [
        {"max": 2, "min": 1, "name": "Ida"},
        {"max": 3, "min": 2, "name": "Jon"},
    ]),
    Case("GET", "/trees?select=id,kind&id=eq.3", text="id,kind\n3,pear", headers={"Accept": "text/csv"}),
    Case("GET", "/trees?select=kind,growers(id,name),harvests(id)&id=eq.3", headers={"Accept": "text/csv"},
         text='kind,growers,harvests\npear,"{""id"": 2, ""name"": ""Jon""}","[{""id"": 4}]"'),
]  # fmt: skip

NAMES = [
    get("/درخت?select=نام&id=eq.2", [{"نام": "سیب"}], headers=_GARDEN),
    get("/درخت?نام=eq.انار", [{"id": 1, "نام": "انار"}], headers=_GARDEN),
    get("/درخت?select=n:نام&نام=like.س*", [{"n": "سیب"}], headers=_GARDEN),
    Case("HEAD", "/درخت", text="", headers=_GARDEN),
    fails(
        "/درختت",
        404,
        "PGRST205",
        "Could not find the table 'باغ.درختت' in the schema cache",
        hint="Perhaps you meant the table 'باغ.درخت'",
        headers=_GARDEN,
    ),
    fails(
        "/trees",
        406,
        "PGRST106",
        "Invalid schema: میوه",
        hint="Only the following schemas are exposed: orchard, باغ",
        headers={"Accept-Profile": "میوه"},
    ),
]

_LONG = "branch_" * 9
_STEMS = f"/{_LONG}?select=name,from:stem(name,from:stem(name,from:stem(name)))"
LONG_NAMES = [
    get(_STEMS + "&id=eq.5", [
        {"name": "leaf", "from": {"name": "twig", "from": {"name": "bough", "from": {"name": "trunk"}}}},
    ]),
    get(f"/{_LONG}?select=name,{_LONG}(name,{_LONG}(name))&id=eq.1&{_LONG}.order=name", [
        {"name": "trunk", _LONG: [{"name": "bough", _LONG: [{"name": "twig"}]}, {"name": "limb", _LONG: []}]},
    ]),
    get(f"/{_LONG}?select=name,a:stem(name),b:{_LONG}(name)&id=eq.3", [
        {"name": "bough", "a": {"name": "trunk"}, "b": [{"name": "twig"}]},
    ]),
    get(f"/{_LONG}?select=name,...{_LONG}(names:name)&{_LONG}.order=id.desc,name&id=eq.1", [
        {"name": "trunk", "names": ["bough", "limb"]},
    ]),
    get(f"/{_LONG}?select=name,stem(name)&order=stem(name),name&stem=not.is.null&limit=2", [
        {"name": "twig", "stem": {"name": "bough"}}, {"name": "bough", "stem": {"name": "trunk"}},
    ]),
]  # fmt: skip

_OLD = "/trees?select=kind,yield:harvests(kilos),owner:growers(name)&id=eq.1"
_SPRING = "/trees?select=harvests(kilos),late:harvests(kilos)&id=eq.1"
TARGETS = [
    get(_OLD + "&yield.kilos=gt.36&owner.name=like.I*", [
        {"kind": "sour cherry", "yield": [{"kilos": 40}], "owner": {"name": "Ida"}},
    ], answer_headers={"Warning": None}),
    get(_OLD + "&harvests.limit=1&harvests.order=kilos", [
        {"kind": "sour cherry", "yield": [{"kilos": 35}], "owner": {"name": "Ida"}},
    ], answer_headers={"Warning": _DEPRECATED.format("`harvests` to `yield`")}),
    get(
        _OLD + "&harvests.or=(kilos.eq.1,kilos.eq.40)&growers.name=eq.Jon",
        [{"kind": "sour cherry", "yield": [{"kilos": 40}], "owner": None}],
        answer_headers={"Warning": _DEPRECATED.format("`harvests` to `yield`, `growers` to `owner`")},
    ),
    get(
        '/trees?select="a\\"%0D%0AX-Evil: b":harvests(kilos)&harvests.kilos=gt.36&id=eq.1',
        [{'a"\r\nX-Evil: b': [{"kilos": 40}]}],
        answer_headers={"Warning": _DEPRECATED.format('`harvests` to `a\\"??X-Evil: b`'), "X-Evil": None},
    ),
    get("/two%0Alines?select=id", [], answer_headers={"Content-Location": "/two%0Alines?select=id"}),
    get(_OLD + "&harvests.limit=x", answer_headers={"Warning": None}),
    get(_OLD + "&harvests.kilos=eq.x", status=400, answer_headers={"Warning": None}),
    get(_SPRING + "&harvests.season=eq.2023&late.season=eq.2024", [
        {"harvests": [{"kilos": 40}], "late": [{"kilos": 35}]},
    ]),
]  # fmt: skip

ONLY_ALIASES = [
    get(_OLD + "&yield.limit=1&yield.order=kilos", ...),
    get(_SPRING + "&harvests.season=eq.2023&late.season=eq.2024", [
        {"harvests": [{"kilos": 40}], "late": [{"kilos": 35}]},
    ]),
    *(
        fails(
            f"{_OLD}&{query}",
            400,
            "PGRST108",
            "'harvests' is not an embedded resource in this request",
            details="Target names are not allowed in filters if they have an alias",
            hint="Change 'harvests' to 'yield' in filters, orders or limits.",
        )
        for query in ("harvests.kilos=gt.1", "harvests.order=kilos", "harvests.limit=1", "harvests.or=(id.eq.1)")
    ),
    fails(
        _OLD + "&tools.id=eq.1",
        400,
        "PGRST108",
        "'tools' is not an embedded resource in this request",
        hint="Verify that 'tools' is included in the 'select' query parameter.",
    ),
]  # fmt: skip


@contextmanager
def _served(library: Library, **settings: str) -> Iterator[httpx.Client]:
    with (
        ServiceProcess(
            "pg_svc",
            PGRST_DB_URI=library.url_as("pgsvc_authenticator"),
            MIGRATE="never",
            PGRST_DB_SCHEMAS="orchard,باغ",
            PGRST_DB_ANON_ROLE="pgsvc_anon",
            **settings,
        ) as process,
        httpx.Client(base_url=process.url + "/rest", timeout=30, trust_env=False) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def orchard(library: Library) -> Iterator[httpx.Client]:
    """The service on the orchard."""
    with _served(library, PGRST_DB_AGGREGATES_ENABLED="true", PGRST_DB_PLAN_ENABLED="true") as client:
        yield client


@pytest.fixture(scope="module")
def strict(library: Library) -> Iterator[httpx.Client]:
    """As PostgREST's next version will be."""
    with _served(library, PGRST_URL_USE_LEGACY_TARGET_NAMES="false") as client:
        yield client


def _utf8(headers: Mapping[str, str]) -> httpx.Headers:
    return httpx.Headers(dict(headers), encoding="utf-8")


def _check(client: httpx.Client, case: Case) -> None:
    response = client.request(case.method, case.path, headers=_utf8(case.headers))
    assert response.status_code == case.status, response.text
    if case.expected is not ...:
        assert response.json() == case.expected
    if case.text is not None:
        assert response.text == case.text
    for name, value in case.answer_headers.items():
        assert response.headers.get(name) == value, name


@pytest.mark.parametrize(
    "case",
    [*FULL_TEXT, *COMPUTED, *RELATED, *SHAPES, *NAMES, *LONG_NAMES, *TARGETS],
    ids=lambda case: case.name,
)
def test_read(orchard: httpx.Client, case: Case) -> None:
    _check(orchard, case)


@pytest.mark.parametrize("case", ONLY_ALIASES, ids=lambda case: case.name)
def test_an_embed_goes_by_its_alias_alone(strict: httpx.Client, case: Case) -> None:
    _check(strict, case)


def test_headers_carry_names_as_utf8(orchard: httpx.Client) -> None:
    response = orchard.get("/درخت", headers=_utf8(_GARDEN))
    headers = {name: value.decode() for name, value in response.headers.raw}
    assert headers[b"Content-Location"] == "/درخت"
    assert headers[b"Content-Profile"] == "باغ"
    added = orchard.post(
        "/درخت",
        json={"id": 9, "نام": "به"},
        headers=_utf8({"Content-Profile": "باغ", "Prefer": "return=headers-only"}),
    )
    assert added.status_code == 201, added.text
    assert added.headers["Location"] == f"/{quote('درخت')}?id=eq.9"


def test_a_plan_tells_how_a_body_is_made(orchard: httpx.Client) -> None:
    shown = 'application/vnd.pgrst.plan+json; for="application/json"; options=verbose'
    read = orchard.get("/trees", headers={"Accept": shown})
    assert read.headers["Content-Type"] == shown + "; charset=utf-8"
    assert read.json()[0]["Plan"]["Output"][2].startswith("COALESCE(json_agg(")
    written = orchard.post(
        "/درخت",
        json={"id": 8},
        headers=_utf8({"Accept": shown, "Content-Profile": "باغ", "Prefer": "return=representation"}),
    )
    assert written.json()[0]["Plan"]["Output"][3].startswith("COALESCE(json_agg(")
    assert orchard.get("/درخت?id=eq.8", headers=_utf8(_GARDEN)).json() == []
