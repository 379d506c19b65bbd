# ruff: noqa: E501 -- addresses are as long as they are
"""The cases of the protocol: request → status, body, headers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

JSON = "application/json; charset=utf-8"
OBJECT = {"Accept": "application/vnd.pgrst.object+json"}
RETURN = {"Prefer": "return=representation"}


@dataclass(frozen=True)
class Case:
    """``expected`` is the answer's JSON (``...``: not looked at), ``text`` its exact text.

    ``error_code`` is that of the error that it is.
    """

    method: str
    path: str
    status: int = 200
    expected: Any = ...
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    content: str | bytes | None = None
    text: str | None = None
    answer_headers: Mapping[str, str | None] = field(default_factory=dict)
    reason: str | None = None
    error_code: str | None = None

    @property
    def name(self) -> str:
        """For the test's id."""
        extra = " ".join(f"{name}: {value}" for name, value in self.headers.items())
        return (
            f"{self.method} {self.path[:90]} {extra[:60]} {str(self.body)[:30] if self.body else ''}".strip()
        )


def get(path: str, expected: Any = ..., status: int = 200, **more: Any) -> Case:
    """A GET."""
    return Case("GET", path, status, expected, **more)


def fails(path: str, status: int, code: str, message: str, **more: Any) -> Case:
    """A GET that is refused, with the whole error."""
    details, hint = more.pop("details", None), more.pop("hint", None)
    error = {"code": code, "message": message, "details": details, "hint": hint}
    method = more.pop("method", "GET")
    return Case(method, path, status, error, **more)


def ids(*numbers: int) -> list[dict[str, int]]:
    """``[{"id": 1}, …]``."""
    return [{"id": number} for number in numbers]


def books(query: str, *numbers: int) -> Case:
    """The ids of the books that a filter finds."""
    return get(f"/books?select=id&order=id&{query}", ids(*numbers))


FILTERS = [
    books("id=eq.1", 1),
    books("id=neq.1", 2, 3, 4),
    books("id=gt.2", 3, 4),
    books("id=gte.2", 2, 3, 4),
    books("id=lt.2", 1),
    books("id=lte.2", 1, 2),
    books("title=like.*n*", 1, 2, 4),
    books("title=like(any).{E*,R*}", 1, 3),
    books("title=like(all).{*e*,*s}", 1, 2, 3),
    books("title=ilike.e*", 1),
    books("title=match.^[EG]", 1, 2),
    books("title=imatch.^e", 1),
    books("id=in.(1,3)", 1, 3),
    books('title=in.("Engines","a,b")', 1),
    books("id=in.()"),
    books("id=not.in.(1,3)", 2, 4),
    books("price=is.null", 3),
    books("price=is.NULL", 3),
    books("price=not.is.null", 1, 2, 4),
    books("price=is.not_null", 1, 2, 4),
    books("price=isdistinct.7", 1, 3, 4),
    books("price=not.isdistinct.7", 2),
    books("tags=cs.{green}", 2, 3),
    books("tags=cd.{green,water,x}", 2, 3, 4),
    books("tags=ov.{old,water}", 1, 3),
    books('meta=cs.{"n":5}', 1),
    books("loan=sl.[2024-02-10,2024-04-01)", 1),
    books("loan=sr.[2023-01-01,2024-01-10)", 2),
    books("loan=nxr.[2023-12-01,2024-02-05)", 1),
    books("loan=nxl.[2024-01-10,2024-06-01)", 2),
    books("loan=adj.[2024-02-01,2024-02-10)", 1),
    books("loan=ov.[2024-01-20,2024-01-25)", 1, 2),
    books("id=eq(any).{1,4}", 1, 4),
    books("id=gt(all).{1,2}", 3, 4),
    books("meta->n=eq.7", 2),
    books("meta->>n=eq.7", 2),
    books("meta->a->b->1->>c=eq.deep", 1),
    books("meta->a->b->-1->>c=eq.deep", 1),
    books('tags->0=eq."green"', 2, 3),
    books("tags->>1=eq.water", 3),
    books("or=(id.eq.1,id.eq.4)", 1, 4),
    books("or=(id.eq.1,and(id.gt.2,id.lt.4))", 1, 3),
    books("and=(id.gt.1,id.lt.4)", 2, 3),
    books("not.or=(id.eq.1,id.eq.2)", 3, 4),
    books("not.and=(id.gte.2,id.lte.3)", 1, 4),
    books("or=(not.and(id.gte.2,id.lte.3),id.eq.2)", 1, 2, 4),
    books('or=(id.in.(1,2),title.eq."Rivers")', 1, 2, 3),
    books("or=(tags.cs.{green},price.is.null)", 2, 3),
    books("or=(price.not.is.null,id.eq.3)", 1, 2, 3, 4),
    books("or=(title.like.*s,id.eq.4)&id=gt.1", 2, 3, 4),
    books("id=gt.1&id=lt.3", 2),
    books("full_title=eq.Rivers!", 3),
    books("cover=eq.%230000ff", 1),
    books("cover=in.(%230000ff,%2300ff00)", 1, 2),
    get("/notes?select=weight&body=fts.fox", [{"weight": 1}]),
    get("/notes?select=weight&body=plfts.brown fox", [{"weight": 1}]),
    get("/notes?select=weight&body=phfts.lazy dog", [{"weight": 2}]),
    get("/notes?select=weight&body=wfts.fox -dog", [{"weight": 1}]),
    get("/notes?select=weight&body=fts(english).foxes", [{"weight": 1}]),
    get("/notes?select=weight&body=not.fts(simple).fox", [{"weight": 2}]),
    fails("/notes?body=fts(0).x", 400, "42704", 'text search configuration "0" does not exist'),
    get(
        "/notes?select=weight&or=(body.fts(english).foxes,weight.eq.2)&order=weight",
        [{"weight": 1}, {"weight": 2}],
    ),
    get("/authors?select=id&mood=eq.grim", ids(3)),
    get("/odd name?select=id&a column=eq.one", ids(1)),
    get('/odd name?select=id&":x"=eq.x', ids(1)),
    get("/odd%20name?select=per%25cent", status=400),
    fails(
        "/books?id=foo.1",
        400,
        "PGRST100",
        '"failed to parse filter (foo.1)" (line 1, column 1)',
        details='unexpected "f" expecting "not" or operator (eq, gt, ...)',
    ),
    fails(
        "/books?id=is.maybe",
        400,
        "PGRST100",
        '"failed to parse filter (is.maybe)" (line 1, column 4)',
        details='unexpected "m" expecting isVal: (null, not_null, true, false, unknown)',
    ),
    fails("/books?id=eq.x", 400, "22P02", 'invalid input syntax for type integer: "x"'),
    fails("/books?nope=eq.x", 400, "42703", "column books.nope does not exist"),
    fails(
        "/books?tags=cs.x",
        400,
        "22P02",
        'malformed array literal: "x"',
        details='Array value must start with "{" or dimension information.',
    ),
    fails(
        "/books?id=like.1",
        404,
        "42883",
        "operator does not exist: integer ~~ unknown",
        hint="No operator matches the given name and argument types. You might need to add explicit type casts.",
    ),
    fails(
        "/books?nope.id=eq.1",
        400,
        "PGRST108",
        "'nope' is not an embedded resource in this request",
        hint="Verify that 'nope' is included in the 'select' query parameter.",
    ),
]

