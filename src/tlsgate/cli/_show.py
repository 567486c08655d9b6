"""
What is printed: tables for people, documents for scripts.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import click

__all__ = ["clean", "emit_json", "fields", "findings_lines", "table", "tell_findings"]

#: Columns of a table that goes into a file or a pipe, where nothing should be cut.
WIDE: Final = 400

STYLES: Final = {
    "valid": "green",
    "up": "green",
    "current": "green",
    "expiring": "yellow",
    "not_yet_valid": "yellow",
    "unconfirmed": "yellow",
    "drain": "yellow",
    "expired": "red",
    "down": "red",
    "undone": "red",
}


def clean(text: str) -> str:
    """
    Text that cannot steer a terminal: what a certificate or a client put into it is shown, not obeyed.
    """
    return "".join(char if char.isprintable() or char == "\n" else repr(char)[1:-1] for char in text)


def emit_json(document: Any) -> None:
    """
    A document on standard output.
    """
    click.echo(json.dumps(document, indent=2, ensure_ascii=False))


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, empty: str) -> None:
    """
    Rows under headings.

    @param empty: said instead of a table without rows.
    """
    from rich import box  # noqa: PLC0415  # a tenth of a second, and --json needs none of it
    from rich.console import Console  # noqa: PLC0415  # as above
    from rich.table import Table  # noqa: PLC0415  # as above
    from rich.text import Text  # noqa: PLC0415  # as above

    found = [[_cell(cell) for cell in row] for row in rows]
    if not found:
        click.echo(empty)
        return
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        shown.add_column(column, overflow="fold")
    for row in found:
        shown.add_row(*(Text(cell, style=STYLES.get(cell, "")) for cell in row))
    terminal = sys.stdout.isatty()
    Console(width=None if terminal else WIDE, highlight=False, markup=False, emoji=False).print(shown)


def fields(rows: Iterable[tuple[str, Any]]) -> None:
    """
    Names and values, one on a line.
    """
    found = [(name, _cell(value)) for name, value in rows]
    width = max(len(name) for name, _ in found)
    for name, value in found:
        click.echo(f"{name:<{width}}  {value}".rstrip())


def findings_lines(findings: Iterable[Mapping[str, Any]]) -> list[str]:
    """
    Findings, the worst first: severity, code, what to do, and where.
    """
    order = {"error": 0, "warning": 1, "info": 2}
    return [
        f"{found['severity']}: {found['message']} [{found['code']}]"
        + (f" ({found['pointer']})" if found["pointer"] else "")
        for found in sorted(findings, key=lambda found: order.get(found["severity"], 3))
    ]


def tell_findings(findings: Iterable[Mapping[str, Any]]) -> None:
    """
    Findings, each on a line, coloured by severity.
    """
    colours = {"error": "red", "warning": "yellow", "info": "blue"}
    for line in findings_lines(findings):
        severity, colon, rest = clean(line).partition(":")
        click.echo(click.style(severity, fg=colours.get(severity)) + colon + rest)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(_cell, value))
    return clean(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
