"""JSONPath queries (RFC 9535), and where in a token's claims the role is."""

from __future__ import annotations

from typing import Any

import pytest

from pg_svc.auth.claims import parse_claim_path, role_in
from pg_svc.auth.jsonpath import parse_query

DOCUMENT = {
    "role": "cook",
    "roles": ["waiter", "cook", "owner"],
    "kitchen": {"stoves": 1, "knives": [3, 5, 8]},
    "https://example.com/role": {"key": "guest"},
    "chef's": True,
    "none": None,
}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("$", [DOCUMENT]),
        ("$.role", ["cook"]),
        ("$ .role", ["cook"]),
        ('$["role"]', ["cook"]),
        ("$['chef\\'s']", [True]),
        ("$['https://example.com/role'].key", ["guest"]),
        ("$.roles[1]", ["cook"]),
        ("$.roles[-1]", ["owner"]),
        ("$.roles[9]", []),
        ("$.roles.key", []),
        ("$.roles[0, 2]", ["waiter", "owner"]),
        ("$.roles[*]", ["waiter", "cook", "owner"]),
        ("$.kitchen.knives[1:]", [5, 8]),
        ("$.kitchen.knives[::-1]", [8, 5, 3]),
        ("$.kitchen.knives[::0]", []),
        ("$..knives[0]", [3]),
        ("$..key", ["guest"]),
        ("$.none", [None]),
        ("$.roles[?@ == 'cook']", ["cook"]),
        ("$.roles[?(@ != $.role)]", ["waiter", "owner"]),
        ("$.roles[?search(@, '^o')]", ["owner"]),
        ("$.roles[?match(@, 'w.*')]", ["waiter"]),
        ("$.roles[?match(@, '(')]", []),
        ("$.roles[?!search(@, 'o')]", ["waiter"]),
        ("$.roles[?@ > 'cook' && @ < 'waiter']", ["owner"]),
        ("$.roles[?@ == 'cook' || @ == 'owner']", ["cook", "owner"]),
        ("$.kitchen.knives[?@ >= 5.0]", [5, 8]),
        ("$.kitchen[?@ == true]", []),
        ("$[?@.key]", [{"key": "guest"}]),
        ("$[?length(@.knives) == 3]", [DOCUMENT["kitchen"]]),
        ("$[?count(@.*) == 2]", [DOCUMENT["kitchen"]]),
        ("$[?value(@.stoves) == 1]", [DOCUMENT["kitchen"]]),
        ("$[?@ == null]", [None]),
    ],
)
def test_what_a_query_finds(query: str, found: list[Any]) -> None:
    assert parse_query(query)(DOCUMENT) == found


@pytest.mark.parametrize(
    "query",
    [
        "",
        "role",
        "@.role",
        "$ ",
        "$.",
        "$[",
        "$[]",
        "$.roles[01]",
        "$.roles[?]",
        "$.roles[?@ ==]",
        "$.roles[?'a']",
        "$.roles[?@.* == 'a']",
        "$.roles[?length(@)]",
        "$.roles[?match(@)]",
        "$.roles[?search(@, 'a') == 'b']",
        "$.roles[?count('a') == 1]",
        "$.roles[?other(@)]",
        "$['\\x']",
    ],
)
def test_what_is_no_query(query: str) -> None:
    with pytest.raises(ValueError, match="JSONPath"):
        parse_query(query)


@pytest.mark.parametrize(
    ("path", "role"),
    [
        ("$.role", "cook"),
        ("$.roles[?@ != 'waiter']", "cook"),
        ("$.kitchen", '{"stoves":1,"knives":[3,5,8]}'),
        ("$.nothing", None),
        ("$.none", None),
        (".role", "cook"),
        ('."https://example.com/role".key', "guest"),
        (".roles[2]", "owner"),
        (".roles[9]", None),
        (".role.key", None),
        ('.roles[?(@ == "cook")]', "cook"),
        ('.roles[?(@ != "waiter")]', "cook"),
        ('.roles[?(@ ^== "own")]', "owner"),
        ('.roles[?(@ ==^ "ter")]', "waiter"),
        ('.roles[?(@ *== "oo")]', "cook"),
        ('.role[?(@ == "cook")]', None),
        (".roles[2][1:]", "wner"),
        (".roles[2][:-1]", "owne"),
        (".role[:]", "cook"),
        ('.roles[?(@ *== "oo")][1:-1]', "oo"),
        (".role[9:]", ""),
        (".kitchen[1:]", None),
    ],
)
def test_the_role_in_a_token(path: str, role: str | None) -> None:
    assert role_in(DOCUMENT, parse_claim_path(path)) == role


@pytest.mark.parametrize(
    "path", ["", "role", "$.roles[", '.roles[?(@ == "a")].b', "@@.role", ".a[1:].b", ".a[]"]
)
def test_what_is_no_path(path: str) -> None:
    with pytest.raises(ValueError, match="PGRST_JWT_ROLE_CLAIM_KEY"):
        parse_claim_path(path)
