"""One server out of several, which one being for sentinels to say.

Before each attempt to connect a sentinel is asked where the primary is, and the server that is found must say
itself that it is one. When a connected server turns out to be a replica (it answers READONLY, and says
that it is one when it is asked: scripts can answer anything), its connections are given up, so that the next
command finds the new primary.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from svc_common import StoreUnavailable

from ..address import Address, Endpoint
from ..replies import Command, ConnectionLost, Reply, ServerError
from .connect import open_wire
from .node import LaneName, Limits, Node
from .topology import Single
from .wire import Wire


class Sentinel(Single):
    """The primary that sentinels name."""

    def __init__(self, address: Address, limits: Limits) -> None:
        self._address = address
        self._limits = limits
        self._first = 0
        super().__init__(
            Node(self._locate, address.login, limits, check=be_primary, unreachable=self._ask_another)
        )

    async def request(self, commands: Sequence[Command], lane: LaneName = "quick") -> list[Reply]:
        """One reply for each command, in order."""
        replies = await super().request(commands, lane)
        await self._learn_from(replies)
        return replies

    async def transaction(self, commands: Sequence[Command], lane: LaneName) -> list[Reply] | ServerError:
        """Run commands atomically."""
        outcome = await super().transaction(commands, lane)
        await self._learn_from([outcome] if isinstance(outcome, ServerError) else outcome)
        return outcome

    async def _learn_from(self, replies: Sequence[Reply]) -> None:
        if any(isinstance(reply, ServerError) and reply.code == "READONLY" for reply in replies):
            with contextlib.suppress(StoreUnavailable):  # then it is given up already
                (role,) = await self._node.request([(b"ROLE",)])
                if not _is_primary(role):
                    self._node.drop()

    def _ask_another(self) -> None:
        """Begin with another sentinel the next time: this one may be behind the others."""
        self._first = (self._first + 1) % len(self._address.endpoints)

    async def _locate(self) -> Endpoint:
        """Where the first sentinel that answers says the primary is."""
        sentinels = self._address.endpoints
        patience = self._limits.timeout / len(sentinels)
        for turn in range(len(sentinels)):
            number = (self._first + turn) % len(sentinels)
            try:
                found = await self._ask(sentinels[number], patience)
            except StoreUnavailable:
                continue
            if found is not None:
                self._first = number
                return found
        raise StoreUnavailable("redis", "No sentinel says where the store redis is.")

    async def _ask(self, sentinel: Endpoint, patience: float) -> Endpoint | None:
        wire = await open_wire(
            sentinel, self._address.sentinel_login, timeout=patience, max_reply=self._limits.max_reply
        )
        try:
            name = self._address.service.encode()
            (reply,) = await wire.request([(b"SENTINEL", b"GET-MASTER-ADDR-BY-NAME", name)])
        except ConnectionLost as error:
            raise StoreUnavailable("redis") from error
        finally:
            wire.close()
        if not isinstance(reply, list) or len(reply) != 2:
            return None
        host, port = reply
        assert isinstance(host, bytes)
        assert isinstance(port, bytes)
        return Endpoint(host.decode(), int(port))


async def be_primary(wire: Wire) -> None:
    """Raise StoreUnavailable unless the server says that it is a primary."""
    try:
        (reply,) = await wire.request([(b"ROLE",)])
    except ConnectionLost as error:
        raise StoreUnavailable("redis") from error
    if not _is_primary(reply):
        raise StoreUnavailable("redis", "The store redis is changing its primary; try again soon.")


def _is_primary(role: Reply) -> bool:
    return isinstance(role, list) and role[0] == b"master"
