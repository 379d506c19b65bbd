"""Which server a command goes to. The simplest case, one server, is here; the others have their modules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from .node import Node
from .replies import Command, Reply
from .wire import Wire


class Topology(Protocol):
    """One Redis or several that look like one. Raises StoreUnavailable when it cannot be reached."""

    @property
    def connects(self) -> int:
        """Grows whenever a connection is made."""
        ...

    async def request(self, commands: Sequence[Command], *, bulk: bool = False) -> list[Reply]:
        """One reply for each command, in order. Commands for different servers run side by side."""
        ...

    async def together(self, commands: Sequence[Command], *, key: bytes | None) -> list[Reply]:
        """Commands that must reach one server with nothing between them; ``key`` says which server."""
        ...

    async def dedicated(self, command: Command, *, patience: float = 0) -> Wire:
        """A connection of the caller's own to the server that ``command`` belongs to."""
        ...

    def primaries(self) -> Sequence[Node]:
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

    async def request(self, commands: Sequence[Command], *, bulk: bool = False) -> list[Reply]:
        """One reply for each command, in order."""
        return await self._node.request(commands, bulk=bulk)

    async def together(self, commands: Sequence[Command], *, key: bytes | None) -> list[Reply]:
        """Commands with nothing between them."""
        return await self._node.request(commands)

    async def dedicated(self, command: Command, *, patience: float = 0) -> Wire:
        """A connection of the caller's own."""
        return await self._node.dedicated(patience=patience)

    def primaries(self) -> Sequence[Node]:
        """The one server."""
        return (self._node,)

    async def close(self) -> None:
        """Close the shared connections."""
        await self._node.close()
