"""
What the service manager is told (sd_notify(3)): datagrams to the socket that C{NOTIFY_SOCKET} names.
"""

from __future__ import annotations

import socket
import time
from collections.abc import MutableMapping
from typing import Any, Final

from twisted.internet.task import LoopingCall
from twisted.logger import Logger

__all__ = ["ServiceManager"]

#: What tells a child that it may speak; only the process that was started may.
_VARIABLES: Final = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")

_log = Logger()


class ServiceManager:
    """
    systemd, or nobody.

    @ivar watchdog: seconds within which it wants to hear from us; 0 for never.
    """

    def __init__(self, address: str = "", watchdog: float = 0.0) -> None:
        """
        @param address: a path, or C{@} and the name of an abstract socket; empty for nobody.
        """
        self.watchdog = watchdog
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket: socket.socket | None = None
        self._beating: LoopingCall | None = None
        if address:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.setblocking(False)

    @classmethod
    def from_environment(cls, environ: MutableMapping[str, str], pid: int) -> ServiceManager:
        """
        The one that started this process; the variables are removed.
        """
        address, microseconds, meant = (environ.pop(name, "") for name in _VARIABLES)
        if not address.startswith(("/", "@")):
            return cls()
        if meant not in ("", str(pid)) or not (microseconds.isascii() and microseconds.isdigit()):
            microseconds = "0"
        return cls(address, int(microseconds) / 1e6)

    def start(self, clock: Any) -> None:
        """
        Keep the watchdog quiet for as long as the reactor runs.
        """
        if self.watchdog and self._beating is None:
            self._beating = LoopingCall(self._tell, "WATCHDOG=1")
            self._beating.clock = clock
            self._beating.start(self.watchdog / 3).addErrback(
                lambda failure: _log.failure("The watchdog is not fed any more", failure)
            )

    def ready(self, status: str) -> None:
        """
        Started, or done with reloading.
        """
        self._tell("READY=1", f"STATUS={_line(status)}")

    def reloading(self) -> None:
        """
        Settings are read again; C{ready} follows.
        """
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._tell("RELOADING=1", f"MONOTONIC_USEC={now}", "STATUS=reloading")

    def status(self, status: str) -> None:
        """
        One line for C{systemctl status}.
        """
        self._tell(f"STATUS={_line(status)}")

    def stopping(self, seconds: float) -> None:
        """
        The drain has begun.

        @param seconds: that it may take.
        """
        self._tell("STOPPING=1", f"EXTEND_TIMEOUT_USEC={int((seconds + 10) * 1e6)}", "STATUS=draining")

    def stop(self) -> None:
        """
        Say nothing more.
        """
        if self._beating is not None and self._beating.running:
            self._beating.stop()
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _tell(self, *states: str) -> None:
        if self._socket is None:
            return
        try:
            self._socket.sendto("\n".join(states).encode("utf-8"), self._address)
        except OSError as reason:
            _log.warn("The service manager cannot be told {states}: {reason}", states=states[0], reason=reason.strerror)


def _line(text: str) -> str:
    return " ".join(text.split())