SELECTS = [
    get("/authors?select=id,name&id=eq.1", [{"id": 1, "name": "Ada"}]),
    get("/authors?select=key:id,who:name&id=eq.1", [{"key": 1, "who": "Ada"}]),
    get("/authors?select=id::text,born::text&id=eq.1", [{"id": "1", "born": "1815-12-10"}]),
    get("/authors?select=year:born::text&id=eq.1", [{"year": "1815-12-10"}]),
    get("/books?select=meta->n&id=eq.1", [{"n": 5}]),
    get("/books?select=meta->>n&id=eq.1", [{"n": "5"}]),
    get("/books?select=deep:meta->a->b->1->>c&id=eq.1", [{"deep": "deep"}]),
    get("/books?select=meta->a->b->0&id=eq.1", [{"b": 1}]),
    get("/books?select=tags->0&id=eq.1", [{"tags": "math"}]),
    get("/books?select=meta->n::text&id=eq.1", [{"n": "5"}]),
    get("/books?select=full_title&id=eq.1", [{"full_title": "Engines!"}]),
    get("/books?select=cover&id=eq.1", [{"cover": "#0000ff"}]),
    get("/books?select=c:cover&id=eq.1", [{"c": "#0000ff"}]),
    get(
        "/books?select=*&id=eq.4",
        [
            {
                "id": 4,
                "title": "Orphan",
                "author_id": None,
                "editor_id": None,
                "price": 3.25,
                "tags": [],
                "meta": {"n": 1},
                "loan": None,
                "cover": None,
            }
        ],
    ),
    get('/odd name?select=a column,":x"', [{"a column": "one", ":x": "x"}]),
    get('/odd name?select="per%25cent"', [{"per%cent": "100%"}]),
    get("/authors?select=", ...),
    get(
        "/books_view?select=id,book_title,reviewed&id=eq.1",
        [{"id": 1, "book_title": "Engines", "reviewed": 2}],
    ),
    get("/author_names?order=id&limit=1", [{"id": 1, "name": "Ada"}]),
    fails("/books?select=nope", 400, "42703", "column books.nope does not exist"),
    fails("/books?select=id::nope", 400, "42704", 'type "nope" does not exist'),
    fails(
        "/nope",
        404,
        "PGRST205",
        "Could not find the table 'library.nope' in the schema cache",
    ),
    fails(
        "/book",
        404,
        "PGRST205",
        "Could not find the table 'library.book' in the schema cache",
        hint="Perhaps you meant the table 'library.books'",
    ),
    fails(
        "/books?select=id,,title",
        400,
        "PGRST100",
        '"failed to parse select parameter (id,,title)" (line 1, column 4)',
        details='unexpected "," expecting "...", field name (* or [a..z0..9_$]), "*" or "count()"',
    ),
    fails("/a/b", 404, "PGRST125", "Invalid path specified in request URL"),
]

ORDERS = [
    get("/books?select=id&order=price.desc", ids(3, 1, 2, 4)),
    get("/books?select=id&order=price.desc.nullslast", ids(1, 2, 4, 3)),
    get("/books?select=id&order=price.asc.nullsfirst", ids(3, 4, 2, 1)),
    get("/books?select=id&order=price.nullsfirst", ids(3, 4, 2, 1)),
    get("/books?select=id&order=author_id.desc.nullslast,id.desc", ids(3, 2, 1, 4)),
    get("/books?select=id&order=meta->n.desc.nullslast", ids(2, 1, 4, 3)),
    get("/books?select=id&order=full_title.desc", ids(3, 4, 2, 1)),
    get(
        "/books?select=id,authors!author_id(name)&order=authors(name).desc.nullslast,id&id=lt.4",
        [
            {"id": 2, "authors": {"name": "Ben"}},
            {"id": 3, "authors": {"name": "Ben"}},
            {"id": 1, "authors": {"name": "Ada"}},
        ],
    ),
    fails(
        "/authors?select=*,reviews:staff(*)",
        400,
        "PGRST200",
        "Could not find a relationship between 'authors' and 'staff' in the schema cache",
        details="Searched for a foreign key relationship between 'authors' and 'staff' in the schema "
        "'library', but no matches were found.",
    ),
    fails(
        "/books?select=id,reviews(id)&order=reviews(id)",
        400,
        "PGRST118",
        "A related order on 'reviews' is not possible",
        details="'books' and 'reviews' do not form a many-to-one or one-to-one relationship",
    ),
    fails(
        "/books?select=id&order=reviews(id)",
        400,
        "PGRST108",
        "'reviews' is not an embedded resource in this request",
        hint="Verify that 'reviews' is included in the 'select' query parameter.",
    ),
    fails(
        "/books?order=id.foo",
        400,
        "PGRST100",
        '"failed to parse order (id.foo)" (line 1, column 4)',
        details='unexpected "f" expecting "asc", "desc", "nullsfirst" or "nullslast"',
    ),
]

