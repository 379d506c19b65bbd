"""The life of the stack: start everything at once, tell when it is ready, watch it, stop it in order."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from contextlib import suppress

from devstack.stack import console, door
from devstack.stack.layout import Layout
from devstack.stack.plan import Plan, Program
from devstack.stack.supervision import ENDED, ProcessInfo, Supervisor, configuration
from devstack.stores.base import ASK_AGAIN_SECONDS, STOP_POLL_SECONDS

READY_DEADLINE = 60.0
PROBE_INTERVAL = 0.1
WATCH_INTERVAL = 1.0
# Time that the front door has to itself when everything stops, before the services are told: enough to close
# its port. It then waits for answers under way, among them event streams which only the services can end.
DOOR_HEAD_START = 0.3
# A signal that reaches a child of supervisord before it has become the program is lost.
BECOMING_SECONDS = 1.0
# So many failed starts in a row, and nobody waits for a program any more.
HOPELESS = 3
# make passes on the signal that the terminal or the caller has already sent to all of us.
SAME_SIGNAL_SECONDS = 1.0


class Runner:
    """Runs one plan, from start to stop."""

    def __init__(self, plan: Plan, layout: Layout, began: float) -> None:
        self.plan = plan
        self.layout = layout
        self.began = began  # on the monotonic clock
        self.ready: set[str] = set()
        self._stop = asyncio.Event()
        self._told_to_stop_at: float | None = None
        self._failed_starts: dict[str, set[int]] = {}  # when they were, by program
        self._stopped: set[str] = set()
        self._pids: dict[str, int] = {}
        self._last_spawn = began
        # What the logs already held; it is not shown again.
        self._log_sizes = {program.name: console.size(layout.log(program.name)) for program in plan.programs}
        self._supervisor: Supervisor

    async def run(self) -> int:
        """Run until a signal arrives or supervision ends; return the exit status."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._on_signal)
        socket = self.layout.control_socket()
        self.layout.supervisor_config.write_text(configuration(self.plan, self.layout, socket))
        self.layout.caddyfile.write_text(door.caddyfile(self.plan, self.layout))
        (self.layout.door / "stack.json").write_text(door.stack_json(self.plan))
        self._supervisor = Supervisor.start(self.layout, socket)
        main = asyncio.create_task(self._come_up_and_watch())
        stop = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait([main, stop], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (main, stop):
                task.cancel()
            with suppress(asyncio.CancelledError):
                await main
        if self._stop.is_set():
            await self._stop_everything()
            return 0
        console.say("supervisord ended unexpectedly; stopping what it left")
        await asyncio.to_thread(self._stop_leftovers)
        return 1

    def _on_signal(self) -> None:
        now = time.monotonic()
        if self._told_to_stop_at is None:
            self._told_to_stop_at = now
            self._stop.set()
        elif now - self._told_to_stop_at > SAME_SIGNAL_SECONDS:
            console.say("killing everything")
            self._kill_everything()
            os._exit(130)

    # Coming up.

    async def _come_up_and_watch(self) -> None:
        """Return when supervisord has ended."""
        watch = asyncio.create_task(self._watch())
        waits = {
            program.name: asyncio.create_task(self._wait_ready(program)) for program in self.plan.programs
        }
        try:
            done, pending = await asyncio.wait(
                [*waits.values(), watch], timeout=READY_DEADLINE, return_when=asyncio.FIRST_COMPLETED
            )
            while pending and watch not in done:
                left = self.began + READY_DEADLINE - time.monotonic()
                if left <= 0 or pending == {watch}:
                    break
                done, pending = await asyncio.wait(pending, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            if not watch.done():
                self._report()
            await watch
        finally:
            for task in (watch, *waits.values()):
                task.cancel()

    async def _wait_ready(self, program: Program) -> None:
        """Return when the program is ready, or is not likely to be."""
        while not await asyncio.to_thread(program.probe):
            if len(self._failed_starts.get(program.name, ())) >= HOPELESS:
                return
            await asyncio.sleep(PROBE_INTERVAL)
        self.ready.add(program.name)
        console.ready(program.name, time.monotonic() - self.began)

    def _report(self) -> None:
        unready = [program.name for program in self.plan.programs if program.name not in self.ready]
        for name in unready:
            if name not in self._failed_starts:
                self._tell_trouble(name, "is not ready yet")
        console.summary(self.plan, self.layout, time.monotonic() - self.began, unready)

    # Watching.

    async def _watch(self) -> None:
        """Tell about programs that end and come back; return when supervisord itself has ended."""
        while self._supervisor.process.poll() is None:
            states = await asyncio.to_thread(self._supervisor.processes)
            for state in (states or {}).values():
                self._notice(state)
            # supervisord idles for a second before it starts the first program, unless somebody calls.
            await asyncio.sleep(WATCH_INTERVAL if states else PROBE_INTERVAL / 2)

    def _notice(self, state: ProcessInfo) -> None:
        name, pid = state["name"], state["pid"]
        if state["statename"] == "BACKOFF":
            failures = self._failed_starts.setdefault(name, set())
            if not failures:
                self._tell_trouble(name, "ended while starting, trying again")
            failures.add(state["start"])
        elif state["statename"] == "RUNNING" and self._failed_starts.pop(name, set()):
            console.say(f"  {name:<13} runs now")
        if pid and pid != self._pids.get(name):
            if name in self._pids and name in self.ready:
                console.say(f"  {name:<13} ended unexpectedly and was started again (pid {pid})")
            self._pids[name] = pid
            self._last_spawn = time.monotonic()

    def _tell_trouble(self, name: str, what: str) -> None:
        console.trouble(name, what, self.layout.log(name), self._log_sizes[name])

    # Stopping.

    async def _stop_everything(self) -> None:
        began = time.monotonic()
        console.say("\nstopping …")
        await self._let_children_become()
        await self._stop_group("door", patience=DOOR_HEAD_START)
        await self._stop_group("services")
        await self._stop_group("door")
        await self._stop_group("stores")
        await asyncio.to_thread(self._supervisor.stop)
        await asyncio.to_thread(self._stop_leftovers)
        seconds, data = time.monotonic() - began, console.shown_path(self.layout.data)
        console.say(f"stopped after {seconds:.1f} s; the data are in {data}")

    async def _let_children_become(self) -> None:
        """Wait until a signal reaches everything that supervisord has started."""
        deadline = time.monotonic() + 5 * BECOMING_SECONDS
        while self._supervisor.process.poll() is None and time.monotonic() < deadline:
            if states := await asyncio.to_thread(self._supervisor.processes):
                for state in states.values():
                    self._notice(state)
                await asyncio.sleep(self._last_spawn + BECOMING_SECONDS - time.monotonic())
                return
            await asyncio.sleep(PROBE_INTERVAL / 2)

    async def _stop_group(self, group: str, patience: float | None = None) -> None:
        """Stop the programs of a group; with ``patience`` (in seconds) return though some still run."""
        members = [program for program in self.plan.programs if program.group == group]
        if not members or members[0].name in self._stopped:
            return
        if patience is None:
            patience = max(member.stop_seconds for member in members) + 5
        await asyncio.to_thread(self._supervisor.begin_to_stop, group)
        asked = time.monotonic()
        deadline = asked + patience
        while time.monotonic() < deadline and self._supervisor.process.poll() is None:
            states = await asyncio.to_thread(self._supervisor.processes)
            if states is None:
                return  # it has no control socket yet, or no longer; ending it stops everything, in order
            if all(states[member.name]["statename"] in ENDED for member in members):
                self._stopped |= {member.name for member in members}
                console.say(f"  {', '.join(member.name for member in members)} stopped")
                return
            if group == "stores":
                # As Store.stop does, and for its reasons.
                for member in members:
                    running = states[member.name]["statename"] not in ENDED
                    serves = running and await asyncio.to_thread(member.probe)
                    if serves and time.monotonic() > asked + ASK_AGAIN_SECONDS:
                        await asyncio.to_thread(self._supervisor.signal, member)
                        asked = time.monotonic()
            await asyncio.sleep(STOP_POLL_SECONDS)

    def _kill_everything(self) -> None:
        from devstack.stack import leftovers

        self._supervisor.process.kill()
        leftovers.kill(leftovers.find(self.layout))
        self._supervisor.forget_socket()

    def _stop_leftovers(self) -> None:
        from devstack.stack import leftovers

        leftovers.stop(leftovers.find(self.layout))
        self._supervisor.forget_socket()
