"""Scripts with flags of the hosted product."""

from __future__ import annotations

import hashlib

import pytest

from redis_svc.script_flags import ScriptFlags, without_foreign_flags

SCRIPT = b"#!lua flags=allow-key-locking\nreturn 1"
PORTABLE = b"#!lua\nreturn 1"


def _sha1(source: bytes) -> bytes:
    return hashlib.sha1(source, usedforsecurity=False).hexdigest().encode()


@pytest.mark.parametrize(
    ("source", "portable"),
    [
        (SCRIPT, PORTABLE),
        (b"#!lua flags=no-writes,allow-key-locking\r\nx", b"#!lua flags=no-writes\r\nx"),
        (b"#!lua name=a flags=allow-key-locking\nx", b"#!lua name=a\nx"),
        (b"#!lua flags=allow-key-locking", b"#!lua"),
    ],
)
def test_the_flag_is_left_out(source: bytes, portable: bytes) -> None:
    assert without_foreign_flags(source) == portable


@pytest.mark.parametrize(
    "source",
    [b"return 1", b"#!lua\nx", b"#!lua flags=no-writes\nx", b"-- #!lua flags=allow-key-locking", b""],
)
def test_other_scripts_stay(source: bytes) -> None:
    assert without_foreign_flags(source) is source


def test_digests_are_remembered() -> None:
    flags = ScriptFlags()
    asked = (b"EVALSHA", _sha1(SCRIPT), b"0")
    assert tuple(flags.translated(asked)) == asked
    assert tuple(flags.translated((b"eval", SCRIPT, b"0"))) == (b"eval", PORTABLE, b"0")
    assert tuple(flags.translated(asked)) == (b"EVALSHA", _sha1(PORTABLE), b"0")
    exists = (b"SCRIPT", b"EXISTS", _sha1(SCRIPT), _sha1(b"x"))
    assert tuple(flags.translated(exists)) == (b"SCRIPT", b"EXISTS", _sha1(PORTABLE), _sha1(b"x"))


def test_loading_answers_the_digest_of_what_was_sent() -> None:
    flags = ScriptFlags()
    load = (b"SCRIPT", b"LOAD", SCRIPT)
    assert tuple(flags.translated(load)) == (b"SCRIPT", b"LOAD", PORTABLE)
    assert flags.reply(load, _sha1(PORTABLE)) == _sha1(SCRIPT)
    assert flags.reply((b"SCRIPT", b"LOAD", b"return 1"), b"abc") == b"abc"
    assert flags.reply((b"GET", b"a"), b"1") == b"1"
