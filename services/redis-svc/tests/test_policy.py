"""The policy, on what a real server says about its commands."""

from __future__ import annotations

import pytest
from redis.asyncio import Redis

from redis_svc.address import parse_address
from redis_svc.command_table import CommandTable, keys_of, parse_command_table
from redis_svc.policy import Policy, takes_connection
from redis_svc.store.connect import open_wire
from svc_common import Access


@pytest.fixture
async def table(redis_url: str) -> CommandTable:
    address = parse_address(redis_url)
    wire = await open_wire(address.endpoints[0], address.login, timeout=30, max_reply=2**24)
    (reply,) = await wire.request([(b"COMMAND",)])
    wire.close()
    return parse_command_table(reply)


def _refused(table: CommandTable, policy: Policy, command: str, scope: Access) -> bool:
    info = table.find(command.encode().split())
    assert info is not None, command
    return policy.refusal(info, scope) is not None


OPEN = (
    "GET a|SET a 1|DEL a|INCR a|HSET a b c|LPUSH a 1|ZADD a 1 b|GEOADD a 1 1 b|PFADD a b|"
    "XADD a * b c|EVAL x 0|SETBIT a 1 1|PUBLISH a b|FLUSHDB|FLUSHALL|KEYS *|SCAN 0|INFO|DBSIZE|"
    "SCRIPT LOAD x|FUNCTION LIST|TIME|PING|ECHO a|COMMAND COUNT|BLPOP a 1|XREAD STREAMS a 0|"
    "OBJECT ENCODING a|SORT a|COPY a b|PUBSUB CHANNELS"
)
CLOSED = (
    "SHUTDOWN|DEBUG SLEEP 1|CONFIG GET *|CONFIG SET a b|SLAVEOF a b|REPLICAOF a b|MODULE LIST|"
    "ACL LIST|SAVE|BGSAVE|BGREWRITEAOF|SWAPDB 0 1|MIGRATE a 1 b 0 1|CLIENT KILL a|CLIENT LIST|"
    "FAILOVER|CLUSTER RESET|SLOWLOG GET|LATENCY RESET|RESTORE-ASKING a 0 b"
)
HOLDING = (
    "SUBSCRIBE a|PSUBSCRIBE a|SSUBSCRIBE a|UNSUBSCRIBE|MONITOR|SELECT 1|MULTI|EXEC|DISCARD|WATCH a|"
    "UNWATCH|AUTH a|HELLO 3|RESET|QUIT|CLIENT REPLY OFF|CLIENT TRACKING ON|CLIENT SETNAME a|WAIT 1 1|"
    "WAITAOF 1 1 1|READONLY|SYNC|PSYNC a 1|SCRIPT DEBUG YES|CLUSTER SYNCSLOTS a"
)


async def test_the_default(table: CommandTable) -> None:
    policy = Policy()
    for command in OPEN.split("|"):
        assert not _refused(table, policy, command, Access.WRITE), command
    for command in CLOSED.split("|"):
        assert _refused(table, policy, command, Access.ADMIN), command
    for command in HOLDING.split("|"):
        assert _refused(table, policy, command, Access.ADMIN), command


async def test_what_holds_the_connection_cannot_be_allowed(table: CommandTable) -> None:
    policy = Policy(allow=["@all", "@connection", "@transaction", "@pubsub", "@admin", "select", "monitor"])
    for command in HOLDING.split("|"):
        assert _refused(table, policy, command, Access.ADMIN), command


async def test_readers(table: CommandTable) -> None:
    policy = Policy()
    for command in [
        "GET a",
        "MGET a b",
        "HGETALL a",
        "XREAD STREAMS a 0",
        "EVAL_RO x 0",
        "PING",
        "DBSIZE",
        "TYPE a",
    ]:
        assert not _refused(table, policy, command, Access.READ), command
    for command in [
        "SET a 1",
        "GETEX a",
        "EVAL x 0",
        "SCAN 0",
        "KEYS *",
        "CLUSTERSCAN 0",
        "PUBLISH a b",
        "FLUSHALL",
        "SORT a",
        "SPOP a",
    ]:
        assert _refused(table, policy, command, Access.READ), command


async def test_settings(table: CommandTable) -> None:
    policy = Policy(allow=["CONFIG|GET", "@slow"], deny=["keys", "@scripting"])
    assert not _refused(table, policy, "CONFIG GET *", Access.ADMIN)
    assert _refused(table, policy, "CONFIG GET *", Access.WRITE)
    assert _refused(table, policy, "KEYS *", Access.ADMIN)
    assert _refused(table, policy, "EVAL x 0", Access.ADMIN)
    assert _refused(table, Policy(allow=["config"], deny=["config|set"]), "CONFIG SET a b", Access.ADMIN)
    assert not _refused(table, Policy(allow=["config"]), "CONFIG SET a b", Access.ADMIN)


async def test_the_table_is_the_servers(table: CommandTable, raw: Redis) -> None:
    assert len(table) == await raw.command_count()
    names = table.names()
    assert "config|get" in names
    assert any(takes_connection(info) for info in [table.find([b"select"])] if info)


async def test_keys(table: CommandTable) -> None:
    for command, expected in (
        ("GET a", [b"a"]),
        ("MSET a 1 b 2", [b"a", b"b"]),
        ("DEL a b c", [b"a", b"b", b"c"]),
        ("PING", []),
        ("EVAL x 1 a", None),
        ("OBJECT ENCODING a", [b"a"]),
    ):
        words = command.encode().split()
        info = table.find(words)
        assert info is not None
        assert keys_of(info, words) == expected, command
