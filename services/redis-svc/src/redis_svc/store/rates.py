"""The Redis in which all processes count rate limits together. It may be another one than the API's."""

from __future__ import annotations

from collections.abc import Sequence

from svc_common import StoreUnavailable, observe_store

from ..address import parse_address
from ..settings import RedisSettings
from .node import Limits
from .open import open_topology
from .scripts import Script
from .topology import Topology

_LARGEST_REPLY = 2**16


class RateScripts:
    """Runs the limits' script on the server that holds a caller's key, on connections of its own."""

    def __init__(self, topology: Topology) -> None:
        self._topology = topology
        self._scripts: dict[str, Script] = {}

    async def __call__(self, script: str, keys: Sequence[str], arguments: Sequence[int]) -> Sequence[int]:
        """The script's answer. Raises StoreUnavailable when there is none, or one that is no list."""
        known = self._scripts.setdefault(script, Script(script))
        with observe_store("redis", "rate_limit"):
            reply = await known.run(
                self._topology,
                [key.encode() for key in keys],
                [str(argument).encode() for argument in arguments],
            )
        if not isinstance(reply, list):
            raise StoreUnavailable("redis")
        return [number for number in reply if isinstance(number, int)]

    async def close(self) -> None:
        """Close the connections."""
        await self._topology.close()


def open_rates(settings: RedisSettings) -> RateScripts:
    """Connects when the first request is counted. ValueError for an address that cannot be read."""
    url = settings.rate_limit_redis_url.get_secret_value()
    limits = Limits(timeout=settings.store_timeout, max_reply=_LARGEST_REPLY)
    return RateScripts(open_topology(parse_address(url) if url else settings.address(), limits))
