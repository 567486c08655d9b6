"""
One line for each exchange, written off the hot path.

The reactor appends a tuple.  Once a second, or sooner when many wait, the tuples go to a thread of the log's own
that formats and writes them: a slow or full disk delays no request.  What the thread cannot take in time is dropped
and counted, never kept without bound.  Each write is of whole lines with O_APPEND, so that several workers share a
file.
"""

from __future__ import annotations

import json
import os
import queue
import re
import select
import stat
import threading
import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Final, TypeAlias

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from ..counters import Counters

__all__ = ["FORMATS", "AccessLog", "Record", "combined_line", "json_line"]

#: One exchange, in the order of L{AccessLog.append}'s parameters, the instant last.
Record: TypeAlias = tuple[
    str,
    str,
    str,
    str,
    bytes,
    bytes,
    bytes,
    bytes,
    int,
    int,
    int,
    float,
    str,
    float | None,
    str,
    str,
    str,
    bytes,
    bytes,
    str,
    float,
]

#: Records that wait in the reactor's thread before they are handed over early.
BATCH: Final = 1000

#: Batches that wait for the writer: with L{BATCH} the bound of what a stalled disk may hold in memory.
WAITING_BATCHES: Final = 16

FLUSH_INTERVAL: Final = 1.0

# One write(2) of whole lines.  The interpreter's lock is free during a write: formatting this much (half a
# millisecond) is the longest that the reactor waits for this thread.
WRITE_SIZE: Final = 16 * 1024

# The longest a field that the client chooses may be in a line, bytes; a target is bounded by Limits.target.
FIELD_LIMIT: Final = 4096

# Values up to this many bytes are remembered with what is written for them.
SHORT: Final = 256

_SPEAK_OF_FAILURE_EVERY: Final = 60.0

_log = Logger()

# What would end a line or a quoted field, move a terminal's cursor, or is not ASCII.
_UNSAFE: Final = re.compile(rb'[\x00-\x1f"\\\x7f-\xff]')


def _escaped(match: re.Match[bytes]) -> bytes:
    return b"\\x%02x" % match[0][0]


def _quoted(value: bytes, absent: bytes = b"-") -> bytes:
    """
    A client's bytes as they may stand between quotes.
    """
    if not value:
        return absent
    return _UNSAFE.sub(_escaped, value[:FIELD_LIMIT])


def _word(value: bytes) -> bytes:
    """
    A client's bytes as they may stand between blanks.
    """
    return _quoted(value).replace(b" ", b"\\x20")


# Most clients send what others sent before them; long values are not remembered, or they would fill the memory.
_repeated_quoted: Final = lru_cache(maxsize=512)(_quoted)
_repeated_word: Final = lru_cache(maxsize=512)(_word)


def combined_line(record: Record) -> bytes:
    r"""
    A record in the Combined Log Format of Apache and nginx; controls, quotes and non-ASCII bytes as C{\xNN}.
    """
    client_ip, method, target, version, status, bytes_out = (
        record[2],
        record[5],
        record[6],
        record[7],
        record[8],
        record[10],
    )
    referer, user_agent, instant = record[18], record[17], record[20]
    return b'%s - - [%s] "%s %s %s" %d %d "%s" "%s"\n' % (
        _repeated_word(client_ip.encode("utf-8", "replace")),
        _combined_stamp(int(instant)),
        _repeated_word(method) if len(method) <= SHORT else _word(method),
        _word(target),
        _repeated_word(version),
        status,
        bytes_out,
        _repeated_quoted(referer) if len(referer) <= SHORT else _quoted(referer),
        _repeated_quoted(user_agent) if len(user_agent) <= SHORT else _quoted(user_agent),
    )


@lru_cache(maxsize=2)
def _combined_stamp(second: int) -> bytes:
    moment = time.gmtime(second)
    # Month names are spelled here: strftime's depend on the locale.
    month = _MONTHS[moment.tm_mon - 1]
    clock = time.strftime("%H:%M:%S", moment)
    return f"{moment.tm_mday:02d}/{month}/{moment.tm_year}:{clock} +0000".encode("ascii")


@lru_cache(maxsize=2)
def _json_stamp(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))


_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _text(value: bytes) -> str:
    r"""
    A client's bytes in JSON: UTF-8 where it is, bytes that are none as C{\xNN}.
    """
    return value[:FIELD_LIMIT].decode("utf-8", "backslashreplace")


