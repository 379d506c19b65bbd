"""SIGUSR1 reads the schema again, SIGUSR2 the configuration, for those who cannot send a NOTIFY."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from pg_svc.store.database import Database


@contextmanager
def reloading(database: Database) -> Iterator[None]:
    """Do what the signals say while the block runs. Only a process's main thread hears of them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, database.order_schema)
    loop.add_signal_handler(signal.SIGUSR2, database.order_configuration)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGUSR1)
        loop.remove_signal_handler(signal.SIGUSR2)
