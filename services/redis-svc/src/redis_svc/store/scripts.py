"""Lua scripts, sent by their digest and in full only to a server that does not know them yet."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from ..replies import Command, Reply, ServerError
from .topology import Topology


class Script:
    """A script that runs atomically on the server that holds its keys."""

    def __init__(self, source: str) -> None:
        self._source = source.strip().encode()
        self._digest = hashlib.sha1(self._source, usedforsecurity=False).hexdigest().encode()

    async def run(self, topology: Topology, keys: Sequence[bytes], arguments: Sequence[bytes]) -> Reply:
        """Run it; errors come back as values."""
        rest = (str(len(keys)).encode(), *keys, *arguments)
        reply = await self._send(topology, (b"EVALSHA", self._digest, *rest))
        if isinstance(reply, ServerError) and reply.code == "NOSCRIPT":
            reply = await self._send(topology, (b"EVAL", self._source, *rest))  # it was not carried out
        return reply

    @staticmethod
    async def _send(topology: Topology, command: Command) -> Reply:
        (reply,) = await topology.request([command])
        return reply
