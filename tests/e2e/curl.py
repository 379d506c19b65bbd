"""Performs the curl lines of the documents, so that what people paste is what is tested (without curl)."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import httpx


def curl_lines(text: str) -> list[str]:
    """The lines of a document's shell blocks, or of a program's output, that begin with ``curl``."""
    return [line.strip() for line in text.splitlines() if line.strip().startswith("curl ")]


def readme_curl_lines(readme: Path) -> list[str]:
    """The curl lines in the ``sh`` blocks of a README."""
    blocks = re.findall(r"```sh\n(.*?)```", readme.read_text(), re.S)
    return curl_lines("\n".join(blocks))


def perform(line: str, client: httpx.Client, *, instead_of: str = "", base: str = "") -> list[httpx.Response]:
    """Send the requests of a line (``curl … && curl …``) to ``base`` in place of ``instead_of``."""
    return [_request(command, client, instead_of, base) for command in line.split(" && ")]


def _request(command: str, client: httpx.Client, instead_of: str, base: str) -> httpx.Response:
    words = iter(shlex.split(command)[1:])
    method, url, body = "", "", None
    headers: dict[str, str] = {"User-Agent": "curl/8.5.0", "Accept": "*/*"}
    for word in words:
        if word in ("-X", "--request"):
            method = next(words)
        elif word in ("-H", "--header"):
            name, _, value = next(words).partition(":")
            headers[name] = value.strip()
        elif word in ("-d", "--data", "--data-binary", "--json"):
            body = next(words)
            headers.setdefault(
                "Content-Type",
                "application/json" if word == "--json" else "application/x-www-form-urlencoded",
            )
        elif word in ("-s", "-S", "-sS", "-i", "-N", "-si", "-f"):
            continue
        elif word.startswith("-"):
            raise AssertionError(f"teach perform() what {word} means: {command}")
        else:
            url = word
    url = url.replace(instead_of, base) if instead_of else url
    return client.request(method or ("POST" if body else "GET"), url, headers=headers, content=body)
