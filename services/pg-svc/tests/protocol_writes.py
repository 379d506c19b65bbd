"""More cases of the protocol: writes, preferences and what answers are made of."""

from __future__ import annotations

from .protocol_cases import Case, get

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
]
