"""Static tokens: the work is the same whatever is asked about."""

from __future__ import annotations

import hmac

import pytest

from svc_common.auth.access import Access
from svc_common.auth.tokens import StaticTokens


def test_every_token_is_compared_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []
    original = hmac.compare_digest

    def counting(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return original(one, other)

    monkeypatch.setattr(hmac, "compare_digest", counting)
    tokens = StaticTokens([(name, Access.READ, f"secret-{name}") for name in "abcde"])
    for secret, name in (("secret-a", "a"), ("secret-e", "e"), ("secret-", None), ("", None)):
        compared.clear()
        found = tokens.principal(secret)
        assert (found.name if found else None) == name
        # digests of one length, all of them: neither the place of a match nor a common beginning shows
        assert len(compared) == 5
        assert {len(value) for pair in compared for value in pair} == {32}
