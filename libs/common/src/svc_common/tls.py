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
        self._newest: ssl.SSLContext | None = None
        self._seen: object = None

    def load(self) -> ssl.SSLContext:
        """A context for a server; its handshakes show what renew() read last. OSError for files of no use.

        A context that serves is never written to: while load_cert_chain runs, the new certificate stands
        beside the old key, and handshakes of that moment fail. Each is given the newest context instead.
        """
        self._seen = self._stamps()
        self._newest = self._fresh()
        context = self._fresh()
        # OpenSSL calls it for every full handshake, with None where the client names no server
        context.sni_callback = self._give_newest
        return context

    def renew(self) -> bool:
        """Read the files when they have changed; whether they had. Connections that are open stay.

        Handshakes may run in other threads meanwhile. OSError for files of no use: nothing changes then.
        """
        stamps = self._stamps()
        if stamps == self._seen:
            return False
        self._newest = self._fresh()
        self._seen = stamps
        return True

    def _give_newest(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        if self._newest is not None:
            connection.context = self._newest

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
