"""
Who uses plain HTTP, as events.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from ..interfaces import WorkerReport
from ..policy import PlainHTTPReport
from ._audit import rfc3339

__all__ = ["MERGED_ROWS", "PlainHTTPFeed", "merged_rows"]

#: Of the table of all workers together; each keeps at most a thousand.
MERGED_ROWS: Final = 4000

#: Rows that one event holds at most: those seen last.
_TOLD: Final = 20

_Key = tuple[Any, ...]


def merged_rows(reports: Iterable[WorkerReport]) -> list[dict[str, Any]]:
    """
    The tables of all workers together, last seen first, as they are answered.
    """
    report = PlainHTTPReport(MERGED_ROWS)
    for worker in reports:
        report.merge(worker.plain_http)
    return [
        {**row, "first_seen": rfc3339(row["first_seen"]), "last_seen": rfc3339(row["last_seen"])}
        for row in report.shown()
    ]


class PlainHTTPFeed:
    """
    Remembers what was told, to tell what is new.
    """

    def __init__(self) -> None:
        self._told: dict[_Key, tuple[int, str]] = {}

    def news(self, reports: Iterable[WorkerReport]) -> Mapping[str, Any] | None:
        """
        The content of a C{plain_http} event: rows that are new or changed, and how many rows there are of each verdict.

        @return: C{None} if nothing happened over plain HTTP.
        """
        rows = merged_rows(reports)
        now = {_key(row): (row["count"], row["verdict"]) for row in rows}
        before, self._told = self._told, now
        changed = [row for row in rows if before.get(_key(row)) != now[_key(row)]]
        if not changed:
            return None
        verdicts: dict[str, int] = {}
        for row in rows:
            verdicts[row["verdict"]] = verdicts.get(row["verdict"], 0) + 1
        return {"rows": changed[:_TOLD], "changed": len(changed), "verdicts": verdicts}


def _key(row: Mapping[str, Any]) -> _Key:
    return tuple(row[name] for name in ("site", "address", "user_agent", "method", "path"))
