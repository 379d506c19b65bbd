"""Performs the curl lines of the documents, so that what people paste is what is tested."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import httpx

from svc_common.testing.curl import parse


def curl_lines(text: str) -> list[str]:
    """The lines of a document's shell blocks, or of a program's output, that begin with ``curl``."""
    return [line.strip() for line in text.splitlines() if line.strip().startswith("curl ")]


def readme_curl_lines(readme: Path) -> list[str]:
    """The curl lines in the ``sh`` blocks of a README."""
    blocks = re.findall(r"```sh\n(.*?)```", readme.read_text(), re.S)
    return curl_lines("\n".join(blocks))


def perform(line: str, client: httpx.Client, *, instead_of: str = "", base: str = "") -> list[httpx.Response]:
    """Send the requests of a line (``curl … && curl …``) to ``base`` in place of ``instead_of``."""
    answers = []
    for command in line.split(" && "):
        request = parse(shlex.split(command)[1:])
        url = request.url.replace(instead_of, base) if instead_of else request.url
        answers.append(client.request(request.method, url, headers=request.headers, content=request.body))
    return answers