RANGES = [
    get("/books?select=id&order=id&limit=2", ids(1, 2), answer_headers={"Content-Range": "0-1/*"}),
    get("/books?select=id&order=id&limit=2&offset=1", ids(2, 3), answer_headers={"Content-Range": "1-2/*"}),
    get("/books?select=id&order=id&offset=3", ids(4), answer_headers={"Content-Range": "3-3/*"}),
    get("/books?limit=0", [], answer_headers={"Content-Range": "*/*"}),
    get(
        "/books?select=id&order=id",
        ids(2, 3),
        headers={"Range": "1-2"},
        answer_headers={"Content-Range": "1-2/*"},
    ),
    get("/books?select=id&order=id&limit=3", ids(1, 2), headers={"Range": "0-1"}),
    get("/books?select=id&order=id", ids(3, 4), headers={"Range": "2-"}),
    get(
        "/books?select=id&order=id&limit=2",
        ids(1, 2),
        206,
        headers={"Prefer": "count=exact"},
        answer_headers={"Content-Range": "0-1/4", "Preference-Applied": "count=exact"},
    ),
    get(
        "/books?select=id&order=id",
        ids(1, 2, 3, 4),
        200,
        headers={"Prefer": "count=exact"},
        answer_headers={"Content-Range": "0-3/4"},
    ),
    get(
        "/books?id=eq.99", [], 200, headers={"Prefer": "count=exact"}, answer_headers={"Content-Range": "*/0"}
    ),
    get(
        "/books?select=id&id=lt.3",
        ...,
        headers={"Prefer": "count=estimated"},
        answer_headers={"Preference-Applied": "count=estimated"},
    ),
    Case(
        "HEAD",
        "/books?limit=1",
        206,
        headers={"Prefer": "count=exact"},
        text="",
        answer_headers={"Content-Range": "0-0/4", "Content-Type": JSON},
    ),
    Case("HEAD", "/books", 200, text="", answer_headers={"Content-Range": "0-3/*"}),
    fails(
        "/books?limit=-1",
        416,
        "PGRST103",
        "Requested range not satisfiable",
        details="Limit should be greater than or equal to zero.",
    ),
    fails(
        "/books",
        416,
        "PGRST103",
        "Requested range not satisfiable",
        headers={"Range": "1-0"},
        details="The lower boundary must be lower than or equal to the upper boundary in the Range header.",
    ),
    fails(
        "/books?offset=100",
        416,
        "PGRST103",
        "Requested range not satisfiable",
        headers={"Prefer": "count=exact"},
        answer_headers={"Content-Range": "*/4"},
        details="An offset of 100 was requested, but there are only 4 rows.",
    ),
    get("/books?offset=100", [], 200, answer_headers={"Content-Range": "*/*"}),
    get("/books?limit=x&select=id&order=id", ids(1, 2, 3, 4)),
    get("/books?select=id&order=id&offset=-4", ids(1, 2, 3, 4)),
    get(
        "/books?select=id,reviews!inner(stars)&reviews.stars=gte.4",
        [{"id": 1, "reviews": [{"stars": 5}, {"stars": 4}]}],
        headers={"Prefer": "count=exact"},
        answer_headers={"Content-Range": "0-0/1"},
    ),
]

EMBEDS = [
    get("/reviews?select=id,books(title)&id=eq.1", [{"id": 1, "books": {"title": "Engines"}}]),
    get(
        "/books?select=id,reviews(stars)&order=id&reviews.order=stars",
        [
            {"id": 1, "reviews": [{"stars": 4}, {"stars": 5}]},
            {"id": 2, "reviews": [{"stars": 1}]},
            {"id": 3, "reviews": [{"stars": 3}]},
            {"id": 4, "reviews": []},
        ],
    ),
    get(
        "/books?select=title,genres(name)&order=id&genres.order=name",
        [
            {"title": "Engines", "genres": [{"name": "science"}]},
            {"title": "Gardens", "genres": [{"name": "nature"}]},
            {"title": "Rivers", "genres": [{"name": "nature"}, {"name": "science"}]},
            {"title": "Orphan", "genres": []},
        ],
    ),
    get(
        "/books?select=id,details(pages)&order=id&limit=2",
        [{"id": 1, "details": {"pages": 100}}, {"id": 2, "details": {"pages": 200}}],
    ),
    get("/details?select=pages,books(id)&order=pages&limit=1", [{"pages": 100, "books": {"id": 1}}]),
    get("/staff?select=name,boss_id(name)&id=eq.3", [{"name": "Leaf", "boss_id": {"name": "Mid"}}]),
    get("/staff?select=name,team:staff(name)&id=eq.1", [{"name": "Root", "team": [{"name": "Mid"}]}]),
    get(
        "/staff?select=name,team:staff!boss_id(name,staff!boss_id(name))&id=eq.1",
        [{"name": "Root", "team": [{"name": "Mid", "staff": [{"name": "Leaf"}]}]}],
    ),
    get(
        "/books?select=id,writer:authors!author_id(name),author_id&id=eq.1",
        [{"id": 1, "writer": {"name": "Ada"}, "author_id": 1}],
    ),
    get(
        "/books?select=id,author:author_id(name),editor:editor_id(name)&id=eq.1",
        [{"id": 1, "author": {"name": "Ada"}, "editor": {"name": "Ben"}}],
    ),
    get(
        "/books?select=id,authors!books_editor_id_fkey(name)&id=eq.1", [{"id": 1, "authors": {"name": "Ben"}}]
    ),
    get(
        "/books?select=id,books_editor_id_fkey(name)&id=eq.1",
        [{"id": 1, "books_editor_id_fkey": {"name": "Ben"}}],
    ),
    get(
        "/authors?select=name,books!author_id(title,reviews(stars))&id=eq.1",
        [{"name": "Ada", "books": [{"title": "Engines", "reviews": [{"stars": 5}, {"stars": 4}]}]}],
    ),
    get("/books?select=id,genres!book_genres(name)&id=eq.1", [{"id": 1, "genres": [{"name": "science"}]}]),
    get(
        "/books?select=id,book_genres(genres(name))&id=eq.1",
        [{"id": 1, "book_genres": [{"genres": {"name": "science"}}]}],
    ),
    get("/books_view?select=id,reviews(stars)&id=eq.2", [{"id": 2, "reviews": [{"stars": 1}]}]),
    get(
        "/books_view?select=id,writer,authors(name)&id=eq.2",
        [{"id": 2, "writer": 2, "authors": {"name": "Ben"}}],
    ),
    get(
        "/reviews?select=id,books_view(book_title)&id=eq.3",
        [{"id": 3, "books_view": {"book_title": "Gardens"}}],
    ),
    get("/books_of_books?select=key,authors(name)&key=eq.2", [{"key": 2, "authors": {"name": "Ben"}}]),
    get(
        "/sales?select=id,books(title)&order=id",
        [{"id": 1, "books": {"title": "Engines"}}, {"id": 2, "books": {"title": "Gardens"}}],
    ),
    get("/books?select=id,sales(id)&id=eq.2", [{"id": 2, "sales": [{"id": 2}]}]),
    get("/books?select=id,secrets(id)&id=eq.1", [{"id": 1, "secrets": [{"id": 1}]}]),
    get("/books?select=id,best_review(stars)&id=eq.1", [{"id": 1, "best_review": {"stars": 5}}]),
    get(
        "/books?select=id,good_reviews(stars)&id=eq.1&good_reviews.order=stars",
        [{"id": 1, "good_reviews": [{"stars": 4}, {"stars": 5}]}],
    ),
    get("/books?select=id,reviews!inner(stars)&reviews.stars=eq.1", [{"id": 2, "reviews": [{"stars": 1}]}]),
    get(
        "/books?select=id,authors!author_id!inner(name)&authors.name=eq.Ben&order=id",
        [{"id": 2, "authors": {"name": "Ben"}}, {"id": 3, "authors": {"name": "Ben"}}],
    ),
    get("/books?select=id,authors!author_id()&order=id&authors=is.null", ids(4)),
    get("/books?select=id,reviews()&order=id&reviews=not.is.null", ids(1, 2, 3)),
    get("/books?select=id,reviews()&reviews.stars=eq.5&reviews=not.is.null", ids(1)),
    get(
        "/books?select=id,reviews(),details()&or=(reviews.not.is.null,details.is.null)&order=id",
        ids(1, 2, 3, 4),
    ),
    get(
        "/books?select=id,reviews(),details()&and=(reviews.not.is.null,details.is.null)",
        ids(3),
        headers={"Prefer": "count=exact"},
        answer_headers={"Content-Range": "0-0/1"},
    ),
    get(
        "/books?select=id,reviews(id)&id=eq.1&reviews.limit=1&reviews.order=id.desc",
        [{"id": 1, "reviews": [{"id": 2}]}],
    ),
    get(
        "/books?select=id,reviews(id)&id=eq.1&reviews.offset=1&reviews.order=id",
        [{"id": 1, "reviews": [{"id": 2}]}],
    ),
    get(
        "/books?select=id,reviews(id)&id=eq.1&reviews.or=(stars.eq.5,stars.eq.1)",
        [{"id": 1, "reviews": [{"id": 1}]}],
    ),
    get(
        "/books?select=id,reviews(id)&id=eq.1&reviews.not.and=(stars.eq.5)",
        [{"id": 1, "reviews": [{"id": 2}]}],
    ),
    get(
        "/books?select=id,a:reviews(id),b:reviews(id)&a.stars=eq.5&b.stars=eq.4&id=eq.1",
        [{"id": 1, "a": [{"id": 1}], "b": [{"id": 2}]}],
    ),
    get("/reviews?select=id,...books(title)&id=eq.1", [{"id": 1, "title": "Engines"}]),
    get(
        "/reviews?select=id,...books(book:title,...authors!author_id(writer:name))&id=eq.1",
        [{"id": 1, "book": "Engines", "writer": "Ada"}],
    ),
    get(
        "/books?select=id,...reviews(stars,note)&reviews.order=stars&id=eq.1",
        [{"id": 1, "stars": [4, 5], "note": ["good", "great"]}],
    ),
    get(
        "/books?select=id,...genres(kinds:name)&id=eq.3&genres.order=name.desc",
        [{"id": 3, "kinds": ["science", "nature"]}],
    ),
    get(
        "/books?select=title,...reviews(*)&id=eq.4",
        [{"title": "Orphan", "id": [], "book_id": [], "stars": [], "note": []}],
    ),
    fails(
        "/books?select=id,authors(name)",
        300,
        "PGRST201",
        "Could not embed because more than one relationship was found for 'books' and 'authors'",
        details=[
            {
                "cardinality": "many-to-one",
                "embedding": "books with authors",
                "relationship": "books_author_id_fkey using books(author_id) and authors(id)",
            },
            {
                "cardinality": "many-to-one",
                "embedding": "books with authors",
                "relationship": "books_editor_id_fkey using books(editor_id) and authors(id)",
            },
        ],
        hint="Try changing 'authors' to one of the following: 'authors!books_author_id_fkey', "
        "'authors!books_editor_id_fkey'. Find the desired relationship in the 'details' key.",
    ),
    fails(
        "/books?select=id,genre(name)",
        400,
        "PGRST200",
        "Could not find a relationship between 'books' and 'genre' in the schema cache",
        details="Searched for a foreign key relationship between 'books' and 'genre' in the schema 'library', "
        "but no matches were found.",
        hint="Perhaps you meant 'genres' instead of 'genre'.",
    ),
    fails(
        "/books?select=id,genres!nope(name)",
        400,
        "PGRST200",
        "Could not find a relationship between 'books' and 'genres' in the schema cache",
        details="Searched for a foreign key relationship between 'books' and 'genres' using the hint 'nope' "
        "in the schema 'library', but no matches were found.",
    ),
]

