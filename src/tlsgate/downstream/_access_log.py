"""
One line for each exchange, written off the hot path.

The reactor appends a tuple.  Once a second, or sooner when many wait, the tuples go to a thread of the log's own
that formats and writes them: a slow or full disk delays no request.  What the thread cannot take in time is dropped
and counted, never kept without bound.  Each write is of whole lines with O_APPEND, so that several workers share a
file.
"""

from __future__ import annotations

import os
import queue
import select
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from ..counters import Counters
from ._access_lines import FORMATS, Record

__all__ = ["AccessLog"]

#: Records that wait in the reactor's thread before they are handed over early.
BATCH: Final = 1000

#: Batches that wait for the writer: with L{BATCH} the bound of what a stalled disk may hold in memory.
WAITING_BATCHES: Final = 16

FLUSH_INTERVAL: Final = 1.0

# One write(2) of whole lines.  The interpreter's lock is free during a write: formatting this much (half a
# millisecond) is the longest that the reactor waits for this thread.
WRITE_SIZE: Final = 16 * 1024

_SPEAK_OF_FAILURE_EVERY: Final = 60.0

_log = Logger()


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
