"""Scripts written for the hosted product that the official clients were made for. Pure.

Their first line may name a flag that only that product knows (``#!lua flags=allow-key-locking``, as the
scripts of the official rate limiters do), and Redis refuses flags that it does not know. The flag asks for
nothing that a single-threaded server does not do anyway, so it is left out. That gives the script another
digest; which belongs to which is remembered, so that EVALSHA finds it. What was forgotten is answered
NOSCRIPT, as ever, and clients then send the script again.
"""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict

from .replies import Command, Reply

_FOREIGN_FLAGS = frozenset((b"allow-key-locking",))
_SHEBANG = re.compile(rb"#!lua((?:[ \t]+[^\r\n]*)?)(?=\r?\n|$)")
_BY_SOURCE = frozenset((b"EVAL", b"EVAL_RO"))
_BY_DIGEST = frozenset((b"EVALSHA", b"EVALSHA_RO"))
_MOST = 10_000


class ScriptFlags:
    """Translates commands with scripts, and remembers digests for as long as the service runs."""

    def __init__(self) -> None:
        self._digests: OrderedDict[bytes, bytes] = OrderedDict()

    def translated(self, command: Command) -> Command:
        """The command as Redis takes it."""
        if len(command) < 2:
            return command
        name = command[0].upper()
        if name in _BY_SOURCE:
            return (command[0], self._source(command[1]), *command[2:])
        if name in _BY_DIGEST:
            return (command[0], self._digest(command[1]), *command[2:])
        if name == b"SCRIPT" and len(command) > 2:
            verb = command[1].upper()
            if verb == b"LOAD":
                return (*command[:2], self._source(command[2]), *command[3:])
            if verb == b"EXISTS":
                return (*command[:2], *(self._digest(digest) for digest in command[2:]))
        return command

    def reply(self, command: Command, reply: Reply) -> Reply:
        """The reply for the command as it came: SCRIPT LOAD answers the digest of the original."""
        if len(command) == 3 and command[0].upper() == b"SCRIPT" and command[1].upper() == b"LOAD":
            digest = _sha1(command[2])
            if digest in self._digests and isinstance(reply, bytes):
                return digest
        return reply

    def _source(self, source: bytes) -> bytes:
        portable = without_foreign_flags(source)
        if portable is not source:
            digest = _sha1(source)
            self._digests[digest] = _sha1(portable)
            self._digests.move_to_end(digest)
            if len(self._digests) > _MOST:
                self._digests.popitem(last=False)
        return portable

    def _digest(self, digest: bytes) -> bytes:
        return self._digests.get(digest.lower(), digest)


def without_foreign_flags(source: bytes) -> bytes:
    """The script without flags that Redis does not know; the very same object where there are none."""
    if not source.startswith(b"#!lua"):
        return source
    first = _SHEBANG.match(source)
    if first is None:
        return source
    options = []
    for option in first[1].split():
        name, equals, value = option.partition(b"=")
        if name != b"flags" or not equals:
            options.append(option)
            continue
        flags = value.split(b",")
        known = [flag for flag in flags if flag not in _FOREIGN_FLAGS]
        if len(known) == len(flags):
            return source
        if known:
            options.append(b"flags=" + b",".join(known))
    if not first[1].split() or options == first[1].split():
        return source
    return b" ".join((b"#!lua", *options)) + source[first.end() :]


def _sha1(source: bytes) -> bytes:
    return hashlib.sha1(source, usedforsecurity=False).hexdigest().encode()