AGGREGATES = [
    get("/books?select=count()", [{"count": 4}]),
    get("/books?select=price.sum()", [{"sum": 20.75}]),
    get("/books?select=total:price.sum()::text", [{"total": "20.75"}]),
    get("/books?select=price.max(),low:price.min()", [{"max": 10.5, "low": 3.25}]),
    get(
        "/reviews?select=book_id,stars.avg()::int&order=book_id",
        [{"book_id": 1, "avg": 5}, {"book_id": 2, "avg": 1}, {"book_id": 3, "avg": 3}],
    ),
    get("/reviews?select=count(),...books(title)&order=books(title)", ..., 200),
    get("/books?select=id,reviews(stars.sum())&id=eq.1", [{"id": 1, "reviews": [{"sum": 9}]}]),
    get("/books?select=id,reviews(count())&order=id&limit=1", [{"id": 1, "reviews": [{"count": 2}]}]),
    get("/reviews?select=...books(author_id,price.max())&order=books(author_id)", ..., 200),
    get("/books?select=meta->n.sum()", status=404),
    get("/books?select=n:meta->>n::int.sum()", [{"n": 13}]),
    fails(
        "/books?select=id,...reviews(stars.sum())",
        400,
        "PGRST127",
        "Feature not implemented",
        details="Aggregates are not implemented for one-to-many or many-to-many spreads.",
    ),
]

