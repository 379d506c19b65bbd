"""Tables for people: on the terminal with rich, and one section for each benchmark in a Markdown file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table as RichTable

from .results import Table

_HEAD = """# Results

Written by `make bench`; [README.md](README.md) says how to read it. Medians over the rounds; `×` is how
many times better the first row is than the row it stands in.
"""


def show(console: Console, table: Table) -> None:
    """Print one table."""
    if table.rows:
        drawn = RichTable(title=table.title, title_justify="left")
        for number, column in enumerate(table.columns):
            drawn.add_column(column, justify="right" if number else "left", no_wrap=not number)
        for row in table.rows:
            drawn.add_row(*row)
        console.print(drawn)
    else:
        console.print(table.title, style="bold")
    for note in table.notes:
        console.print(note.replace("**", ""), markup=False, highlight=False)
    console.print()


def section(title: str, tables: Sequence[Table], facts: Sequence[str]) -> str:
    """A benchmark's section, from its second-level heading on."""
    parts = [f"## {title}\n", "\n".join(f"- {fact}" for fact in facts) + "\n"]
    for table in tables:
        parts.append(f"### {table.title}\n")
        if table.rows:
            lines = [table.columns, ("---", *["--:"] * (len(table.columns) - 1)), *table.rows]
            parts.append("\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n")
        if table.notes:
            parts.append("\n".join(f"- {note}" for note in table.notes) + "\n")
    return "\n".join(parts)


def write_section(path: Path, text: str, order: Sequence[str]) -> None:
    """Put a section into the file in the place of the one with its heading; ``order`` are all headings."""
    old = path.read_text() if path.exists() else ""
    sections = {_heading(part): part for part in re.split(r"(?m)^(?=## )", old)[1:]}
    sections[_heading(text)] = text
    known = [sections[heading].strip() for heading in order if heading in sections]
    path.write_text("\n\n".join([_HEAD.strip(), *known]) + "\n")


def _heading(text: str) -> str:
    return text.partition("\n")[0].removeprefix("## ").strip()
