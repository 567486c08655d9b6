"""
The gate's own log: what happened to it, for people and for machines that read lines.

It goes where twistd was told to log: standard output, C{--logfile}, C{--syslog}.  C{[log]} of the settings says how much
of it and in which form; what workers have to say comes through the supervisor and obeys the same.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from twisted.logger import (
    FileLogObserver,
    FilteringLogObserver,
    ILogObserver,
    LegacyLogObserverWrapper,
    LogEvent,
    LogLevel,
    LogLevelFilterPredicate,
    eventAsText,
    formatEvent,
    textFileLogObserver,
)
from twisted.python.components import Componentized
from zope.interface import implementer

__all__ = ["ApplicationLog", "event_as_json"]

#: Where a daemon logs that was not told where; as twistd does it.
DAEMON_LOG: Final = "twistd.log"


@implementer(ILogObserver)
class ApplicationLog:
    """
    What twistd logs through once it is attached to what twistd runs.
    """

    def __init__(self, twistd: Mapping[str, Any]) -> None:
        """
        @param twistd: the options of C{twistd}.
        """
        self._twistd = twistd
        self._wanted = LogLevelFilterPredicate(LogLevel.info)
        self._file: _AppendedFile | None = None
        # None until twistd begins to log, and where the form is the system's.
        self._stream: Any = None
        self._observer: ILogObserver = _nowhere

    def attach(self, application: Componentized) -> None:
        """
        Let twistd log through this, to where its options say.  With C{--logger} it does not: that has its own mind.

        @param application: what twistd runs, before it begins to log.

        @raise OSError: the file cannot be opened.
        """
        destination = self._twistd.get("logfile") or ""
        foreground = bool(self._twistd.get("nodaemon"))
        if self._twistd.get("logger"):
            return
        if self._twistd.get("syslog"):
            self._observer = self._filtered(LegacyLogObserverWrapper(_syslog(self._twistd.get("prefix") or "")))
        elif destination == "-" and not foreground:
            return  # twistd refuses that itself
        elif destination in ("", "-") and foreground:
            self._stream = sys.stdout
        else:
            self._stream = self._file = _AppendedFile(Path(destination or DAEMON_LOG).absolute())
        if self._stream is not None:
            self._observer = self._filtered(textFileLogObserver(self._stream))
        application.setComponent(ILogObserver, self)  # type: ignore[no-untyped-call]  # Twisted has no types here

    def configure(self, level: str, form: str) -> None:
        """
        Log this much in this form from now on.

        @param level: the least severe that is logged: C{debug}, C{info}, C{warn} or C{error}.
        @param form: C{text} or C{json}, a line for each event; for a file and standard output only.
        """
        self._wanted.setLogLevelForNamespace("", LogLevel.levelWithName(level))
        if self._stream is not None:
            self._observer = self._filtered(_OBSERVERS[form](self._stream))

    def reopen(self) -> None:
        """
        Open the file anew by its name: it was rotated.

        @raise OSError: it cannot be; the log goes on to where it went.
        """
        if self._file is not None:
            self._file.reopen()

    def __call__(self, event: LogEvent) -> None:
        """
        See L{ILogObserver}.
        """
        self._observer(event)

    def _filtered(self, observer: ILogObserver) -> ILogObserver:
        return FilteringLogObserver(observer, [self._wanted])


def event_as_json(event: LogEvent) -> str:
    """
    One event as one line: C{ts} (RFC 3339), C{level}, C{logger}, C{message}; C{worker} (its process) and C{traceback}
    where there is one.
    """
    level = event.get("log_level") or LogLevel.info
    stamp = datetime.fromtimestamp(event.get("log_time") or 0.0, UTC).isoformat(timespec="milliseconds")
    shown: dict[str, object] = {
        "ts": stamp.replace("+00:00", "Z"),
        "level": level.name,
        "logger": event.get("log_namespace") or "",
        "message": formatEvent(event)
        or eventAsText(event, includeTraceback=False, includeTimestamp=False, includeSystem=False),
    }
    if "worker" in event:
        shown["worker"] = event["worker"]
    if event.get("log_failure") is not None:
        shown["traceback"] = event["log_failure"].getTraceback()
    return json.dumps(shown, default=str) + "\n"


def _as_json(stream: Any) -> ILogObserver:
    return FileLogObserver(stream, event_as_json)


_OBSERVERS: Final[Mapping[str, Callable[[Any], ILogObserver]]] = {"text": textFileLogObserver, "json": _as_json}


@implementer(ILogObserver)
def _nowhere(event: LogEvent) -> None:
    """
    Before twistd begins to log it keeps what is said.
    """


class _AppendedFile:
    """
    A file that somebody else rotates.  Each line is written at once, so that a full disk loses lines and no more.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = self._open()

    def _open(self) -> Any:
        return self._path.open("ab", buffering=0)

    def write(self, text: str) -> None:
        self._file.write(text.encode("utf-8", "backslashreplace"))

    def flush(self) -> None:
        pass  # nothing is held

    def reopen(self) -> None:
        fresh = self._open()
        old, self._file = self._file, fresh
        old.close()


def _syslog(prefix: str) -> Any:
    # Imported here: where there is no syslog, nobody asks for it.
    from twisted.python.syslog import SyslogObserver  # noqa: PLC0415

    return SyslogObserver(prefix).emit  # type: ignore[no-untyped-call]  # Twisted has no types here
