"""Reading REDIS_URL."""

from __future__ import annotations

import pytest

from redis_svc.address import Endpoint, parse_address


def test_a_single_server() -> None:
    address = parse_address("redis://us%40er:p%2Fw@example.org:7000/3")
    assert address.kind == "single"
    assert address.endpoints == (Endpoint("example.org", 7000),)
    assert (address.login.username, address.login.password, address.login.db) == ("us@er", "p/w", 3)
    assert address.login.ssl_context is None


def test_defaults() -> None:
    assert parse_address("redis://").endpoints == (Endpoint("localhost", 6379),)
    assert parse_address("redis://:secret@[::1]").endpoints == (Endpoint("::1", 6379),)
    assert parse_address("redis://h?db=2").login.db == 2


def test_tls() -> None:
    login = parse_address("rediss://h").login
    context = login.ssl_context
    assert context is not None
    assert context.check_hostname
    context = parse_address("rediss://h?ssl_cert_reqs=none").login.ssl_context
    assert context is not None
    assert not context.check_hostname


def test_a_unix_socket() -> None:
    address = parse_address("unix://:pw@/run/redis/redis.sock?db=1")
    assert address.endpoints == (Endpoint(path="/run/redis/redis.sock"),)
    assert (address.login.password, address.login.db) == ("pw", 1)


def test_sentinels() -> None:
    address = parse_address("redis+sentinel://u:p@a,b:1,[::2]:3/main/4?sentinel_password=s")
    assert address.kind == "sentinel"
    assert address.endpoints == (Endpoint("a", 26379), Endpoint("b", 1), Endpoint("::2", 3))
    assert (address.service, address.login.db, address.sentinel_login.password) == ("main", 4, "s")


def test_a_cluster() -> None:
    address = parse_address("redis+cluster://a:1,b:2")
    assert (address.kind, address.endpoints) == ("cluster", (Endpoint("a", 1), Endpoint("b", 2)))


@pytest.mark.parametrize(
    "url",
    [
        "http://h",
        "redis://a,b",
        "redis://h:0",
        "redis://h:x",
        "redis://h:99999",
        "redis://h/x",
        "redis://h/1/2",
        "redis://h?tiemout=1",
        "redis+sentinel://h",
        "redis+cluster://h/1",
        "unix://",
    ],
)
def test_what_is_wrong_is_said_without_the_password(url: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_address(url.replace("://", "://:hidden@", 1))
    assert "hidden" not in str(caught.value)
