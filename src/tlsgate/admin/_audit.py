"""
The audit log: who changed or tried to change what, from where, and why.  Append-only, one JSON object a line.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import attrs
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.logger import Logger

__all__ = ["AuditLog", "AuditRecord", "rfc3339"]

#: A token that somebody put where it does not belong (a path, a reason) must not stand in a log.
SECRET: Final = re.compile(r"tlsg_[A-Za-z0-9_=-]*")

#: Characters kept of what a client chose.
MAX_TEXT: Final = 500

#: Bytes of one file, and how many full ones are kept beside the newest.
LARGEST: Final = 8 * 1024 * 1024
KEPT_FILES: Final = 9

#: Bytes that are read at once.
BLOCK: Final = 64 * 1024

InThread = Callable[..., Awaitable[Any]]


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
    @ivar certificate: subject of the client certificate that they showed; empty for none.
    @ivar path: of the request, without its query.
    @ivar force: names of the objects for which a lock-out refusal was to be overridden.
    @ivar generation: the one that was made; 0 for none.
    @ivar code: of the problem; empty for what was done.
    """

    author: str
    peer: str
    method: str
    path: str
    status: int
    reason: str = ""
    force: Sequence[str] = ()
    generation: int = 0
    code: str = ""
    detail: str = ""
    certificate: str = ""

    def as_json(self, now: float) -> dict[str, Any]:
        """
        The record as it is written.
        """
        return {
            "time": rfc3339(now),
            "author": _clean(self.author),
            "peer": self.peer,
            "certificate": _clean(self.certificate),
            "method": _clean(self.method),
            "path": _clean(self.path),
            "status": self.status,
            "reason": _clean(self.reason),
            "force": [_clean(name) for name in self.force],
            "generation": self.generation,
            "code": self.code,
            "detail": _clean(self.detail),
        }


class AuditLog:
    """
    The files and how to read them: the newest is C{audit.log}, older ones are C{audit.log.1} and so on.

    What comes while a write runs is written together by the next one, so that a disk that is slow to sync costs each
    request one sync at most.
    """

    _log = Logger()

    def __init__(
        self, path: Path, *, wall: Callable[[], float], in_thread: InThread = maybeDeferred, largest: int = LARGEST
    ) -> None:
        """
        @param wall: the time of day, Unix time.
        @param in_thread: runs what blocks.
        @param largest: bytes of one file; a fuller one is put aside.
        """
        self._path = path
        self._wall = wall
        self._in_thread = in_thread
        self._largest = largest
        self._waiting: list[tuple[bytes, Deferred[None]]] = []
        self._writing = False

    def add(self, record: AuditRecord) -> Deferred[None]:
        """
        Append a record.

        @return: fires when it is safely on the disk, or cannot be: that is logged, for a full disk must not keep
            anybody from putting the gate right.
        """
        line = json.dumps(record.as_json(self._wall()), ensure_ascii=True) + "\n"
        written: Deferred[None] = Deferred()
        self._waiting.append((line.encode("ascii"), written))
        if not self._writing:
            self._writing = True
            Deferred.fromCoroutine(self._write())
        return written

    def flush(self) -> None:
        """
        Write at once what waits; for the end of the process.
        """
        self._append_safely(self._take())

    async def read(
        self, *, limit: int = 100, since: str = "", author: str = "", code: str = ""
    ) -> list[dict[str, Any]]:
        """
        The latest records that match, newest first.

        @param limit: how many at most.
        @param since: RFC 3339 time in UTC; earlier ones are left out.
        """
        found: list[dict[str, Any]] = await self._in_thread(self._find, limit, since, author, code)
        return found

    async def _write(self) -> None:
        try:
            while self._waiting:
                batch = self._take()
                await self._in_thread(self._append_safely, batch)
                for _, written in batch:
                    written.callback(None)
        finally:
            self._writing = False

    def _take(self) -> list[tuple[bytes, Deferred[None]]]:
        taken, self._waiting = self._waiting, []
        return taken

    def _append_safely(self, batch: list[tuple[bytes, Deferred[None]]]) -> None:
        try:
            if batch:
                self._append(b"".join(line for line, _ in batch))
        except OSError as error:
            self._log.error("the audit log cannot be written: {error}", error=error)

    def _append(self, lines: bytes) -> None:
        """
        @raise OSError: they are not, or not wholly, on the disk.
        """
        if self._path.exists() and self._path.stat().st_size + len(lines) > self._largest:
            self._put_aside()
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(self._path, flags, 0o600)
        try:
            # One write: lines of two writers never mix.
            os.write(descriptor, lines)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _put_aside(self) -> None:
        for number in range(KEPT_FILES - 1, 0, -1):
            with suppress(FileNotFoundError):
                self._aside(number).replace(self._aside(number + 1))
        self._path.replace(self._aside(1))

    def _aside(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")

    def _find(self, limit: int, since: str, author: str, code: str) -> list[dict[str, Any]]:
        # What does not even hold the words need not be parsed.
        words = [json.dumps(text).encode("ascii") for text in (author, code) if text]
        found: list[dict[str, Any]] = []
        for path in (self._path, *map(self._aside, range(1, KEPT_FILES + 1))):
            for line in _backwards(path):
                if not all(word in line for word in words):
                    continue
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
                    if len(found) == limit:
                        return found
        return found


def _backwards(path: Path) -> Iterator[bytes]:
    """
    The lines of a file, the last one first, without holding more of it than a block and a line.
    """
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        at = file.seek(0, os.SEEK_END)
        rest = b""
        while at:
            start = max(0, at - BLOCK)
            file.seek(start)
            block = file.read(at - start) + rest
            at = start
            rest, *lines = block.split(b"\n")
            yield from reversed(lines)
        yield rest
