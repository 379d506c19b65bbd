"""Where in a token's claims the role is."""

from __future__ import annotations

import pytest

from pg_svc.auth.claims import parse_claim_path, role_in

DOCUMENT = {
    "role": "cook",
    "roles": ["waiter", "cook", "owner"],
    "kitchen": {"stoves": 1, "knives": [3, 5, 8]},
    "https://example.com/role": {"key": "guest"},
    "chef's": True,
    "none": None,
}


@pytest.mark.parametrize(
    ("path", "role"),
    [
        ("$.role", "cook"),
        ("$.roles[?@ != 'waiter']", "cook"),
        ("$.roles[-1]", "owner"),
        ("$.roles[?search(@, '^o')]", "owner"),
        ("$.roles[?match(@, 'w.*')]", "waiter"),
        ("$.roles[?match(@, '(')]", None),
        ("$['https://example.com/role'].key", "guest"),
        ("$['chef\\'s']", "true"),
        ("$..key", "guest"),
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
    "path",
    [
        "",
        "role",
        "$ ",
        "$.roles[",
        "$.roles[?other(@)]",
        "$.roles[?length(@)]",
        '.roles[?(@ == "a")].b',
        "@@.role",
        ".a[1:].b",
        ".a[]",
    ],
)
def test_what_is_no_path(path: str) -> None:
    with pytest.raises(ValueError, match="PGRST_JWT_ROLE_CLAIM_KEY"):
        parse_claim_path(path)
