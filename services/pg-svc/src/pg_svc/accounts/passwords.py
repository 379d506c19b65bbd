"""Passwords: argon2id in a few threads, so that the loop never waits; and which passwords are too weak."""

from __future__ import annotations

import asyncio
import functools
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from zxcvbn import zxcvbn  # type: ignore[import-untyped]
from zxcvbn.frequency_lists import FREQUENCY_LISTS  # type: ignore[import-untyped]
from zxcvbn.matching import L33T_TABLE  # type: ignore[import-untyped]

from pg_svc.accounts.settings import AccountSettings
from svc_common import Unavailable

_LONGEST = 256
_ESTIMATED = 72  # zxcvbn takes no more
_WORK = 100_000
"""What zxcvbn may do: ways to read a password, times the square of its length: a tenth of a second."""
_LEAST_SCORE = 2
_LINE = 32
"""How many may wait for each thread; more would wait too long to be served at all."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Outcome:
    """Whether a password was right; ``rehash`` is its hash with today's parameters where it had others."""

    right: bool
    rehash: str | None = None


class Passwords:
    """Hashes and verifies, a bounded number at once."""

    def __init__(self, settings: AccountSettings) -> None:
        self._least = settings.password_min_length
        self._hasher = PasswordHasher(
            time_cost=settings.password_passes, memory_cost=settings.password_memory, parallelism=1
        )
        self._threads = ThreadPoolExecutor(settings.password_threads, thread_name_prefix="argon2")
        self._most = settings.password_threads * _LINE
        self._waiting = 0
        self._nobody = self._hasher.hash("nobody has this password")

    async def hash(self, password: str) -> str:
        """The password's hash, with its parameters and salt in it."""
        return await self._run(functools.partial(self._hasher.hash, password))

    async def verify(self, stored: str | None, password: str) -> Outcome:
        """Compare. For an unknown user (``stored`` is None) it takes as long, and is never right."""
        return await self._run(functools.partial(self._verify, stored, password))

    async def weakness(self, password: str, name: str) -> str | None:
        """What is wrong with a new password; None for a good one."""
        if len(password) < self._least:
            return f"A password has at least {self._least} characters."
        if len(password) > _LONGEST:
            return f"A password has at most {_LONGEST} characters."
        return await self._run(functools.partial(_guessable, password, name))

    def _verify(self, stored: str | None, password: str) -> Outcome:
        if len(password) > _LONGEST:
            password, stored = "", None
        try:
            self._hasher.verify(stored or self._nobody, password)
        except (VerificationError, InvalidHashError):
            return Outcome(False)
        if stored is None:
            return Outcome(False)
        stale = self._hasher.check_needs_rehash(stored)
        return Outcome(True, self._hasher.hash(password) if stale else None)

    async def _run(self, work: Callable[[], T]) -> T:
        if self._waiting >= self._most:
            raise Unavailable("Too many passwords to check at once; try again soon.")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)


@functools.cache
def _common() -> frozenset[str]:
    return frozenset(FREQUENCY_LISTS["passwords"])


def _guessable(password: str, name: str) -> str | None:
    if password.lower() in _common():
        return "This password is among those that are tried first; it has been found in breaches."
    if zxcvbn(_estimated(password), user_inputs=[name])["score"] < _LEAST_SCORE:
        return "This password is too easy to guess; several words that do not belong together are better."
    return None


def _estimated(password: str) -> str:
    """As much of a password as can be estimated soon.

    zxcvbn tries every way to read signs as letters (``4`` and ``@`` as ``a``): with all such signs in it, a
    password of 72 characters takes seven seconds, and the interpreter's lock with it.
    """
    signs = set(password)
    ways = math.prod(max(1, len(signs.intersection(alike))) for alike in L33T_TABLE.values())
    return password[: min(_ESTIMATED, math.isqrt(_WORK // ways))]
