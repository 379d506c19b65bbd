"""From an address to the servers behind it."""

from __future__ import annotations

from ..address import Address, Endpoint
from .node import Limits, Node
from .topology import Single, Topology


def open_topology(address: Address, limits: Limits) -> Topology:
    """The servers that an address stands for. Nothing is connected yet."""

    async def locate() -> Endpoint:
        return address.endpoints[0]

    return Single(Node(locate, address.login, limits))