WRITES = [
    Case(
        "POST",
        "/genres",
        201,
        text="",
        body={"id": 9, "name": "new"},
        answer_headers={"Content-Range": "*/*", "Content-Type": None, "Location": None},
    ),
    Case(
        "POST",
        "/genres",
        201,
        [{"id": 9, "name": "new"}],
        RETURN,
        {"id": 9, "name": "new"},
        answer_headers={"Preference-Applied": "return=representation", "Content-Type": JSON},
    ),
    Case("POST", "/genres?select=name", 201, [{"name": "new"}], RETURN, {"id": 9, "name": "new"}),
    Case(
        "POST",
        "/genres",
        201,
        text="",
        headers={"Prefer": "return=headers-only"},
        body={"id": 9, "name": "n"},
        answer_headers={"Location": "/genres?id=eq.9", "Preference-Applied": "return=headers-only"},
    ),
    Case(
        "POST",
        "/book_genres",
        201,
        text="",
        headers={"Prefer": "return=headers-only"},
        body={"book_id": 4, "genre_id": 1},
        answer_headers={"Location": "/book_genres?book_id=eq.4&genre_id=eq.1"},
    ),
    Case(
        "POST",
        "/genres",
        201,
        text="",
        headers={"Prefer": "return=minimal, count=exact"},
        body=[{"id": 8}, {"id": 9}],
        answer_headers={"Content-Range": "*/2", "Preference-Applied": "return=minimal, count=exact"},
    ),
    Case("POST", "/genres", 201, [], RETURN, content="[]"),
    Case("POST", "/reviews?select=stars", 201, [{"stars": 3}], RETURN, {"book_id": 1}),
    Case(
        "POST",
        "/reviews?select=stars&columns=book_id,stars",
        201,
        [{"stars": 3}, {"stars": 5}],
        {"Prefer": "return=representation, missing=default"},
        [{"book_id": 1}, {"book_id": 2, "stars": 5}],
        answer_headers={"Preference-Applied": "missing=default, return=representation"},
    ),
    Case(
        "POST",
        "/genres?columns=id",
        201,
        [{"id": 9, "name": None}],
        RETURN,
        {"id": 9, "name": "ignored", "x": 1},
    ),
    Case(
        "POST",
        "/genres",
        201,
        [{"id": 8, "name": "a"}, {"id": 9, "name": None}],
        {**RETURN, "Content-Type": "text/csv"},
        content="id,name\n8,a\n9,NULL\n",
    ),
    Case(
        "POST",
        "/genres",
        201,
        [{"id": 9, "name": "a b"}],
        {**RETURN, "Content-Type": "application/x-www-form-urlencoded"},
        content="id=9&name=a+b",
    ),
    Case(
        "POST",
        "/books?select=id,cover",
        201,
        [{"id": 9, "cover": "#010203"}],
        RETURN,
        {"id": 9, "title": "Hues", "cover": "#010203"},
    ),
    Case(
        "POST",
        "/reviews?select=stars,books(title)",
        201,
        [{"stars": 2, "books": {"title": "Engines"}}],
        RETURN,
        {"book_id": 1, "stars": 2},
    ),
    Case(
        "POST",
        "/genres",
        201,
        [{"id": 1, "name": "renamed"}, {"id": 9, "name": "new"}],
        {"Prefer": "return=representation, resolution=merge-duplicates"},
        [{"id": 1, "name": "renamed"}, {"id": 9, "name": "new"}],
        answer_headers={"Preference-Applied": "resolution=merge-duplicates, return=representation"},
    ),
    Case(
        "POST",
        "/genres",
        200,
        [{"id": 1, "name": "renamed"}],
        {"Prefer": "return=representation, resolution=merge-duplicates"},
        [{"id": 1, "name": "renamed"}],
    ),
    Case(
        "POST",
        "/genres",
        201,
        [{"id": 9, "name": "new"}],
        {"Prefer": "return=representation, resolution=ignore-duplicates"},
        [{"id": 1, "name": "x"}, {"id": 9, "name": "new"}],
    ),
    Case(
        "POST",
        "/books?on_conflict=title&select=id,title,price",
        200,
        [{"id": 1, "title": "Engines", "price": 1}],
        {"Prefer": "return=representation, resolution=merge-duplicates"},
        {"id": 1, "title": "Engines", "price": 1},
    ),
    Case(
        "POST", "/notes", 201, text="", body={"body": "x", "weight": 77}, answer_headers={"X-Trigger": "yes"}
    ),
    Case("POST", "/generated?select=b", 201, [{"b": 6}], RETURN, {"id": 1, "a": 3}),
    fails(
        "/generated",
        400,
        "428C9",
        'cannot insert a non-DEFAULT value into column "b"',
        method="POST",
        body={"id": 1, "b": 3},
        details='Column "b" is a generated column.',
    ),
    fails(
        "/genres",
        409,
        "23505",
        'duplicate key value violates unique constraint "genres_pkey"',
        method="POST",
        body={"id": 1},
        details="Key (id)=(1) already exists.",
    ),
    Case("POST", "/reviews", 409, body={"book_id": 99}),
    fails(
        "/genres",
        400,
        "PGRST204",
        "Could not find the 'nope' column of 'genres' in the schema cache",
        method="POST",
        body={"nope": 1},
    ),
    fails(
        "/genres",
        400,
        "PGRST102",
        "All object keys must match",
        method="POST",
        body=[{"id": 1}, {"name": "a"}],
    ),
    fails("/genres", 400, "PGRST102", "Empty or invalid json", method="POST", content="}{"),
    fails("/genres", 400, "PGRST102", "Empty or invalid json", method="POST", content=""),
    fails(
        "/genres",
        400,
        "PGRST102",
        "Content-Type not acceptable: text/yaml",
        method="POST",
        content="a: 1",
        headers={"Content-Type": "text/yaml"},
    ),
    fails(
        "/genres",
        400,
        "PGRST102",
        "All lines must have same number of fields",
        method="POST",
        content="id,name\n1\n",
        headers={"Content-Type": "text/csv"},
    ),
    Case(
        "PATCH",
        "/genres?id=eq.1",
        204,
        text="",
        body={"name": "x"},
        answer_headers={"Content-Range": "0-0/*", "Content-Type": None},
    ),
    Case("PATCH", "/genres?id=eq.1", 200, [{"id": 1, "name": "x"}], RETURN, {"name": "x"}),
    Case(
        "PATCH", "/genres?id=eq.99", 204, text="", body={"name": "x"}, answer_headers={"Content-Range": "*/*"}
    ),
    Case("PATCH", "/genres?id=eq.99", 200, [], RETURN, {"name": "x"}),
    Case(
        "PATCH",
        "/genres",
        204,
        text="",
        headers={"Prefer": "count=exact"},
        body={"name": "x"},
        answer_headers={"Content-Range": "0-2/3"},
    ),
    Case("PATCH", "/genres?id=eq.1", 204, text="", body={}),
    Case("PATCH", "/genres?id=eq.1", 200, [], RETURN, {}),
    Case("PATCH", "/genres?or=(id.eq.1,id.eq.2)&select=id&order=id", 200, ids(1, 2), RETURN, {"name": "x"}),
    Case("PATCH", "/genres?order=id&limit=1&select=id", 200, ids(1), RETURN, {"name": "x"}),
    Case("PATCH", "/genres?order=id.desc&limit=1&offset=1&select=id", 200, ids(2), RETURN, {"name": "x"}),
    Case(
        "PATCH",
        "/reviews?id=eq.1&columns=note,stars&select=note,stars",
        200,
        [{"note": "n", "stars": 3}],
        {"Prefer": "return=representation, missing=default"},
        {"note": "n"},
    ),
    fails(
        "/genres?limit=1",
        400,
        "PGRST109",
        "A 'limit' was applied without an explicit 'order'",
        method="PATCH",
        body={"name": "x"},
        hint="Apply an 'order' using unique column(s)",
    ),
    Case("PUT", "/genres?id=eq.9", 201, [{"id": 9, "name": "n"}], RETURN, {"id": 9, "name": "n"}),
    Case("PUT", "/genres?id=eq.1", 200, [{"id": 1, "name": "n"}], RETURN, {"id": 1, "name": "n"}),
    Case("PUT", "/genres?id=eq.1", 204, text="", body={"id": 1, "name": "n"}),
    fails(
        "/genres?id=eq.1",
        400,
        "PGRST115",
        "Payload values do not match URL in primary key column(s)",
        method="PUT",
        body={"id": 2, "name": "n"},
    ),
    fails(
        "/genres?name=eq.1",
        405,
        "PGRST105",
        "Filters must include all and only primary key columns with 'eq' operators",
        method="PUT",
        body={"id": 2, "name": "n"},
    ),
    fails(
        "/genres?id=eq.1&limit=1",
        400,
        "PGRST114",
        "limit/offset querystring parameters are not allowed for PUT",
        method="PUT",
        body={"id": 1},
    ),
    Case("DELETE", "/reviews?id=eq.1", 204, text="", answer_headers={"Content-Range": "*/*"}),
    Case(
        "DELETE",
        "/reviews?id=eq.1&select=id,books(title)",
        200,
        [{"id": 1, "books": {"title": "Engines"}}],
        RETURN,
    ),
    Case(
        "DELETE",
        "/reviews?id=eq.1",
        204,
        text="",
        headers={"Prefer": "count=exact"},
        answer_headers={"Content-Range": "*/1"},
    ),
    Case("DELETE", "/reviews?order=id&limit=2&select=id", 200, ids(1, 2), RETURN),
    Case("DELETE", "/reviews?id=eq.99", 200, [], RETURN),
    Case("DELETE", "/authors?id=eq.1", 409),
    Case(
        "PATCH",
        "/genres?id=eq.1",
        200,
        {"id": 1, "name": "x"},
        {**RETURN, **OBJECT},
        {"name": "x"},
        answer_headers={"Content-Type": "application/vnd.pgrst.object+json; charset=utf-8"},
    ),
    fails(
        "/genres",
        406,
        "PGRST116",
        "Cannot coerce the result to a single JSON object",
        method="PATCH",
        headers={**RETURN, **OBJECT},
        body={"name": "x"},
        details="The result contains 3 rows",
    ),
    fails(
        "/reviews",
        400,
        "PGRST124",
        "Query result exceeds max-affected preference constraint",
        method="DELETE",
        headers={"Prefer": "handling=strict, max-affected=1"},
        details="The query affects 4 rows",
    ),
    Case(
        "DELETE",
        "/reviews?id=eq.1",
        204,
        text="",
        headers={"Prefer": "handling=strict, max-affected=1"},
        answer_headers={"Preference-Applied": "handling=strict, max-affected=1"},
    ),
    fails(
        "/books",
        400,
        "PGRST122",
        "Invalid preferences given with handling=strict",
        headers={"Prefer": "handling=strict, anything"},
        details="Invalid preferences: anything",
    ),
    get(
        "/books?select=id&id=eq.1",
        ids(1),
        headers={"Prefer": "handling=lenient, anything"},
        answer_headers={"Preference-Applied": "handling=lenient"},
    ),
    get(
        "/rpc/setting?name=timezone",
        "Asia/Tokyo",
        headers={"Prefer": "timezone=Asia/Tokyo"},
        answer_headers={"Preference-Applied": "timezone=Asia/Tokyo"},
    ),
    Case(
        "POST",
        "/genres",
        201,
        text="",
        headers={"Prefer": "tx=rollback"},
        body={"id": 9},
        answer_headers={"Preference-Applied": "tx=rollback"},
    ),
]

