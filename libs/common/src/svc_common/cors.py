"""Cross-origin requests (the Fetch standard's CORS protocol): which headers an answer carries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

EXPOSED = (
    "Content-Location, Content-Range, ETag, Link, Location, Preference-Applied, Range-Unit, Retry-After, "
    "X-Request-ID, Age, Upstash-Sync-Token, RateLimit, RateLimit-Policy"
)
_MAX_AGE = "86400"


@dataclass(frozen=True)
class CorsPolicy:
    """Which pages may call: none, any (``*``, then without cookies), or those of the listed origins."""

    origins: Sequence[str] = ()
    _listed: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_listed", frozenset(self.origins))

    @property
    def enabled(self) -> bool:
        """Whether any origin is allowed."""
        return bool(self.origins)

    def headers(self, origin: str | None) -> dict[str, str]:
        """What to add to the answer for a request from ``origin``."""
        if not self.origins:
            return {}
        if "*" in self._listed:
            return {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": EXPOSED}
        headers = {"Vary": "Origin"}  # also when refused: the answer depends on who asked
        if origin is not None and origin in self._listed:
            headers["Access-Control-Allow-Origin"] = origin
            headers["Access-Control-Allow-Credentials"] = "true"
            headers["Access-Control-Expose-Headers"] = EXPOSED
        return headers

    def preflight(self, origin: str | None, requested_headers: str | None, allow: str) -> dict[str, str]:
        """What to answer to ``OPTIONS`` with ``Access-Control-Request-Method``, beside ``headers``."""
        if not self.enabled or origin is None:
            return {}
        if "*" not in self._listed and origin not in self._listed:
            return {}
        return {
            "Access-Control-Allow-Methods": allow,
            "Access-Control-Allow-Headers": requested_headers or "Authorization, Content-Type",
            "Access-Control-Max-Age": _MAX_AGE,
        }
