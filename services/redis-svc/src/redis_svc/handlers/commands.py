"""One command or several over the Upstash protocol."""

from __future__ import annotations

from typing import Any

from svc_common import BadRequest, NotFound

from ..blocking import timeout_position
from ..command_table import CommandInfo
from ..replies import Command, Reply, ServerError
from ..upstash.requests import batch_from_json, from_json, from_path
from .upstash import UpstashHandler

_NATIVE = frozenset(("v1", "docs", "openapi.json", "subscribe", "psubscribe", "monitor"))


class _CommandHandler(UpstashHandler):
    async def run(self, command: Command) -> None:
        """Judge a command, send it, answer."""
        table = await self.state.commands()
        info, refusal = self.judge(table, self.state.policy, self.scope, command)
        if info is not None and self.state.policy.runs_alone(info):
            self.reply(await self.state.alone(command, info))
        elif refusal is not None or info is None:
            self.reply(refusal)
        elif "blocking" in info.flags and timeout_position(command) is not None:
            self.cancel_on_disconnect = True
            self.reply(await self.state.alone(command, info))
        else:
            self.reply(await self.state.execute(command, info))


class BodyCommandHandler(_CommandHandler):
    """``POST`` to the service's address: ``["SET","k",1]``."""

    async def post(self) -> None:
        """Run the command in the body."""
        with self.understanding():
            command = from_json(self.request.body)
        await self.run(command)


class PathCommandHandler(_CommandHandler):
    """``/{command}/{arg}/…``."""

    async def prepare(self) -> None:
        """Addresses of the service itself are no commands."""
        self._path = self.request.path[len(self.context.settings.base_path) :].removeprefix("/")
        if self._path.partition("/")[0] in _NATIVE:
            self.problem_shape = True
        await super().prepare()
        if self.problem_shape:
            raise NotFound("There is nothing at this address.")

    problem_shape = False

    def decode_argument(self, value: bytes, name: str | None = None) -> str:
        """Any bytes: the command is read from the address itself, and keys are not always text."""
        return value.decode("utf-8", "replace")

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """A problem where no command was meant."""
        if self.problem_shape:
            super(UpstashHandler, self).write_error(status_code, **kwargs)
        else:
            super().write_error(status_code, **kwargs)

    async def get(self, command: str) -> None:
        """Run the command in the path."""
        await self.run(from_path(self._path, b"", self.request.query))

    async def post(self, command: str) -> None:
        """Run the command in the path with the body as its next argument."""
        await self.run(from_path(self._path, self.request.body, self.request.query))

    async def put(self, command: str) -> None:
        """As POST."""
        await self.post(command)


class PipelineHandler(UpstashHandler):
    """``POST /pipeline``: commands in order, each with its own result or error."""

    async def post(self) -> None:
        """Run the commands in the body."""
        with self.understanding():
            commands = batch_from_json(self.request.body, self.settings_.redis_max_pipeline)
        replies, places = await self._judged(commands)
        if places:
            found = await self.state.pipeline([commands[place] for place in places], places.values())
            for place, reply in zip(places, found, strict=True):
                replies[place] = reply
        self.reply_batch(replies)

    async def _judged(self, commands: list[Command]) -> tuple[list[Reply], dict[int, CommandInfo]]:
        """The refusals in their places, and by their places the commands that may be sent."""
        table = await self.state.commands()
        policy, scope = self.state.policy, self.scope
        replies: list[Reply] = [None] * len(commands)
        places: dict[int, CommandInfo] = {}
        for place, command in enumerate(commands):
            info, refusal = self.judge(table, policy, scope, command)
            if refusal is None and self.may_wait(command, "blocking" in info.flags if info else False):
                name = command[0].decode("utf-8", "replace").upper()
                refusal = ServerError(f"ERR {name} waits, and a pipeline does not; send it on its own")
            if refusal is not None or info is None:
                replies[place] = refusal
            else:
                places[place] = info
        return replies, places

    def may_wait(self, command: Command, blocking: bool) -> bool:
        """Whether the command would hold the shared connection."""
        return blocking and timeout_position(command) is not None


class TransactionHandler(PipelineHandler):
    """``POST /multi-exec``: commands that are run together or not at all."""

    def may_wait(self, command: Command, blocking: bool) -> bool:
        """Inside of a transaction no command waits."""
        return False

    async def post(self) -> None:
        """Run the commands in the body."""
        if self.form == "resp2":
            raise BadRequest("ERR transactions answer JSON only")
        with self.understanding():
            commands = batch_from_json(self.request.body, self.settings_.redis_max_pipeline)
        replies, places = await self._judged(commands)
        if len(places) < len(commands):
            refusal = next(reply for reply in replies if isinstance(reply, ServerError))
            self.reply(ServerError(f"EXECABORT Transaction discarded because of: {refusal.message}"))
            return
        if not commands:
            self.reply_batch([])
            return
        outcome = await self.state.transaction(commands, places.values())
        if isinstance(outcome, ServerError):
            self.reply(ServerError(f"EXECABORT Transaction discarded because of: {outcome.message}"))
        else:
            self.reply_batch(outcome)
