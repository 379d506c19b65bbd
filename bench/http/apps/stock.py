"""The same answer from Tornado alone, started as its documentation starts one: ``stock.py PORT``."""

from __future__ import annotations

import asyncio
import sys

import tornado.web


class Hello(tornado.web.RequestHandler):
    """``{"message": "hello"}``"""

    async def get(self) -> None:
        self.write({"message": "hello"})


async def main() -> None:
    """Serve until the end."""
    tornado.web.Application([("/v1/hello", Hello)]).listen(int(sys.argv[1]), "127.0.0.1")
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
