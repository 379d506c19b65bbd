"""One server out of several, which one being for sentinels to say.

Before each attempt to connect a sentinel is asked where the primary is, and the server that is found must say
itself that it is one. When a connected server turns out to be a replica (it answers READONLY), its
connections are given up, so that the next command finds the new primary.
"""

from __future__ import annotations

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
        super().__init__(Node(self._locate, address.login, limits, check=be_primary))

    async def request(self, commands: Sequence[Command], lane: LaneName = "quick") -> list[Reply]:
        """One reply for each command, in order."""
        return self._checked(await super().request(commands, lane))

    async def transaction(self, commands: Sequence[Command], lane: LaneName) -> list[Reply] | ServerError:
        """Run commands atomically."""
        outcome = await super().transaction(commands, lane)
        self._checked([outcome] if isinstance(outcome, ServerError) else outcome)
        return outcome

    def _checked(self, replies: list[Reply]) -> list[Reply]:
        if any(isinstance(reply, ServerError) and reply.code == "READONLY" for reply in replies):
            self._node.drop()
        return replies

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
    if not isinstance(reply, list) or reply[0] != b"master":
        raise StoreUnavailable("redis", "The store redis is changing its primary; try again soon.")
