"""One connection to Redis that many requests share (RESP2, parsed by hiredis).

Redis answers the commands of a connection in the order in which they came, so a connection needs nothing but
a queue of those who wait. Commands that arrive in the same turn of the event loop leave in one write. A
waiter that gives up leaves its place in the queue behind; its reply is dropped when it comes, and everybody
else's stays in order. A command is written once: what was not answered when a connection ends is reported as
lost and never sent again, because nobody knows whether it was carried out.

One thing could put replies out of step: a server that repeats an argument with a line end in the text of an
error (``FUNCTION LIST`` does), which then looks like further replies. A fenced request is followed by an ECHO
of a secret; when something else stands in its place, the connection is given up before anybody else gets a
reply that is not theirs.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Callable, Sequence
from typing import cast

import hiredis

from ..replies import Command, ConnectionLost, Reply, ReplyTooLarge, ReplyUnclear, ServerError

_MORE = object()  # what the parser returns while a reply is incomplete

MAX_UNSENT_BYTES = 64 * 2**20
"""More than this waiting to be sent means that Redis does not keep up; further commands are refused."""

_SECOND_LOOK = 0.05


class _Waiter:
    """A request of one or more commands, and the replies that have come for it."""

    __slots__ = ("fenced", "future", "left", "replies", "since")

    def __init__(self, future: asyncio.Future[list[Reply]], count: int, since: float, fenced: bool) -> None:
        self.future = future
        self.fenced = fenced
        self.left = count
        self.replies: list[Reply] = []
        self.since = since


class Wire(asyncio.Protocol):
    """A connection. ``patience`` is how long Redis may stay silent while it owes a reply, in seconds."""

    def __init__(self, *, patience: float, max_reply: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._patience = patience
        self._max_reply = max_reply
        self._reader = hiredis.Reader(replyError=ServerError, notEnoughData=_MORE)
        self._transport: asyncio.Transport | None = None
        self._waiting: deque[_Waiter] = deque()
        self._outgoing: list[bytes] = []
        self._watch: asyncio.TimerHandle | None = None
        self.heard = 0.0
        """When something last came, in the loop's time."""
        self._unfinished = 0  # bytes that came for a request whose replies are not complete
        self._secret = secrets.token_bytes(16).hex().encode()
        self._listener: Callable[[Reply], None] | None = None
        self._reason: Exception = ConnectionLost("closed")
        self.closed = False
        self.gone: asyncio.Future[None] = self._loop.create_future()
        """Done when the connection has ended."""

    @property
    def waiting(self) -> int:
        """How many requests wait for replies."""
        return len(self._waiting)

    def request(self, commands: Sequence[Command], *, fenced: bool = False) -> asyncio.Future[list[Reply]]:
        """Send commands behind one another; the future has one reply for each.

        The future may be cancelled at any time. It raises ConnectionLost, ReplyTooLarge or ReplyUnclear.
        """
        future: asyncio.Future[list[Reply]] = self._loop.create_future()
        if self.closed:
            future.set_exception(ConnectionLost("closed"))
            return future
        assert self._transport is not None
        if self._transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            future.set_exception(ConnectionLost("the server does not keep up"))
            return future
        if not self._outgoing:
            self._loop.call_soon(self._write)
        self._outgoing += map(_pack, commands)
        if fenced:
            self._outgoing.append(_pack((b"ECHO", self._secret)))
        self._waiting.append(_Waiter(future, len(commands) + fenced, self._loop.time(), fenced))
        if self._watch is None and self._patience:
            self._watch = self._loop.call_later(self._patience, self._check_silence)
        return future

    def listen(self, listener: Callable[[Reply], None]) -> None:
        """Give every reply that nobody waits for to ``listener`` (messages of subscriptions)."""
        self._listener = listener

    def tell(self, command: Command) -> None:
        """Send a command whose replies go to the listener."""
        if self.closed:
            return
        if not self._outgoing:
            self._loop.call_soon(self._write)
        self._outgoing.append(_pack(command))

    def close(self, reason: Exception | None = None) -> None:
        """End the connection; everyone who waits gets ``reason`` (ConnectionLost by default)."""
        if self.closed:
            return
        self.closed = True
        if reason is not None:
            self._reason = reason
        if self._transport is not None:
            self._transport.abort()
        self._give_up()

    # -- asyncio.Protocol -----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Take what Redis sent and hand out the replies in it."""
        if self.closed:
            return
        self.heard = self._loop.time()
        self._unfinished += len(data)
        try:
            self._reader.feed(data)
            while (reply := self._reader.gets()) is not _MORE:
                if not self._deliver(cast(Reply, reply)):
                    return
        except hiredis.ProtocolError as error:
            self._fail_first(ReplyUnclear("The replies of Redis cannot be told apart."))
            self.close(ConnectionLost(f"not RESP: {error}"))
            return
        if self._unfinished > self._max_reply:
            self._refuse_reply()

    def connection_lost(self, error: Exception | None) -> None:
        """The connection has ended."""
        self.closed = True
        self._give_up()

    # -- inside ---------------------------------------------------------------------------------------

    def _write(self) -> None:
        data, self._outgoing = self._outgoing, []
        if self._transport is not None and not self.closed:
            self._transport.write(b"".join(data) if len(data) > 1 else data[0])

    def _deliver(self, reply: Reply) -> bool:
        """Hand a reply out; False when the connection turned out to be out of step."""
        if not self._waiting:
            if self._listener is not None:
                self._unfinished = 0
                self._listener(reply)
                return True
            raise hiredis.ProtocolError("a reply that nobody asked for")
        waiter = self._waiting[0]
        waiter.replies.append(reply)
        waiter.left -= 1
        if not waiter.left:
            self._unfinished = 0
            self._waiting.popleft()
            if waiter.fenced and waiter.replies.pop() != self._secret:
                if not waiter.future.done():
                    waiter.future.set_exception(ReplyUnclear("The replies of Redis cannot be told apart."))
                self.close(ConnectionLost("out of step"))
                return False
            if not waiter.future.done():
                waiter.future.set_result(waiter.replies)
        return True

    def _check_silence(self, last: bool = False) -> None:
        self._watch = None
        if not self._waiting:
            return
        left = max(self._waiting[0].since, self.heard) + self._patience - self._loop.time()
        if left > 0:
            self._watch = self._loop.call_later(left, self._check_silence)
        elif not last:  # perhaps it was this loop that was held up, and the reply has been here for long
            self._watch = self._loop.call_later(_SECOND_LOOK, self._check_silence, True)
        else:
            self.close(ConnectionLost(f"silent for {self._patience:g} s"))

    def _refuse_reply(self) -> None:
        self._fail_first(
            ReplyTooLarge(
                f"The reply of Redis is over the limit of {self._max_reply} bytes; ask for less at once."
            )
        )
        self.close(ConnectionLost("given up for a reply that was too large"))

    def _fail_first(self, error: Exception) -> None:
        if self._waiting:
            first = self._waiting.popleft()
            if not first.future.done():
                first.future.set_exception(error)

    def _give_up(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.future.done():
                waiter.future.set_exception(self._reason)
                waiter.future.exception()  # a request whose client has left has nobody to look at it
        if not self.gone.done():
            self.gone.set_result(None)


def _pack(command: Command) -> bytes:
    packed: bytes = hiredis.pack_command(tuple(command))  # type: ignore[arg-type]  # its stub says one item
    return packed
