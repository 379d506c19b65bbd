"""The curl lines of the README, turned towards another front door."""

from __future__ import annotations

import shlex
from pathlib import Path

README = Path(__file__).resolve().parents[2] / "README.md"
FRONT_DOOR = "http://127.0.0.1:8080"
"""Where `make run` serves, and so what the README's lines address."""


def curl_lines(text: str) -> list[str]:
    """Every line that is a curl command to the front door."""
    lines = (line.strip().removeprefix("$ ") for line in text.splitlines())
    return [line for line in lines if line.startswith("curl ") and FRONT_DOOR in line]


def curl_command(line: str, url: str) -> list[str]:
    """The command for another front door; it prints the status after the body and never waits for ever."""
    words = shlex.split(line.replace(FRONT_DOOR, url.rstrip("/")))
    return [
        words[0],
        "--silent",
        "--show-error",
        "--max-time",
        "30",
        "--write-out",
        "\n%{http_code}",
        *words[1:],
    ]
