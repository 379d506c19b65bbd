"""Which server a command goes to. The simplest case, one server, is here; the others have their modules."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Protocol

from ..replies import Command, Reply, ServerError
from .node import LaneName, Node
from .wire import Wire


class Topology(Protocol):
    """One Redis or several that look like one. Raises StoreUnavailable when it cannot be reached."""

    @property
    def connects(self) -> int:
        """Grows whenever a connection is made."""
        ...

    def request(self, commands: Sequence[Command], lane: LaneName = "quick") -> Awaitable[list[Reply]]:
        """One reply for each command, in order. Commands for different servers run side by side."""
        ...

    async def transaction(self, commands: Sequence[Command], lane: LaneName) -> list[Reply] | ServerError:
        """Run commands atomically: one reply for each, or the error that kept all of them from being run."""
        ...

    async def dedicated(self, command: Command, *, patience: float = 0) -> Wire:
        """A connection of the caller's own to the server that ``command`` belongs to."""
        ...

    async def node_of(self, key: bytes) -> Node:
        """The server that holds a key."""
        ...

    async def primaries(self) -> Sequence[Node]:
        """The servers that hold the keys, always in the same order."""
        ...

    async def close(self) -> None:
        """Close every shared connection."""
        ...


class Single:
    """One server."""

    def __init__(self, node: Node) -> None:
        self._node = node

    @property
    def connects(self) -> int:
        """Grows whenever a connection is made."""
        return self._node.connects

    def request(self, commands: Sequence[Command], lane: LaneName = "quick") -> Awaitable[list[Reply]]:
        """One reply for each command, in order."""
        return self._node.request(commands, lane)

    async def transaction(self, commands: Sequence[Command], lane: LaneName) -> list[Reply] | ServerError:
        """Run commands atomically."""
        return await run_transaction(self._node, commands, lane)

    async def dedicated(self, command: Command, *, patience: float = 0) -> Wire:
        """A connection of the caller's own."""
        return await self._node.dedicated(patience=patience)

    async def node_of(self, key: bytes) -> Node:
        """The one server."""
        return self._node

    async def primaries(self) -> Sequence[Node]:
        """The one server."""
        return (self._node,)

    async def close(self) -> None:
        """Close the shared connections."""
        await self._node.close()


async def run_transaction(
    node: Node, commands: Sequence[Command], lane: LaneName
) -> list[Reply] | ServerError:
    """MULTI, the commands and EXEC in one piece, so that no other caller's command comes between."""
    *queued, outcome = await node.request([(b"MULTI",), *commands, (b"EXEC",)], lane)
    if isinstance(outcome, list):
        return outcome
    # EXECABORT says only that something was wrong before; what was wrong was said when it was queued
    refused = next((reply for reply in queued if isinstance(reply, ServerError)), outcome)
    return refused if isinstance(refused, ServerError) else ServerError("ERR the transaction was discarded")
