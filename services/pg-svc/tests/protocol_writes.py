"""More cases of the protocol: writes, preferences and what answers are made of."""

from __future__ import annotations

from .protocol_cases import JSON, OBJECT, RETURN, Case, get, ids

HEADERS_ONLY = {"Prefer": "return=headers-only"}


def zone(preference: str, hours: str | None, **more: str | None) -> Case:
    """Noon of a day, told in a time zone; without ``hours`` the server refuses the zone."""
    return get(
        "/rpc/noon",
        f"2024-01-02T{hours}" if hours is not None else ...,
        200 if hours is not None else 400,
        headers={"Prefer": preference},
        answer_headers={"Preference-Applied": preference if hours is not None else None, **more},
    )


WRITE_CASES = [
    zone("timezone=Asia/Tokyo", "21:00:00+09:00"),
    zone("timezone=-4", "08:00:00-04:00"),
    zone("handling=strict, timezone=UTC", "12:00:00+00:00"),
    zone("timezone=Nowhere", None, **{"Proxy-Status": "PostgREST; error=22023"}),
    zone("handling=lenient, timezone=Nowhere", None),
    # A zone's name that long is refused by servers without the fix of CVE-2026-14669, and by nobody else
    get("/rpc/noon", status=400, headers={"Prefer": "timezone=" + "X" * 25}),
    Case(
        "POST",
        "/sales?select=book_id",
        201,
        text="",
        headers=HEADERS_ONLY,
        body={"day": "2024-03-01", "id": 9, "book_id": 1},
        answer_headers={"Location": "/sales?day=eq.2024-03-01&id=eq.9", "Content-Length": "0"},
    ),
    Case(
        "POST",
        "/sales",
        201,
        headers=HEADERS_ONLY,
        body={"day": "2024-03-01", "id": 9},
        answer_headers={"Location": "/sales?id=eq.9&day=eq.2024-03-01"},
    ),
    Case(
        "POST",
        "/stamps",
        201,
        headers=HEADERS_ONLY,
        body={"at": "2024-03-01T10:00:00"},
        answer_headers={"Location": "/stamps?at=eq.2024-03-01T10%3A00%3A00"},
    ),
    # A number that is none to most programs
    Case("POST", "/stamps", 201, text="", content='{"at": "2024-03-01", "amount": 1e400}'),
    Case("POST", "/stamps", 400, content='{"at": "2024-03-01", "amount": NaN}'),
    # What is answered is ordered; limits of embeds are a read's
    Case("PATCH", "/genres?select=id&order=id.desc", 200, ids(3, 2, 1), RETURN, {"name": "x"}),
    Case("DELETE", "/reviews?select=id&order=stars.desc,id&id=lt.3", 200, ids(1, 2), RETURN),
    Case(
        "PATCH",
        "/books?id=lt.3&select=id,authors!author_id(name)&order=authors(name).desc",
        200,
        [{"id": 2, "authors": {"name": "Ben"}}, {"id": 1, "authors": {"name": "Ada"}}],
        RETURN,
        {"price": 1},
    ),
    Case(
        "PUT",
        "/genres?id=eq.1&select=name,book_genres(book_id)&book_genres.order=book_id.desc&book_genres.limit=0",
        200,
        [{"name": "n", "book_genres": [{"book_id": 3}, {"book_id": 1}]}],
        RETURN,
        {"id": 1, "name": "n"},
    ),
    # Filters that no longer hold of what was written
    Case("PATCH", "/genres?or=(name.eq.science,id.eq.2)&select=id", 200, ids(1, 2), RETURN, {"name": "x"}),
    Case("DELETE", "/slips?order=shelf.desc&limit=1", 200, [{"shelf": 2, "word": "two"}], RETURN),
    Case("PATCH", "/slips?order=shelf&limit=1&select=shelf", 200, [{"shelf": 1}], RETURN, {"word": "x"}),
    Case(
        "POST",
        "/genres",
        406,
        headers={**OBJECT, "Prefer": "tx=commit"},
        body=[{"id": 91, "name": "a"}, {"id": 92, "name": "b"}],
        answer_headers={"Content-Type": JSON, "Preference-Applied": None},
    ),
    get("/genres?id=gt.90", []),
    Case(
        "PATCH",
        "/genres?id=eq.1",
        200,
        headers={"Accept": 'application/vnd.pgrst.plan+text; for="application/json"; options=;'},
        body={"name": "x"},
        answer_headers={
            "Content-Type": 'application/vnd.pgrst.plan+text; for="application/json"; charset=utf-8'
        },
    ),
    get(
        "/labels?id=lt.3",
        headers={"Accept": "text/x-labels"},
        text="1. science\n2. nature\n",
        answer_headers={"Content-Type": "text/x-labels"},
    ),
    Case(
        "POST",
        "/labels",
        201,
        headers={**RETURN, "Accept": "image/png"},
        body={"id": 9, "name": "new"},
        text="9. new\n",
        answer_headers={"Content-Type": "application/octet-stream"},
    ),
    # A handler of the whole row is none where columns are chosen
    get("/labels?select=id&id=eq.1", status=406, headers={"Accept": "text/x-labels"}),
    get("/labels?select=id&id=eq.1", ids(1), answer_headers={"Content-Type": JSON}),
]