_repeated_text: Final = lru_cache(maxsize=512)(_text)

# json.dumps would build this anew for each line.
_encode: Final = json.JSONEncoder(separators=(",", ":")).encode


def json_line(record: Record) -> bytes:
    """
    A record as one JSON object with the fields of the contract, and C{client_ip_from}.
    """
    (
        request_id,
        peer_ip,
        client_ip,
        site,
        host,
        method,
        target,
        version,
        status,
        bytes_in,
        bytes_out,
        duration,
        upstream,
        upstream_duration,
        tls_version,
        cipher,
        sni,
        user_agent,
        referer,
        client_ip_from,
        instant,
    ) = record
    second = int(instant)
    fields = {
        "ts": f"{_json_stamp(second)}.{int((instant - second) * 1000):03d}Z",
        "request_id": request_id,
        "peer_ip": peer_ip,
        "client_ip": client_ip,
        "site": site,
        "host": _text(host),
        "method": _text(method),
        "target": _text(target),
        "version": _text(version),
        "status": status,
        "bytes_in": bytes_in,
        "bytes_out": bytes_out,
        "duration_ms": round(duration * 1000, 3),
        "upstream": upstream,
        "upstream_ms": None if upstream_duration is None else round(upstream_duration * 1000, 3),
        "tls_version": tls_version,
        "cipher": cipher,
        "sni": sni,
        "user_agent": _repeated_text(user_agent) if len(user_agent) <= SHORT else _text(user_agent),
        "referer": _text(referer),
        "client_ip_from": client_ip_from,
    }
    return _encode(fields).encode("ascii") + b"\n"


#: Name of a format to what writes a line of it.
FORMATS: Final[dict[str, Callable[[Record], bytes]]] = {"combined": combined_line, "json": json_line}


