"""Lends Redis to the rate limits, so that all processes count together."""

from __future__ import annotations

from collections.abc import Sequence

from svc_common import StoreUnavailable, observe_store

from .scripts import Script
from .topology import Topology


class RateScripts:
    """Runs the limits' script on the server that holds a caller's key."""

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