CALLS = [
    get("/rpc/add?a=1&b=2", 3, answer_headers={"Content-Type": JSON, "Content-Range": "0-0/*"}),
    get("/rpc/add?a=1", 11),
    Case("POST", "/rpc/add", 200, 3, body={"a": 1, "b": 2}),
    Case("POST", "/rpc/add", 200, 3, body=[{"a": 1, "b": 2}, {"a": 5, "b": 5}]),
    Case(
        "POST", "/rpc/add", 200, 3, {"Content-Type": "application/x-www-form-urlencoded"}, content="a=1&b=2"
    ),
    Case("POST", "/rpc/add?columns=a", 200, 11, body={"a": 1, "x": 2}),
    Case("HEAD", "/rpc/add?a=1", 200, text="", answer_headers={"Content-Type": JSON}),
    get("/rpc/joined?words=a&words=b", "a-b"),
    get("/rpc/joined?words=a", "a"),
    Case("POST", "/rpc/joined", 200, "x-y", body={"words": ["x", "y"]}),
    get("/rpc/pick?a=1", "one 1"),
    get("/rpc/pick?a=1&b=z", "two 1z"),
    fails(
        "/rpc/vague?a=1",
        300,
        "PGRST203",
        "Could not choose the best candidate function between: library.vague(a => integer), library.vague(a => text)",
        hint="Try renaming the parameters or the function itself in the database so function overloading "
        "can be resolved",
    ),
    Case("POST", "/rpc/echo", 200, {"k": [1, 2]}, body={"k": [1, 2]}),
    Case("POST", "/rpc/shout", 200, "HI", {"Content-Type": "text/plain"}, content="hi"),
    Case("POST", "/rpc/size", 200, 3, {"Content-Type": "application/octet-stream"}, content=b"\x00\xff\x01"),
    get("/rpc/books_by?author=2&select=id", ids(2, 3)),
    get("/rpc/books_by?author=2&select=id&id=gt.2", ids(3)),
    get("/rpc/books_by?author=2&select=title&price=is.null", [{"title": "Rivers"}]),
    get("/rpc/books_by?author=2&select=id&order=id.desc&limit=1", ids(3)),
    get(
        "/rpc/books_by?author=2&select=id,reviews(stars)",
        [{"id": 2, "reviews": [{"stars": 1}]}, {"id": 3, "reviews": [{"stars": 3}]}],
    ),
    get(
        "/rpc/books_by?author=2&select=id",
        ids(2),
        206,
        headers={"Prefer": "count=exact", "Range": "0-0"},
        answer_headers={"Content-Range": "0-0/2"},
    ),
    get("/rpc/books_by?author=1&select=id", {"id": 1}, headers=OBJECT),
    fails(
        "/rpc/books_by?author=2",
        406,
        "PGRST116",
        "Cannot coerce the result to a single JSON object",
        headers=OBJECT,
        details="The result contains 2 rows",
    ),
    get(
        "/rpc/one_book?key=1&select=id,title,authors!author_id(name)",
        {"id": 1, "title": "Engines", "authors": {"name": "Ada"}},
    ),
    get("/rpc/numbers", [1, 2, 3]),
    get("/rpc/pairs?n=gt.1", [{"n": 2, "sq": 4}, {"n": 3, "sq": 9}]),
    get("/rpc/pairs?select=sq&order=sq.desc&limit=1", [{"sq": 9}]),
    get("/rpc/outs", {"x": 1, "y": "two"}),
    get("/rpc/nil", None),
    Case("POST", "/rpc/nothing", 204, text="", answer_headers={"Content-Type": None}),
    Case("POST", "/rpc/write_note", 204, text="", body={"body": "x"}),
    fails("/rpc/write_note?body=x", 405, "25006", "cannot execute INSERT in a read-only transaction"),
    get(
        "/rpc/page",
        text="<p>hi</p>",
        headers={"Accept": "text/html"},
        answer_headers={"Content-Type": "text/html"},
    ),
    get(
        "/rpc/anything",
        text="any",
        headers={"Accept": "x/y"},
        answer_headers={"Content-Type": "application/octet-stream"},
    ),
    fails(
        "/rpc/page",
        406,
        "PGRST107",
        "None of these media types are available: text/plain",
        headers={"Accept": "text/plain"},
    ),
    fails(
        "/rpc/add?a=1&c=2",
        404,
        "PGRST202",
        "Could not find the function library.add(a, c) in the schema cache",
        details="Searched for the function library.add with parameters a, c, but no matches were found in the "
        "schema cache.",
        hint="Perhaps you meant to call the function library.add(a, b)",
    ),
    fails(
        "/rpc/ad?a=1",
        404,
        "PGRST202",
        "Could not find the function library.ad(a) in the schema cache",
        details="Searched for the function library.ad with parameter a, but no matches were found in the "
        "schema cache.",
    ),
    fails(
        "/rpc/number",
        404,
        "PGRST202",
        "Could not find the function library.number without parameters in the schema cache",
        details="Searched for the function library.number without parameters, but no matches were found in the "
        "schema cache.",
        hint="Perhaps you meant to call the function library.numbers",
    ),
    fails(
        "/rpc/nope",
        404,
        "PGRST202",
        "Could not find the function library.nope(z) in the schema cache",
        method="POST",
        body={"z": 1},
        details="Searched for the function library.nope with parameter z or with a single unnamed json/jsonb "
        "parameter, but no matches were found in the schema cache.",
    ),
    fails("/rpc/add", 405, "PGRST101", "Cannot use the PUT method on RPC", method="PUT"),
    fails("/rpc/add", 405, "PGRST101", "Cannot use the DELETE method on RPC", method="DELETE"),
    fails(
        "/rpc/add",
        400,
        "PGRST128",
        "Function must return SETOF or TABLE when max-affected preference is used with handling=strict",
        method="POST",
        body={"a": 1},
        headers={"Prefer": "handling=strict, max-affected=1"},
    ),
    Case(
        "POST",
        "/rpc/answer_with",
        202,
        1,
        body={"status": "202", "headers": '[{"X-A": "1"}, {"X-B": "2"}]'},
        answer_headers={"X-A": "1", "X-B": "2"},
    ),
    Case(
        "POST",
        "/rpc/answer_with",
        200,
        1,
        body={"status": "", "headers": '[{"Content-Type": "a/b"}]'},
        answer_headers={"Content-Type": "a/b"},
    ),
    fails(
        "/rpc/answer_with",
        500,
        "PGRST112",
        "response.status guc must be a valid status code",
        method="POST",
        body={"status": "teapot", "headers": ""},
    ),
    fails(
        "/rpc/answer_with",
        500,
        "PGRST111",
        "response.headers guc must be a JSON array composed of objects with a single key and a string value",
        method="POST",
        body={"status": "", "headers": "{}"},
    ),
    fails("/rpc/fail?code=PT402&message=Pay", 402, "PT402", "Pay", details="because", hint="do not"),
    fails("/rpc/fail?code=PTXXX&message=Pay", 500, "PTXXX", "Pay", details="because", hint="do not"),
    fails("/rpc/fail?code=P0001&message=raised", 400, "P0001", "raised", details="because", hint="do not"),
    fails("/rpc/fail?code=08006&message=x", 503, "08006", "x", details="because", hint="do not"),
    fails("/rpc/fail?code=40001&message=x", 500, "40001", "x", details="because", hint="do not"),
    fails("/rpc/fail?code=53100&message=x", 503, "53100", "x", details="because", hint="do not"),
    fails("/rpc/fail?code=53400&message=x", 500, "53400", "x", details="because", hint="do not"),
    fails("/rpc/fail?code=28000&message=x", 403, "28000", "x", details="because", hint="do not"),
    fails(
        "/rpc/fail?code=42501&message=x",
        401,
        "42501",
        "x",
        details="because",
        hint="do not",
        answer_headers={"WWW-Authenticate": "Bearer"},
    ),
    fails("/rpc/fail?code=23503&message=x", 409, "23503", "x", details="because", hint="do not"),
    fails(
        "/rpc/fail?code=21000&message=DELETE requires a WHERE clause",
        400,
        "21000",
        "DELETE requires a WHERE clause",
        details="because",
        hint="do not",
    ),
    fails("/rpc/teapot", 418, "T1", "short", hint="stout", answer_headers={"X-Tea": "green"}),
    fails(
        "/rpc/spilt",
        500,
        "PGRST121",
        "Could not parse JSON in the \"RAISE SQLSTATE 'PGRST'\" error",
        details="Invalid JSON value for MESSAGE: 'no json'",
        hint="MESSAGE must be a JSON object with obligatory keys: 'code', 'message' and optional keys: "
        "'details', 'hint'.",
    ),
    fails("/rpc/impatient", 500, "57014", "canceling statement due to statement timeout"),
]

