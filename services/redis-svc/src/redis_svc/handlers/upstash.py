"""What the handlers of the Upstash protocol have in common: where the token is, and how errors look."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
from tornado.httputil import HTTPServerRequest

from svc_common import Access, BadRequest, MethodNotAllowed, ServiceHandler
from svc_common.auth import bearer

from ..command_table import CommandInfo, CommandTable, unknown_command
from ..policy import Policy, names_a_counter
from ..replies import Command, Reply, ServerError
from ..settings import RedisSettings
from ..store import Store
from ..upstash import answers
from ..upstash.requests import RequestError, token_in

_SYNC = secrets.token_urlsafe(6)
_requests = itertools.count(1)


class UpstashHandler(ServiceHandler[Store]):
    """Answers ``{"result": …}`` or ``{"error": …}``."""

    form: answers.Format = "json"

    async def prepare(self) -> None:
        """Admit the request and find out which form of answer it wants."""
        await super().prepare()
        headers = self.request.headers
        try:
            self.form = answers.format_from(
                headers.get("Upstash-Encoding"), headers.get("Upstash-Response-Format")
            )
        except answers.FormatError as error:
            raise BadRequest(str(error)) from None

    @classmethod
    def credential(cls, request: HTTPServerRequest) -> str | None:
        """``Authorization: Bearer T`` or ``?_token=T``."""
        return bearer(request.headers.get("Authorization")) or token_in(request.query)

    @property
    def settings_(self) -> RedisSettings:
        """The service's settings."""
        settings = self.context.settings
        assert isinstance(settings, RedisSettings)
        return settings

    @property
    def scope(self) -> Access:
        """What the caller may do."""
        return self.principal.scope if self.principal is not None else Access.READ

    @staticmethod
    def judge(
        table: CommandTable, policy: Policy, scope: Access, command: Command
    ) -> tuple[CommandInfo | None, ServerError | None]:
        """What is known about a command, and why it must not be sent if that is so."""
        info = table.find(command)
        if info is None:
            return None, ServerError(unknown_command(command))
        refusal = policy.refusal(info, scope)
        if refusal is None and names_a_counter(info, command):
            refusal = "NOPERM this key is one of the rate limits'"
        return info, None if refusal is None else ServerError(refusal)

    async def refused(self, command: Command) -> bool:
        """Answer that a command is denied, if it is: one that the service sends in the caller's stead."""
        info = (await self.state.commands()).find(command)
        denial = None if info is None else self.state.policy.denial(info)
        if denial is not None:
            self.reply(ServerError(denial))
        return denial is not None

    @contextmanager
    def understanding(self) -> Iterator[None]:
        """Around the reading of a request: what cannot be read is answered 400."""
        try:
            yield
        except RequestError as error:
            raise BadRequest(str(error)) from None

    def reply(self, reply: Reply) -> None:
        """Answer with the reply to one command."""
        if isinstance(reply, ServerError):
            self.set_status(400)
        self._send_answer(answers.one(reply, self.form))

    def reply_batch(self, replies: list[Reply]) -> None:
        """Answer with the replies to several commands."""
        self._send_answer(answers.batch(replies, self.form))

    def set_default_headers(self) -> None:
        """Every answer carries a token that stands for the moment; clients send it back."""
        super().set_default_headers()
        self.set_header("Upstash-Sync-Token", f"{_SYNC}:{next(_requests)}")

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """``{"error": …}`` with the status of the problem."""
        if status_code == 499:
            return
        error = kwargs.get("exc_info", (None, None, None))[1]
        problem = self.problem(status_code, (type(error), error, None) if error else None)
        for name, value in problem.headers.items():
            self.set_header(name, value)
        if isinstance(error, MethodNotAllowed) and self.route is not None:
            self.set_header("Allow", self.route.allow)
        self.set_header("Content-Type", "application/json")
        self.set_header("Cache-Control", "no-store")
        text = problem.detail or problem.title or "failed"
        known = text.partition(" ")[0]
        self.finish(orjson.dumps({"error": text if known.isupper() and len(known) > 2 else f"ERR {text}"}))

    def _send_answer(self, body: bytes) -> None:
        self.set_header("Content-Type", answers.content_type(self.form))
        self.set_header("Cache-Control", "no-store")
        self.write(body)
