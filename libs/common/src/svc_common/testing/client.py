"""Requests that a well-behaved client could not send."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit


async def raw_request(url: str, data: bytes, *, timeout: float = 30.0) -> bytes:
    """Send bytes to the host of ``url`` and return all that comes back until the connection closes.

    A peer that resets the connection after its answer counts as closed.
    """
    address = urlsplit(url)
    async with asyncio.timeout(timeout):
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        answer = b""
        try:
            writer.write(data)
            while chunk := await reader.read(65536):
                answer += chunk
        except ConnectionError:
            pass
        finally:
            writer.close()
        return answer
