"""TLS on the API port: TLS 1.2 and newer, with a certificate that may be renewed while the service runs."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from .logs import get_logger
from .process import StartError
from .settings import ServiceSettings

_LOOK_SECONDS = 2.0

log = get_logger("svc_common.tls")


@asynccontextmanager
async def serving_tls(settings: ServiceSettings) -> AsyncIterator[ssl.SSLContext | None]:
    """The context for the API port, kept up to date while the block runs; None without TLS_CERT_FILE.

    Raises StartError when the files cannot be used.
    """
    if not settings.tls_cert_file:
        yield None
        return
    certificate = Certificate(Path(settings.tls_cert_file), Path(settings.tls_key_file))
    try:
        context = certificate.load()
    except OSError as error:  # SSLError is one
        raise StartError(f"cannot start: TLS_CERT_FILE and TLS_KEY_FILE: {error.strerror}") from None
    watch = asyncio.create_task(_watch(certificate))
    try:
        yield context
    finally:
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)


class Certificate:
    """A certificate chain and its key in two files."""

    def __init__(self, chain: Path, key: Path) -> None:
        self._chain = chain
        self._key = key
        self._context: ssl.SSLContext | None = None
        self._seen: object = None

    def load(self) -> ssl.SSLContext:
        """A context with what the files hold now. OSError when that is of no use."""
        self._seen = self._stamps()
        self._context = self._fresh()
        return self._context

    def renew(self) -> bool:
        """Take the files over when they have changed; whether they had. Connections that are open stay."""
        stamps = self._stamps()
        if self._context is None or stamps == self._seen:
            return False
        self._fresh()  # half-written files must not get into the context that serves
        self._context.load_cert_chain(self._chain, self._key)
        self._seen = stamps
        return True

    def _fresh(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        context.load_cert_chain(self._chain, self._key)
        return context

    def _stamps(self) -> object:
        # A mounted secret is a link to a folder that is exchanged as a whole: look at what is behind it
        stats = [path.stat() for path in (self._chain, self._key)]
        return [(stat.st_ino, stat.st_mtime_ns, stat.st_size) for stat in stats]


async def _watch(certificate: Certificate) -> None:
    told = False
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        try:
            renewed = await asyncio.to_thread(certificate.renew)
        except OSError as error:
            if not told:  # the two files may just be half exchanged
                log.warning("certificate_not_renewed", error=type(error).__name__)
            told = True
            continue
        told = False
        if renewed:
            log.info("certificate_renewed")
