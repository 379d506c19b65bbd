"""``/v1/records``: plain values by key."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

from svc_common import BadRequest, Event, NotFound, PreconditionFailed, ServiceHandler
from svc_common.conditional import GZIP_SUFFIX
from svc_common.sharedrates import RESERVED_PREFIX

from ..live import json_event
from ..store import Store
from ..store.listener import SlowReader
from ..store.records import COMPANION_PREFIX, DEFAULT_TYPE
from ..store.watching import State, tag_of_state
from .feeds import record_states, state_as_json

_OWN_PREFIXES = (COMPANION_PREFIX.decode(), RESERVED_PREFIX)
_MOST_SECONDS = 2**32
_STRONG_TAG = re.compile(r'(?<![^\s,])"([0-9a-f]+(?:-gzip)?)"')


class RecordHandler(ServiceHandler[Store]):
    """``/v1/records/{key}``."""

    async def prepare(self) -> None:
        """Admit the request; the keys that hold content types and rate limits are not for it."""
        await super().prepare()
        refuse_own_keys(self.path_kwargs["key"])

    async def get(self, key: str) -> None:
        """The value, as it was stored; or, as an event stream, what it is now and every change."""
        if self.wants_events():
            seen = self.request.headers.get("Last-Event-ID")
            async with record_states(self.state, key, seen) as states:
                await self.stream_events(self._events(states))
            return
        self.add_vary("Accept")
        record = await self.state.records.read(key)
        if record is None:
            raise _missing(key)
        if self.not_modified(record.tag):
            return
        self.set_header("Content-Type", record.content_type)
        # Whoever may write may store a page: it must not act in the name of those who look at it
        self.set_header("Content-Security-Policy", "sandbox; default-src 'none'")
        self.write(record.value)

    async def post(self, key: str) -> None:
        """Store the body."""
        await self._store(key)

    async def put(self, key: str) -> None:
        """Store the body."""
        await self._store(key)

    async def delete(self, key: str) -> None:
        """Delete the value."""
        if not await self.state.records.delete(key, condition=self._condition()):
            raise _missing(key)
        self.no_content()

    async def _events(self, states: AsyncIterator[State]) -> AsyncIterator[Event]:
        try:
            async for state in states:
                yield json_event("record", state_as_json(state), id=tag_of_state(state))
        except SlowReader:
            yield json_event("cut-off", {"reason": "slow reader"})

    async def _store(self, key: str) -> None:
        ttl = self.query_int("ttl", 0, least=1, most=_MOST_SECONDS) or None
        await self.state.records.write(
            key,
            self.request.body,
            content_type=self.request.headers.get("Content-Type", DEFAULT_TYPE),
            ttl=ttl,
            condition=self._condition(),
        )
        self.no_content()

    def _condition(self) -> str:
        """If-Match and If-None-Match in the store's words."""
        match = self.request.headers.get("If-Match")
        none_match = self.request.headers.get("If-None-Match")
        if match is not None and none_match is not None:
            raise BadRequest("Send one of If-Match and If-None-Match.")
        if none_match is not None:
            if none_match.strip() != "*":
                raise BadRequest("If-None-Match takes * here: store only where nothing is stored yet.")
            return "absent"
        if match is None:
            return ""
        if match.strip() == "*":
            return "present"
        tags = [tag.removesuffix(GZIP_SUFFIX) for tag in _STRONG_TAG.findall(match)]
        if not tags:  # a weak tag, or one that was never given out, matches nothing
            raise PreconditionFailed("What is stored does not meet If-Match.")
        return " ".join(tags)


class RecordListHandler(ServiceHandler[Store]):
    """``/v1/records``."""

    async def get(self) -> None:
        """A page of keys."""
        limit = self.query_int("limit", 100, least=1, most=1000)
        try:
            keys, cursor = await self.state.records.list(
                self.query("prefix", "") or "", self.query("cursor", "0") or "0", limit
            )
        except ValueError:
            raise BadRequest("cursor must be one that this address gave out.") from None
        self.write_json({"keys": keys, "cursor": cursor})


def refuse_own_keys(key: str) -> None:
    """Raise BadRequest for a key that the service keeps for itself."""
    if key.startswith(_OWN_PREFIXES):
        raise BadRequest("Keys with this prefix belong to the service itself.")


def _missing(key: str) -> NotFound:
    return NotFound(f"Missing record for key: {key}")
