"""From an address to the servers behind it."""

from __future__ import annotations

from ..address import Address, Endpoint
from .cluster import Cluster
from .node import Limits, Node
from .sentinel import Sentinel
from .topology import Single, Topology


def open_topology(address: Address, limits: Limits) -> Topology:
    """The servers that an address stands for. Nothing is connected yet."""
    if address.kind == "sentinel":
        return Sentinel(address, limits)
    if address.kind == "cluster":
        return Cluster(address, limits)

    async def locate() -> Endpoint:
        return address.endpoints[0]

    return Single(Node(locate, address.login, limits))
