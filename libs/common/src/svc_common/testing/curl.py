"""The part of curl that the documents use, so that a test can run their lines where there is no curl.

``python -m svc_common.testing.curl -s -X PUT URL -d hello`` behaves as curl does: the answer on stdout as it
arrives, exit status 28 when ``-m`` seconds are over, 7 when nobody listens.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx

_FLAGS = frozenset(("-s", "-S", "-N", "-sS", "-sN", "-g"))
_FORM = "application/x-www-form-urlencoded"
EXIT_NO_CONNECTION = 7
EXIT_TIMEOUT = 28


@dataclass
class CurlRequest:
    """What a curl command asks for."""

    url: str = ""
    method: str = ""
    headers: dict[str, str] = field(default_factory=lambda: {"User-Agent": "curl/8.5.0", "Accept": "*/*"})
    body: bytes | None = None
    seconds: float | None = None
    with_head: bool = False
    write_out: str = ""
    output: str = ""


def parse(words: Sequence[str]) -> CurlRequest:
    """Read the words of a command, without ``curl`` itself; ValueError for an option it does not know."""
    request = CurlRequest()
    rest = iter(words)
    for word in rest:
        if word in ("-X", "--request"):
            request.method = next(rest)
        elif word in ("-H", "--header"):
            name, _, value = next(rest).partition(":")
            request.headers[name] = value.strip()
        elif word in ("-d", "--data", "--data-binary", "--json"):
            given = next(rest)
            request.body = Path(given[1:]).read_bytes() if given.startswith("@") else given.encode()
            request.headers.setdefault("Content-Type", "application/json" if word == "--json" else _FORM)
        elif word in ("-m", "--max-time"):
            request.seconds = float(next(rest))
        elif word in ("-w", "--write-out"):
            request.write_out = next(rest).replace("\\n", "\n")
        elif word in ("-o", "--output"):
            request.output = next(rest)
        elif word in ("-i", "-si", "-isS"):
            request.with_head = True
        elif word in ("-I", "--head"):
            request.method, request.with_head = "HEAD", True
        elif word in _FLAGS:
            continue
        elif word.startswith("-"):
            raise ValueError(f"curl {word} is not known here")
        else:
            request.url = word
    request.method = request.method or ("POST" if request.body is not None else "GET")
    return request


def main(words: Sequence[str]) -> int:
    """Perform a command; returns curl's exit status."""
    request = parse(words)
    out = open(request.output, "wb") if request.output else sys.stdout.buffer  # noqa: SIM115, PTH123
    deadline = None if request.seconds is None else time.monotonic() + request.seconds
    try:
        with (
            httpx.Client(trust_env=False, timeout=request.seconds or 60) as client,
            client.stream(
                request.method, request.url, headers=request.headers, content=request.body
            ) as answer,
        ):
            if request.with_head:
                out.write(f"HTTP/1.1 {answer.status_code} {answer.reason_phrase}\r\n".encode())
                out.writelines(b"%s: %s\r\n" % item for item in answer.headers.raw)
                out.write(b"\r\n")
            for piece in answer.iter_raw():
                out.write(piece)
                out.flush()
                if deadline is not None and time.monotonic() > deadline:
                    return EXIT_TIMEOUT
            report = request.write_out.replace("%{http_code}", str(answer.status_code))
            out.write(report.replace("%{content_type}", answer.headers.get("Content-Type", "")).encode())
    except httpx.TimeoutException:
        return EXIT_TIMEOUT
    except httpx.ConnectError:
        return EXIT_NO_CONNECTION
    finally:
        out.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