CONTEXT = [
    get("/rpc/whoami", "pgsvc_anon"),
    get("/rpc/setting?name=request.method", "GET"),
    get("/rpc/setting?name=request.path", "/rpc/setting"),
    get("/rpc/setting?name=app.settings.greeting", "hello"),
    get("/rpc/setting?name=request.jwt.claims", '{"role":"pgsvc_anon"}'),
    get("/rpc/setting?name=request.cookies", '{"a":"1","b":"2"}', headers={"Cookie": "a=1; b=2"}),
    get("/rpc/setting?name=search_path", '"library", "public"'),
    get(
        "/books",
        [{"id": 1, "title": "Dust"}],
        headers={"Accept-Profile": "archive"},
        answer_headers={"Content-Profile": "archive"},
    ),
    get("/authors?select=id&limit=1", ids(1), answer_headers={"Content-Profile": "library"}),
    Case("POST", "/books", 401, body={"id": 2}, headers={"Content-Profile": "archive"}),
    fails(
        "/books",
        406,
        "PGRST106",
        "Invalid schema: hidden",
        headers={"Accept-Profile": "hidden"},
        hint="Only the following schemas are exposed: library, archive",
    ),
    fails("/books", 403, "PT403", "stopped before the request", headers={"X-Forbidden": "1"}, details=None),
    fails("/diary", 401, "42501", "permission denied for table diary"),
    fails("/books", 500, "PGRST300", "Server lacks JWT secret", headers={"Authorization": "Bearer a.b.c"}),
    Case(
        "OPTIONS", "/books", 200, text="", answer_headers={"Allow": "OPTIONS,GET,HEAD,POST,PUT,PATCH,DELETE"}
    ),
    Case("OPTIONS", "/notes", 200, text="", answer_headers={"Allow": "OPTIONS,GET,HEAD,POST,PATCH,DELETE"}),
    Case("OPTIONS", "/author_names", 200, text="", answer_headers={"Allow": "OPTIONS,GET,HEAD"}),
    Case("OPTIONS", "/rpc/add?a=1", 200, text="", answer_headers={"Allow": "OPTIONS,GET,HEAD,POST"}),
    Case("OPTIONS", "/rpc/nothing", 200, text="", answer_headers={"Allow": "OPTIONS,POST"}),
    Case("OPTIONS", "/", 200, text="", answer_headers={"Allow": "OPTIONS,GET,HEAD"}),
    Case("OPTIONS", "/nope", 404),
    Case(
        "OPTIONS",
        "/books",
        200,
        text="",
        headers={
            "Origin": "http://x.example",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "Foo,Bar",
        },
        answer_headers={
            "Access-Control-Allow-Origin": "*",
            "Access-Control-Allow-Methods": "GET, POST, PATCH, PUT, DELETE, OPTIONS, HEAD",
            "Access-Control-Allow-Headers": "Authorization, Foo, Bar, Accept, Accept-Language, Content-Language",
            "Access-Control-Max-Age": "86400",
        },
    ),
    get(
        "/genres",
        ...,
        headers={"Origin": "http://x.example"},
        answer_headers={
            "Access-Control-Allow-Origin": "*",
            "Access-Control-Expose-Headers": "Content-Encoding, Content-Location, Content-Range, Content-Type, Date, "
            "Location, Server, Transfer-Encoding, Range-Unit",
        },
    ),
    get(
        "/books?select=id&id=eq.1&order=id",
        ids(1),
        answer_headers={"Content-Location": "/books?id=eq.1&order=id&select=id"},
    ),
    Case("GET", "/nope", 404, answer_headers={"Proxy-Status": "PostgREST; error=PGRST205"}),
]

