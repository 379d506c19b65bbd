"""A Redis cluster: commands go to the server that holds their keys.

The map of slots comes from any node that answers, and again when a node says MOVED or cannot be reached.
Commands of a pipeline leave for all their servers at once and are answered in their order. A redirected
command was not carried out where it came first, so sending it to the right place sends it once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from svc_common import StoreUnavailable

from ..address import Address, Endpoint
from ..command_table import CommandTable, parse_command_table
from ..replies import Command, Reply, ServerError, raised
from .cluster_plan import (
    CROSS_SLOT,
    SLOTS,
    combined,
    goes_everywhere,
    known_keys,
    redirect,
    scan_cursor,
    scan_position,
    slot_of,
    walks_everything,
)
from .node import LaneName, Limits, Node, looked_at
from .topology import run_transaction
from .wire import Wire

_MOST_REDIRECTS = 5


class Cluster:
    """Several primaries, each with its share of the keys."""

    def __init__(self, address: Address, limits: Limits) -> None:
        self._address = address
        self._limits = limits
        self._nodes: dict[Endpoint, Node] = {}
        self._slots: list[Node] = []
        self._primaries: list[Node] = []
        self._table: CommandTable | None = None
        self._learning: asyncio.Task[None] | None = None
        self._stale = True

    @property
    def connects(self) -> int:
        """Grows whenever a connection is made."""
        return sum(node.connects for node in self._nodes.values())

    async def request(self, commands: Sequence[Command], lane: LaneName = "quick") -> list[Reply]:
        """One reply for each command, in order. Commands for different servers run side by side."""
        if len(commands) == 1:
            return [await self._one(commands[0], lane)]
        nodes = await self._nodes_for(commands)
        shares: dict[Node, list[int]] = {}
        replies: list[Reply] = [None] * len(commands)

        async def share(node: Node, places: list[int]) -> None:
            found = await self._ask(node, [commands[place] for place in places], lane)
            for place, reply in zip(places, found, strict=True):
                replies[place] = (
                    reply if redirect(reply) is None else await self._follow(commands[place], reply, lane)
                )

        for place, node in enumerate(nodes):
            if node is not None:
                shares.setdefault(node, []).append(place)
                continue
            # It concerns every server, so it comes behind what is before it and before what is behind it
            await asyncio.gather(*(share(node, places) for node, places in shares.items()))
            shares.clear()
            replies[place] = await self._one(commands[place], lane)
        await asyncio.gather(*(share(node, places) for node, places in shares.items()))
        return replies

    async def transaction(self, commands: Sequence[Command], lane: LaneName) -> list[Reply] | ServerError:
        """Run commands atomically; their keys must be in one slot."""
        await self._learn()
        slots = {slot_of(key) for command in commands for key in await self._keys(command)}
        if len(slots) > 1:
            return ServerError(CROSS_SLOT)
        for _ in range(2):
            node = self._slots[slots.copy().pop()] if slots else self._primaries[0]
            try:
                outcome = await run_transaction(node, commands, lane)
            except StoreUnavailable:
                self._stale = True
                raise
            if not isinstance(outcome, ServerError) or outcome.code != "MOVED":
                break
            self._stale = True  # nothing of it was run there
            await self._learn_again()
        return outcome

    async def dedicated(self, command: Command, *, patience: float = 0) -> Wire:
        """A connection of the caller's own to the server that ``command`` belongs to."""
        keys = await self._keys(command)
        if keys:  # a server that holds the key no longer says so, and then the map is read again
            await self._one((b"EXISTS", keys[0]), "quick")
            await self._learn_again()
        return await (await self._node_for(command)).dedicated(patience=patience)

    async def node_of(self, key: bytes) -> Node:
        """The server that holds a key."""
        await self._learn_again()
        return self._slots[slot_of(key)]

    async def primaries(self) -> Sequence[Node]:
        """The servers that hold the keys, in the order of their slots."""
        await self._learn()
        return self._primaries

    async def close(self) -> None:
        """Close every shared connection."""
        if self._learning is not None:
            self._learning.cancel()
        for node in self._nodes.values():
            await node.close()

    # -- one command ----------------------------------------------------------------------------------

    async def _one(self, command: Command, lane: LaneName) -> Reply:
        await self._learn()
        assert self._table is not None
        info = self._table.find(command)
        if goes_everywhere(info):
            assert info is not None
            found = await asyncio.gather(*(self._ask(node, [command], lane) for node in self._primaries))
            return combined(info, [replies[0] for replies in found])
        if walks_everything(info) and len(command) > 1:
            return await self._scan(command, lane)
        (reply,) = await self._ask(await self._node_for(command), [command], lane)
        return reply if redirect(reply) is None else await self._follow(command, reply, lane)

    async def _follow(self, command: Command, reply: Reply, lane: LaneName) -> Reply:
        """Send a command to where a node says it belongs."""
        for _ in range(_MOST_REDIRECTS):
            found = redirect(reply)
            if found is None:
                break
            kind, host, port = found
            endpoint = Endpoint(host or self._address.endpoints[0].host, port)
            if lane == "scripts" and not await self._is_member(endpoint):
                break
            node = self._node(endpoint)
            if kind == "MOVED":
                self._stale = True
                (reply,) = await self._ask(node, [command], lane)
            else:
                _, reply = await self._ask(node, [(b"ASKING",), command], lane)
        return reply

    async def _is_member(self, endpoint: Endpoint) -> bool:
        """Whether the cluster knows a server: scripts can name any, and it would be told the password."""
        if endpoint not in self._nodes:
            self._stale = True
            await self._learn_again()
        return endpoint in self._nodes

    async def _scan(self, command: Command, lane: LaneName) -> Reply:
        position = scan_position(command[1], len(self._primaries))
        if position is None:
            return ServerError("ERR invalid cursor")
        number, inner = position
        (reply,) = await self._ask(self._primaries[number], [(command[0], inner, *command[2:])], lane)
        if isinstance(reply, list) and isinstance(reply[0], bytes):
            return [scan_cursor(number, reply[0], len(self._primaries)), *reply[1:]]
        return reply

    async def _ask(self, node: Node, commands: Sequence[Command], lane: LaneName) -> list[Reply]:
        try:
            return await node.request(commands, lane)
        except StoreUnavailable:
            self._stale = True
            raise

    # -- which server ---------------------------------------------------------------------------------

    async def _nodes_for(self, commands: Sequence[Command]) -> list[Node | None]:
        """The server of each command; None for what concerns every server."""
        keys = await self._keys_of(commands)
        assert self._table is not None
        infos = map(self._table.find, commands)
        return [
            None if goes_everywhere(info) or walks_everything(info) else self._holder(found)
            for info, found in zip(infos, keys, strict=True)
        ]

    async def _node_for(self, command: Command) -> Node:
        return self._holder(await self._keys(command))

    def _holder(self, keys: Sequence[bytes]) -> Node:
        return self._slots[slot_of(keys[0])] if keys else self._primaries[0]

    async def _keys(self, command: Command) -> list[bytes]:
        (keys,) = await self._keys_of([command])
        return keys

    async def _keys_of(self, commands: Sequence[Command]) -> list[list[bytes]]:
        """The keys of each command; those that only a server can tell are asked for together."""
        await self._learn()
        assert self._table is not None
        known = [known_keys(self._table.find(command), command) for command in commands]
        questions = [
            (b"COMMAND", b"GETKEYS", *command)
            for command, keys in zip(commands, known, strict=True)
            if keys is None
        ]
        told = iter(await self._ask(self._primaries[0], questions, "guarded") if questions else ())
        return [_key_list(next(told)) if keys is None else keys for keys in known]

    def _node(self, endpoint: Endpoint) -> Node:
        if endpoint not in self._nodes:

            async def locate() -> Endpoint:
                return endpoint

            self._nodes[endpoint] = Node(
                locate, self._address.login, self._limits, unreachable=self._doubt_the_map
            )
        return self._nodes[endpoint]

    # -- the map of slots -----------------------------------------------------------------------------

    def _doubt_the_map(self) -> None:
        self._stale = True

    async def _learn(self) -> None:
        """Make sure that there is a map of slots. One that may be outdated serves while it is read again:

        a server that does not answer must not hold up what others have.
        """
        if self._slots and self._stale:
            self._start_learning()
        elif not self._slots:
            await self._learn_again()

    async def _learn_again(self) -> None:
        """Make sure that the map of slots is up to date; everybody waits for the same attempt."""
        if not self._stale:
            return
        learning = self._start_learning()
        try:
            async with asyncio.timeout(self._limits.timeout):  # it may have to ask several that do not answer
                await asyncio.shield(learning)
        except TimeoutError as error:
            raise StoreUnavailable("redis", "No node of the cluster answers.") from error

    def _start_learning(self) -> asyncio.Task[None]:
        if self._learning is None or self._learning.done():
            self._learning = asyncio.create_task(self._learn_from_anyone())
            self._learning.add_done_callback(looked_at)
        return self._learning

    async def _learn_from_anyone(self) -> None:
        # Those of the last map first: others that were known once may be gone for good
        in_use = [endpoint for endpoint, node in self._nodes.items() if node in self._primaries]
        for endpoint in dict.fromkeys((*in_use, *self._address.endpoints, *self._nodes)):
            try:
                async with asyncio.timeout(self._limits.timeout):
                    slots, table = await self._node(endpoint).request(
                        [(b"CLUSTER", b"SLOTS"), (b"COMMAND",)], "bulk"
                    )
                self._read_slots(raised(slots), endpoint)
                self._table = parse_command_table(raised(table))
            except (StoreUnavailable, ServerError, TimeoutError):
                continue
            self._stale = False
            return
        raise StoreUnavailable("redis", "No node of the cluster answers for every slot.")

    def _read_slots(self, reply: Reply, asked: Endpoint) -> None:
        assert isinstance(reply, list)
        slots: list[Node | None] = [None] * SLOTS
        for entry in reply:
            assert isinstance(entry, list)
            first, last, primary, *_ = entry
            assert isinstance(first, int)
            assert isinstance(last, int)
            assert isinstance(primary, list)
            host, port = primary[:2]
            assert isinstance(port, int)
            name = host.decode() if isinstance(host, bytes) and host else asked.host
            slots[first : last + 1] = [self._node(Endpoint(name, port))] * (last + 1 - first)
        complete = [node for node in slots if node is not None]
        if len(complete) != SLOTS:
            raise StoreUnavailable("redis", "The cluster does not cover every slot.")
        self._slots = complete
        self._primaries = list(dict.fromkeys(complete))


def _key_list(reply: Reply) -> list[bytes]:
    return [key for key in reply if isinstance(key, bytes)] if isinstance(reply, list) else []
