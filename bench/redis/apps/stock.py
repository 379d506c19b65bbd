"""A record from Tornado and redis-py alone, as their documentation starts them: ``stock.py PORT``."""

from __future__ import annotations

import asyncio
import os
import sys

import tornado.web
from redis.asyncio import Redis


class Record(tornado.web.RequestHandler):
    """``GET /v1/records/{key}``"""

    def initialize(self, redis: Redis) -> None:
        self.redis = redis

    async def get(self, key: str) -> None:
        value = await self.redis.get(key)
        if value is None:
            raise tornado.web.HTTPError(404)
        self.set_header("Content-Type", "application/octet-stream")
        self.write(value)


async def main() -> None:
    """Serve until the end."""
    redis = Redis.from_url(os.environ["REDIS_URL"])
    application = tornado.web.Application([("/v1/records/([^/]+)", Record, {"redis": redis})])
    application.listen(int(sys.argv[1]), "127.0.0.1")
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