MEDIA = [
    get(
        "/genres?id=lt.3",
        text="id,name\n1,science\n2,nature",
        headers={"Accept": "text/csv"},
        answer_headers={"Content-Type": "text/csv; charset=utf-8"},
    ),
    get(
        "/genres?id=eq.1",
        {"id": 1, "name": "science"},
        headers=OBJECT,
        answer_headers={"Content-Type": "application/vnd.pgrst.object+json; charset=utf-8"},
    ),
    get("/genres?id=eq.1", {"id": 1, "name": "science"}, headers={"Accept": "application/vnd.pgrst.object"}),
    fails(
        "/genres",
        406,
        "PGRST116",
        "Cannot coerce the result to a single JSON object",
        headers=OBJECT,
        details="The result contains 3 rows",
    ),
    fails(
        "/genres?id=eq.9",
        406,
        "PGRST116",
        "Cannot coerce the result to a single JSON object",
        headers=OBJECT,
        details="The result contains 0 rows",
    ),
    get(
        "/books?select=id,price&id=eq.3",
        [{"id": 3}],
        headers={"Accept": "application/vnd.pgrst.array+json;nulls=stripped"},
        answer_headers={"Content-Type": "application/vnd.pgrst.array+json;nulls=stripped; charset=utf-8"},
    ),
    get(
        "/books?select=id,price&id=eq.3",
        {"id": 3},
        headers={"Accept": "application/vnd.pgrst.object+json; nulls=stripped"},
    ),
    get(
        "/genres?id=eq.1",
        ...,
        headers={"Accept": "text/plain, application/json"},
        answer_headers={"Content-Type": JSON},
    ),
    get(
        "/genres?id=eq.1",
        ...,
        headers={"Accept": "text/html,*/*;q=0.8"},
        answer_headers={"Content-Type": JSON},
    ),
    get(
        "/genres?id=lt.3",
        text="1\tscience\n2\tnature\n",
        headers={"Accept": "text/tab-separated-values"},
        answer_headers={"Content-Type": "text/tab-separated-values"},
    ),
    fails(
        "/genres",
        406,
        "PGRST107",
        "None of these media types are available: application/unknown",
        headers={"Accept": "application/unknown"},
    ),
    get(
        "/genres",
        ...,
        headers={"Accept": "application/vnd.pgrst.plan+json"},
        answer_headers={
            "Content-Type": 'application/vnd.pgrst.plan+json; for="application/json"; charset=utf-8'
        },
    ),
    Case(
        "GET",
        "/genres",
        200,
        headers={"Accept": "application/vnd.pgrst.plan; options=analyze|verbose"},
        answer_headers={
            "Content-Type": 'application/vnd.pgrst.plan+text; for="application/json"; '
            "options=analyze|verbose; charset=utf-8"
        },
    ),
    Case(
        "POST",
        "/genres",
        201,
        text="id,name\n9,n",
        headers={**RETURN, "Accept": "text/csv"},
        body={"id": 9, "name": "n"},
    ),
    Case("GET", "/authors?id=eq.9", 200, text="[]"),
]

CASES = [*FILTERS, *SELECTS, *ORDERS, *RANGES, *EMBEDS, *AGGREGATES, *WRITES, *CALLS, *CONTEXT, *MEDIA]
