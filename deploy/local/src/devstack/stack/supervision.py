"""Supervision by supervisord: its configuration, and what we ask it while it runs."""

from __future__ import annotations

import contextlib
import os
import resource
import shlex
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from signal import SIGTERM
from typing import TypedDict, TypeVar
from xmlrpc.client import Error, ServerProxy

from devstack.stack.layout import Layout
from devstack.stack.plan import Plan, PlanError, Program
from devstack.stores.children import end_with_parent

# Every process of a stack has this variable, whose value is the data folder.
MARKER = "STOREFRONTS_STACK"

# Groups start together and stop from the highest priority to the lowest.
_PRIORITIES = {"stores": 100, "services": 200, "door": 300}


T = TypeVar("T")


class ProcessInfo(TypedDict):
    """What supervisord says about a program (the part that we use)."""

    name: str
    group: str
    statename: str  # STOPPED STARTING RUNNING BACKOFF STOPPING EXITED FATAL UNKNOWN
    pid: int
    start: int


ENDED = frozenset({"STOPPED", "EXITED", "FATAL", "UNKNOWN"})


def configuration(plan: Plan, layout: Layout, socket: Path) -> str:
    """Return supervisord's configuration file. Raises ``PlanError`` if a path cannot be written in it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = 65536 if hard == resource.RLIM_INFINITY else min(hard, 65536)
    sections = [
        _section(
            "supervisord",
            {
                "nodaemon": "true",
                "silent": "true",
                "identifier": "storefronts",
                **({"user": "root"} if os.geteuid() == 0 else {}),
                "logfile": str(layout.log("supervisord")),
                "logfile_maxbytes": "5MB",
                "logfile_backups": "2",
                "pidfile": str(layout.run / "supervisord.pid"),
                "childlogdir": str(layout.logs),
                "minfds": str(files),
                "minprocs": "1",
            },
        ),
        _section("unix_http_server", {"file": str(socket), "chmod": "0600"}),
        _section(
            "rpcinterface:supervisor",
            {"supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"},
        ),
    ]
    for group, priority in _PRIORITIES.items():
        members = [program for program in plan.programs if program.group == group]
        if not members:
            continue
        sections.append(
            _section(
                f"group:{group}",
                {"programs": ",".join(member.name for member in members), "priority": str(priority)},
            )
        )
        sections += [_section(f"program:{member.name}", _program(member, layout)) for member in members]
    return "\n".join(sections)


def _program(program: Program, layout: Layout) -> dict[str, str]:
    return {
        "command": shlex.join(program.command),
        "stopsignal": program.stop_signal,
        "stopwaitsecs": str(program.stop_seconds),
        "killasgroup": "true",
        "autorestart": "true",
        # Whoever ends sooner is tried again after 1, 2, 3 … seconds, else at once. A service that finds its
        # settings wrong needs two or three seconds to say so when all start at the same time.
        "startsecs": "5",
        "startretries": "20",
        "redirect_stderr": "true",
        "stdout_logfile": str(layout.log(program.name)),
        "stdout_logfile_maxbytes": "5MB",
        "stdout_logfile_backups": "2",
    }


def _section(title: str, values: dict[str, str]) -> str:
    lines = [f"[{title}]"]
    for name, value in values.items():
        # supervisord's format cannot quote these: they begin comments and expressions. (%% stands for a
        # percent sign in some values and for an expression in others.)
        if any(sign in value for sign in (" ;", " #", "%", "\n")):
            raise PlanError(f"paths with '%', ' ;', ' #' or line ends are not supported: {value}")
        lines.append(f"{name} = {value}")
    return "\n".join(lines) + "\n"


class _Methods:
    """The part of supervisord's interface that we call, with its types."""

    def __init__(self, socket: Path) -> None:
        from supervisor.xmlrpc import SupervisorTransport

        transport = SupervisorTransport(None, None, f"unix://{socket}")
        self._proxy = ServerProxy("http://localhost", transport=transport)

    def processes(self) -> list[ProcessInfo]:
        return self._proxy.supervisor.getAllProcessInfo()  # type: ignore[return-value]

    def stop_group(self, group: str) -> None:
        self._proxy.supervisor.stopProcessGroup(group, False)

    def signal(self, program: str, group: str, name: str) -> None:
        self._proxy.supervisor.signalProcess(f"{group}:{program}", name)

    def shut_down(self) -> None:
        self._proxy.supervisor.shutdown()


@dataclass
class Supervisor:
    """A running supervisord. Its methods block, mostly for milliseconds, and may be called in any thread."""

    process: subprocess.Popen[bytes]
    socket: Path
    _methods: _Methods | None = None
    # One call at a time: there is one connection.
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def start(cls, layout: Layout, socket: Path) -> Supervisor:
        """Start supervisord in a session of its own, where no Ctrl-C reaches it.

        If we end without having stopped it, it gets SIGTERM (on Linux) and stops everything in order.
        """
        with layout.log("supervisord").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "supervisor.supervisord", "-c", str(layout.supervisor_config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, MARKER: str(layout.data)},
                start_new_session=True,
                preexec_fn=end_with_parent(SIGTERM, os.getpid()),
            )
        return cls(process, socket)

    def processes(self) -> dict[str, ProcessInfo] | None:
        """Return the state of every program by name, or None while supervisord does not answer."""
        processes = self._ask(lambda methods: methods.processes())
        return None if processes is None else {info["name"]: info for info in processes}

    def begin_to_stop(self, group: str) -> None:
        """Ask the programs of a group to stop; returns at once."""
        self._ask(lambda methods: methods.stop_group(group))

    def signal(self, program: Program) -> None:
        """Send a program its stop signal once more."""
        self._ask(lambda methods: methods.signal(program.name, program.group, program.stop_signal))

    def stop(self, timeout: float = 60.0) -> None:
        """End supervisord, and with it whatever still runs below it."""
        # It notices a call at once, a signal only within a second.
        self._ask(lambda methods: methods.shut_down())
        self.process.terminate()
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.forget_socket()

    def _ask(self, question: Callable[[_Methods], T]) -> T | None:
        """Call supervisord; None if it cannot be reached (not yet, or no longer) or refuses."""
        with self._lock:
            if self._methods is None:
                self._methods = _Methods(self.socket)
            try:
                return question(self._methods)
            except (OSError, HTTPException):
                self._methods = None  # the next call connects anew
            except Error:
                pass
        return None

    def forget_socket(self) -> None:
        """Remove the control socket, and its folder if it was made for it alone."""
        self.socket.unlink(missing_ok=True)
        if self.socket.parent.name.startswith("devstack-"):
            with contextlib.suppress(OSError):
                self.socket.parent.rmdir()
