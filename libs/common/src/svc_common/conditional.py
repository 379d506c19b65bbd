"""Conditional requests: entity tags and the comparisons of RFC 9110, section 13.

Tags are passed around without quotes. A gzipped answer carries the tag with ``-gzip`` behind it, since it
is another representation; a client that sends that tag back means the same revision, so the suffix is
dropped before tags are compared.
"""

from __future__ import annotations

import re

GZIP_SUFFIX = "-gzip"

# It begins at a character of its own, not at the spaces before: searching through those is quadratic
_TAG = re.compile(r'(W/)?"([^"]*)"\s*(?:,|$)')


def quote(tag: str) -> str:
    """``abc`` → ``"abc"``."""
    return f'"{tag}"'


def if_match(header: str | None, current: str | None) -> bool:
    """Whether ``If-Match`` lets a write go on; ``current`` is None when nothing is stored.

    The comparison is strong: a weak tag never matches.
    """
    if header is None:
        return True
    if current is None:
        return False
    if header.strip() == "*":
        return True
    return any(not weak and tag == current for weak, tag in _tags(header))


def if_none_match(header: str | None, current: str | None) -> bool:
    """Whether ``If-None-Match`` lets the request go on: no tag in it is the current one (weak comparison)."""
    if header is None or current is None:
        return True
    if header.strip() == "*":
        return False
    return all(tag != current for _, tag in _tags(header))


def _tags(header: str) -> list[tuple[bool, str]]:
    return [(bool(weak), tag.removesuffix(GZIP_SUFFIX)) for weak, tag in _TAG.findall(header)]
