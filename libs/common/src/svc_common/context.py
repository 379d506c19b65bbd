"""What a running service knows: shared by its handlers, its admin port and its runtime."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from .auth import Authenticator
from .auth.usage import TokenUse
from .cors import CorsPolicy
from .deadlines import Deadlines
from .health import Check
from .ratelimit import RateLimiter
from .settings import ServiceSettings
from .streams import EventStreams


@dataclass
class ServiceContext:
    """One running service. ``state`` is what its lifespan yielded."""

    name: str
    version: str
    settings: ServiceSettings
    state: Any
    authenticator: Authenticator
    cors: CorsPolicy
    checks: Sequence[Check] = ()
    limiter: RateLimiter | None = None
    token_use: TokenUse = field(default_factory=TokenUse)
    draining: bool = False
    """No longer ready; answers ask clients to close their connections."""
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when event streams and WebSockets must end."""
    in_flight: int = 0
    """Requests being served, event streams included."""
    streams: int = 0
    """Event streams and WebSockets being served."""
    sockets: int = 0
    """The WebSockets among them, whose connections are not the server's any more."""
    event_streams: EventStreams = field(default_factory=EventStreams)
    """The event streams that are open."""
    deadlines: Deadlines = field(init=False)
    """When the requests that are being served must be answered."""

    def __post_init__(self) -> None:
        self.deadlines = Deadlines(self.settings.request_timeout)