class AccessLog:
    """
    The access log of one worker.

    Everything is called in the reactor's thread; the file belongs to the writer's.
    """

    def __init__(
        self,
        destination: Path | int | None,
        format_name: str,
        clock: IReactorTime,
        counters: Counters,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """
        Open the destination and start writing.

        @param destination: a file that is appended to and can be reopened; a descriptor (standard output), which
            stays its owner's; C{None} to log nothing.
        @param format_name: a key of L{FORMATS}.

        @raise OSError: the file cannot be opened.
        """
        self._line = FORMATS[format_name]
        self._counters = counters
        self._wall_clock = wall_clock
        self._records: list[Record] = []
        self._writer: _Writer | None = None
        #: False where C{append} does nothing: a caller may spare itself the call.
        self.enabled = destination is not None
        if destination is not None:
            self._writer = _Writer(destination, self._line)
            self._writer.start()
        self._ticking = LoopingCall(self._tick)
        self._ticking.clock = clock
        if self.enabled:
            self._ticking.start(FLUSH_INTERVAL, now=False).addErrback(
                lambda failure: _log.failure("the access log stopped", failure)
            )

    def append(  # noqa: PLR0917 - names in the call would cost as much as the rest of it
        self,
        request_id: str,
        peer_ip: str,
        client_ip: str,
        site: str,
        host: bytes,
        method: bytes,
        target: bytes,
        version: bytes,
        status: int,
        bytes_in: int,
        bytes_out: int,
        duration: float,
        upstream: str = "",
        upstream_duration: float | None = None,
        tls_version: str = "",
        cipher: str = "",
        sni: str = "",
        user_agent: bytes = b"",
        referer: bytes = b"",
        client_ip_from: str = "",
    ) -> None:
        """
        Remember one finished exchange; give positional arguments.

        @param duration: seconds.
        @param upstream: the server's url; empty where the gate answered.
        @param upstream_duration: seconds until the upstream's head; C{None} where none was asked.
        @param client_ip_from: which rule chose C{client_ip}.
        """
        if not self.enabled:
            return
        records = self._records
        records.append(
            (
                request_id,
                peer_ip,
                client_ip,
                site,
                host,
                method,
                target,
                version,
                status,
                bytes_in,
                bytes_out,
                duration,
                upstream,
                upstream_duration,
                tls_version,
                cipher,
                sni,
                user_agent,
                referer,
                client_ip_from,
                self._wall_clock(),
            )
        )
        if len(records) >= BATCH:
            self.flush()

    def flush(self) -> None:
        """
        Hand what waits to the writer; drop it, counted, if the writer is too far behind.
        """
        writer = self._writer
        if writer is None:
            return
        records = self._records
        if records:
            self._records = []
            if not writer.offer(records):
                self._counters.log_dropped += len(records)
        self._counters.log_dropped += writer.take_dropped()

    def reopen(self) -> None:
        """
        Open the file anew by its name (it was rotated) after what was appended before; a descriptor stays.
        """
        self.flush()
        if self._writer is not None:
            self._writer.reopen()

    def close(self, timeout: float = 5.0) -> None:
        """
        Write what waits and end the thread; blocks up to C{timeout} seconds where the disk is slow.
        """
        if self._ticking.running:
            self._ticking.stop()
        writer = self._writer
        if writer is None:
            return
        self.flush()
        self._writer = None
        self.enabled = False
        writer.stop(timeout)
        self._counters.log_dropped += writer.take_dropped()

    def _tick(self) -> None:
        self.flush()
        if self._writer is not None:
            failure = self._writer.take_failure()
            if failure is not None:
                _log.error("the access log cannot be written: {reason}", reason=failure)


class _Writer:
    """
    The thread that formats and writes.

    A daemon: a disk that never answers must not keep the process from ending.
    """

    def __init__(self, destination: Path | int, line: Callable[[Record], bytes]) -> None:
        self._path = destination if isinstance(destination, Path) else None
        self._descriptor: int = destination if isinstance(destination, int) else _open(destination)
        self._line = line
        # Writers to one pipe tear each other's lines apart above PIPE_BUF (pipe(7)); appending to a file never does.
        regular = stat.S_ISREG(os.fstat(self._descriptor).st_mode)
        self._write_size = WRITE_SIZE if regular else select.PIPE_BUF
        self._torn = False
        # A batch, True to reopen, None to end.  Orders pass even when batches no longer do.
        self._inbox: queue.SimpleQueue[list[Record] | bool | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._waiting = 0
        self._dropped = 0
        self._failure: str | None = None
        self._spoke_at = float("-inf")
        self._thread = threading.Thread(target=self._run, name="tlsgate access log", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def offer(self, records: list[Record]) -> bool:
        """
        Take a batch, or refuse it because too many wait.
        """
        with self._lock:
            if self._waiting >= WAITING_BATCHES:
                return False
            self._waiting += 1
        self._inbox.put(records)
        return True

    def reopen(self) -> None:
        self._inbox.put(True)

    def stop(self, timeout: float) -> None:
        self._inbox.put(None)
        self._thread.join(timeout)

    def take_dropped(self) -> int:
        """
        How many lines could not be written since the last call.
        """
        with self._lock:
            dropped, self._dropped = self._dropped, 0
        return dropped

    def take_failure(self) -> str | None:
        """
        Why, if it is time to say so.
        """
        with self._lock:
            failure, self._failure = self._failure, None
        return failure

    def _run(self) -> None:
        while (order := self._inbox.get()) is not None:
            if isinstance(order, bool):
                self._reopen()
            else:
                self._write_batch(order)
                with self._lock:
                    self._waiting -= 1
        if self._path is not None:
            os.close(self._descriptor)

    def _reopen(self) -> None:
        if self._path is None:
            return
        try:
            fresh = _open(self._path)
        except OSError as reason:
            self._failed(0, reason)
            return
        os.close(self._descriptor)
        self._descriptor = fresh

    def _write_batch(self, records: list[Record]) -> None:
        text: list[bytes] = []
        size = 0
        for record in records:
            line = self._line(record)
            if size + len(line) > self._write_size and text:
                self._write(text)
                text, size = [], 0
            text.append(line)
            size += len(line)
        self._write(text)

    def _write(self, lines: list[bytes]) -> None:
        """
        Write whole lines; those that do not fit any more are dropped.
        """
        data = b"".join(lines)
        if self._torn:
            data = b"\n" + data
        written = 0
        try:
            while written < len(data):
                written += os.write(self._descriptor, data[written:] if written else data)
        except OSError as reason:
            self._torn = self._torn if written == 0 else data[written - 1] != 10
            self._failed(len(lines) - max(0, data.count(b"\n", 0, written) - data.startswith(b"\n")), reason)
        else:
            self._torn = False

    def _failed(self, lost: int, reason: OSError) -> None:
        now = time.monotonic()
        with self._lock:
            self._dropped += lost
            if now - self._spoke_at >= _SPEAK_OF_FAILURE_EVERY:
                self._spoke_at = now
                self._failure = reason.strerror or type(reason).__name__


def _open(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
