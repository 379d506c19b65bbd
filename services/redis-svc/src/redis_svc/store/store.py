"""The store that the service's handlers use."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from svc_common import observe_store

from ..address import Address, Endpoint
from ..settings import RedisSettings
from .node import Limits, Node
from .records import RecordStore
from .replies import raised
from .topology import Single, Topology


class Store:
    """Redis, with everything the service does with it."""

    def __init__(self, topology: Topology) -> None:
        self.topology = topology
        self.records = RecordStore(topology)

    async def ping(self) -> None:
        """Return when Redis answers; raises StoreUnavailable when it does not."""
        with observe_store("redis", "ping"):
            (reply,) = await self.topology.request([(b"PING",)])
        raised(reply)


@asynccontextmanager
async def open_store(settings: RedisSettings) -> AsyncIterator[Store]:
    """The service's lifespan. Connects when the first command needs it, so Redis may come later."""
    limits = Limits(timeout=settings.store_timeout, max_reply=settings.redis_max_reply_bytes)
    topology = _topology(settings.address(), limits)
    try:
        yield Store(topology)
    finally:
        await topology.close()


def _topology(address: Address, limits: Limits) -> Topology:
    async def locate() -> Endpoint:
        return address.endpoints[0]

    return Single(Node(locate, address.login, limits))
