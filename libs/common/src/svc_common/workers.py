"""``WORKERS=n``: n processes share the port (SO_REUSEPORT); one that dies is replaced.

The parent listens nowhere itself. It starts each worker as the same program with ``STOREFRONTS_WORKER`` set,
passes SIGTERM and what a service may listen to besides (SIGUSR1, SIGUSR2) on, and waits. Workers notice a
parent that is gone by the end of their standard input.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import sys
import tempfile

from prometheus_client.multiprocess import mark_process_dead

from . import metrics
from .logs import configure_logging, get_logger
from .process import WORKER_VARIABLE, StartError, run_loop
from .settings import EXIT_CONFIG, ServiceSettings

_FAST_DEATH_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 10.0

log = get_logger("svc_common.workers")


def supervise(service_name: str, settings: ServiceSettings) -> int:
    """Run the workers until SIGTERM or SIGINT; returns the exit status."""
    configure_logging(service_name, level=settings.log_level, format=settings.log_format)
    for variable, host, port in (
        ("SERVER_PORT", settings.server_host, settings.server_port),
        ("ADMIN_PORT", settings.admin_host or settings.server_host, settings.admin_port),
    ):
        _check_free(variable, host, port)
    folder = tempfile.mkdtemp(prefix="storefronts-metrics-")
    try:
        return run_loop(_Supervisor(settings, folder).run())
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _check_free(variable: str, host: str, port: int) -> None:
    """Sharing a port silently with somebody else's process would be worse than not starting."""
    if port == 0:
        raise StartError(f"cannot start: {variable} 0 cannot be shared; give a port when WORKERS is above 1")
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise StartError(
                f"cannot start: {variable} {port} on {host or '*'} cannot be used: {error.strerror}"
            ) from None


class _Supervisor:
    def __init__(self, settings: ServiceSettings, folder: str) -> None:
        self._settings = settings
        self._folder = folder
        self._stop = asyncio.Event()
        self._processes: dict[int, asyncio.subprocess.Process] = {}
        self._exit_status = 0

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal)
        for number in (signal.SIGUSR1, signal.SIGUSR2):
            loop.add_signal_handler(number, self._pass_on, number)
        await asyncio.gather(*(self._keep(index) for index in range(self._settings.workers)))
        return self._exit_status

    def _on_signal(self) -> None:
        # The first signal drains the workers, the second ends them: they know the difference themselves
        self._stop.set()
        self._pass_on(signal.SIGTERM)

    def _pass_on(self, number: int) -> None:
        for process in self._processes.values():
            if process.returncode is None:
                process.send_signal(number)

    async def _keep(self, index: int) -> None:
        """Keep one worker running until the stop."""
        pause = 0.1
        loop = asyncio.get_running_loop()
        while not self._stop.is_set():
            started = loop.time()
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *sys.orig_argv[1:],
                env=self._environment(index),
                stdin=asyncio.subprocess.PIPE,
                start_new_session=True,  # Ctrl-C in a terminal reaches the parent alone
            )
            self._processes[index] = process
            if self._stop.is_set():  # the signal came while it was being started
                process.send_signal(signal.SIGTERM)
            status = await process.wait()
            mark_process_dead(process.pid, self._folder)  # type: ignore[no-untyped-call]
            if self._stop.is_set():
                self._exit_status = self._exit_status or max(status, 0)
                return
            if status == EXIT_CONFIG:  # it will not get better by trying again
                self._exit_status = status
                self._on_signal()
                return
            log.warning("worker_died", worker=index, status=status)
            pause = (
                0.1 if loop.time() - started > _FAST_DEATH_SECONDS else min(2 * pause, _LONGEST_PAUSE_SECONDS)
            )
            try:
                await asyncio.wait_for(self._stop.wait(), pause)
            except TimeoutError:
                continue

    def _environment(self, index: int) -> dict[str, str]:
        return {
            **os.environ,
            WORKER_VARIABLE: str(index),
            metrics.MULTIPROCESS_VARIABLE: self._folder,
        }
