"""The Redis in which all processes count rate limits together, where the settings name one."""

from __future__ import annotations

from svc_common import ServiceSettings
from svc_common.sharedrates import ClientScripts


def open_rates(settings: ServiceSettings) -> ClientScripts | None:
    """Connects when the first request is counted. ValueError for an address that cannot be read."""
    url = settings.rate_limit_redis_url.get_secret_value()
    if not url:
        return None
    from redis.asyncio import Redis  # 9 MB that most processes do without
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    timeout = settings.store_timeout
    client = Redis.from_url(
        url, socket_timeout=timeout, socket_connect_timeout=timeout, retry=Retry(NoBackoff(), 0)
    )
    return ClientScripts(client)
