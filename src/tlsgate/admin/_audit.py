"""
The audit log: who changed or tried to change what, from where, and why.  Append-only, one JSON object a line.
"""

from __future__ import annotations

import json
import os
import re
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import attrs
from twisted.logger import Logger

__all__ = ["AuditLog", "AuditRecord", "rfc3339"]

#: A token that somebody put where it does not belong (a path, a reason) must not stand in a log.
SECRET: Final = re.compile(r"tlsg_[A-Za-z0-9_=-]*")

#: Characters kept of what a client chose.
MAX_TEXT: Final = 500


def rfc3339(seconds: float) -> str:
    """
    A time as the API shows it.

    @param seconds: Unix time.
    """
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _clean(text: str) -> str:
    return SECRET.sub("tlsg_[removed]", text)[:MAX_TEXT]


@attrs.frozen(kw_only=True)
class AuditRecord:
    """
    One line of the log.

    @ivar author: a token's name, C{local:USER}, or C{-} for somebody unknown.
    @ivar peer: the address they came from.
    @ivar path: of the request, without its query.
    @ivar generation: the one that was made; 0 for none.
    @ivar code: of the problem; empty for what was done.
    """

    author: str
    peer: str
    method: str
    path: str
    status: int
    reason: str = ""
    generation: int = 0
    code: str = ""
    detail: str = ""

    def as_json(self, now: float) -> dict[str, Any]:
        """
        The record as it is written.
        """
        return {
            "time": rfc3339(now),
            "author": _clean(self.author),
            "peer": self.peer,
            "method": _clean(self.method),
            "path": _clean(self.path),
            "status": self.status,
            "reason": _clean(self.reason),
            "generation": self.generation,
            "code": self.code,
            "detail": _clean(self.detail),
        }


class AuditLog:
    """
    The file and how to read it.
    """

    _log = Logger()

    def __init__(self, path: Path, *, wall: Callable[[], float]) -> None:
        """
        @param wall: the time of day, Unix time.
        """
        self._path = path
        self._wall = wall

    def add(self, record: AuditRecord) -> None:
        """
        Append a record and see it safely on the disk.  That this fails is logged: a full disk must not keep anybody
        from putting the gate right.
        """
        line = json.dumps(record.as_json(self._wall()), ensure_ascii=True) + "\n"
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            descriptor = os.open(self._path, flags, 0o600)
            try:
                # One write: lines of two writers never mix.
                os.write(descriptor, line.encode("ascii"))
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            self._log.error("the audit log cannot be written: {error}", error=error)

    def read(self, *, limit: int = 100, since: str = "", author: str = "", code: str = "") -> list[dict[str, Any]]:
        """
        The latest records that match, newest first.

        @param limit: how many at most.
        @param since: RFC 3339 time in UTC; earlier ones are left out.
        """
        found: deque[dict[str, Any]] = deque(maxlen=limit)
        try:
            with self._path.open("r", encoding="ascii", errors="replace") as lines:
                for line in lines:
                    try:
                        record = json.loads(line)
                    except ValueError:
                        continue  # cut short by a crash
                    if (
                        isinstance(record, dict)
                        and (not since or str(record.get("time", "")) >= since)
                        and (not author or record.get("author") == author)
                        and (not code or record.get("code") == code)
                    ):
                        found.append(record)
        except FileNotFoundError:
            return []
        return list(reversed(found))
