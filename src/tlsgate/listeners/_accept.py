"""
Accept connections from one listening socket.

Several processes may accept from the same socket; each connection then wakes one of them (C{EPOLLEXCLUSIVE}).
"""

from __future__ import annotations

import errno
import select
import socket
from collections.abc import Callable
from typing import Any, Final

from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from ..counters import Counters
from ..transport import READ, IHub
from ._endpoint import ListeningSocket

__all__ = ["ClientSocket", "Listener"]

#: Connections accepted for one event, at most; then others get their turn.
BATCH: Final = 64

#: Batches that are let in at the end, at most: who comes faster than this is not waited for.
ROUNDS: Final = 64

#: Seconds until accepting is tried again after descriptors or memory ran out.
PAUSE: Final = 1.0

#: Seconds between two log lines about that.
SPEAK_EVERY: Final = 60.0

# Add only: the kernel refuses to modify a descriptor that was added with it (epoll_ctl(2)).
_EXCLUSIVE: Final[int] = getattr(select, "EPOLLEXCLUSIVE", 0)

_EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

# accept(2): "already-pending network errors on the new socket"; that connection is gone, the next may be well.
_OF_ONE_CONNECTION: Final = frozenset(
    getattr(errno, name)
    for name in (
        "ECONNABORTED",
        "EPERM",
        "EPROTO",
        "ENETDOWN",
        "ENOPROTOOPT",
        "EHOSTDOWN",
        "ENONET",
        "EHOSTUNREACH",
        "EOPNOTSUPP",
        "ENETUNREACH",
        "EINTR",
    )
    if hasattr(errno, name)
)

_log = Logger()


class ClientSocket(socket.socket):
    """
    An accepted connection whose end is told, whoever owns it by then.

    @ivar on_close: called once, after the descriptor is closed; C{None} for nobody.
    """

    __slots__ = ("on_close",)

    on_close: Callable[[], None] | None

    def close(self) -> None:
        """
        See L{socket.socket.close}.
        """
        super().close()
        on_close, self.on_close = self.on_close, None
        if on_close is not None:
            on_close()


class Listener:
    """
    Accepts on a hub and passes each connection on: non-blocking, close-on-exec, without Nagle's delay.

    @ivar accepting: has C{start} been called, and C{stop_accepting} not?  True also while it pauses.
    @ivar leaving: may another process end the socket from now on?  Else that is worth a line in the log.
    """

    def __init__(
        self,
        hub: IHub,
        listening: ListeningSocket,
        accepted: Callable[[ClientSocket, Any], None],
        counters: Counters,
    ) -> None:
        """
        @param accepted: called with each connection and its address as C{accept} gives it; owns the socket.
        """
        self.listening = listening
        self.accepting = False
        self.leaving = False
        self._hub = hub
        self._accept = listening.socket.accept
        self._accepted = accepted
        self._counters = counters
        self._internet = listening.socket.family != socket.AF_UNIX
        self._batch = 1
        self._watching = False
        self._pause: IDelayedCall | None = None
        self._spoke_at = float("-inf")

    def start(self) -> None:
        """
        Begin to accept; harmless while it does.
        """
        self.accepting = True
        if not self._watching and self._pause is None:
            self._hub.add(self.listening.fileno(), self._readable, READ | _EXCLUSIVE)
            self._watching = True

    def stop_accepting(self) -> None:
        """
        Accept no more; the socket goes on listening, so that another process can take what waits.
        """
        self.accepting = False
        self._unwatch()
        pause, self._pause = self._pause, None
        if pause is not None:
            pause.cancel()

    def close(self) -> None:
        """
        Stop accepting and close the socket.
        """
        self.stop_accepting()
        self.listening.close()

    def leave(self) -> None:
        """
        Close the socket after everybody who waits there for this process was let in: what still waits when the last
        process closes it is reset.
        """
        self._batch = BATCH
        for _ in range(ROUNDS):
            # A smaller batch means that nobody waited any more.
            if not self._watching or self._batch < BATCH:
                break
            self._readable(READ)
        self.close()

    def crashed(self) -> None:
        """
        See L{IHub}: a connection's owner raised.  That was one connection; go on with the next, after a pause.
        """
        self._watching = False
        self._rest()

    def _unwatch(self) -> None:
        if self._watching:
            self._watching = False
            self._hub.remove(self.listening.fileno())

    def _readable(self, events: int) -> None:
        """
        Accept what waits.  One more call than there are connections costs an exception, so the number of calls follows
        the load: doubled while it was too small, then what was found.
        """
        accept = self._accept
        accepted = self._accepted
        internet = self._internet
        family = self.listening.socket.family
        for taken in range(self._batch):
            try:
                plain, address = accept()
            except BlockingIOError:
                self._batch = max(1, taken)
                return
            except OSError as reason:
                if reason.errno in _OF_ONE_CONNECTION:
                    continue
                self._failed(reason)
                return
            # With all four given, no system call asks what the descriptor is.
            connection = ClientSocket(family, socket.SOCK_STREAM, 0, plain.detach())
            connection.on_close = None
            connection.setblocking(False)
            if internet:
                try:
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                except OSError:  # Reset already (macOS): reading will tell.
                    pass
            accepted(connection, address)
            if not self._watching:
                return
        self._batch = min(BATCH, self._batch * 2)

    def _failed(self, reason: OSError) -> None:
        if reason.errno in _EXHAUSTED:
            self._counters.refused["descriptors"] += 1
            self._unwatch()
            self._rest()
            self._speak("accepting on {endpoint} pauses: {reason}", reason)
        else:
            # Another process shut the socket down, or it is closed: it would be "ready" for ever.
            self._unwatch()
            self.accepting = False
            if not self.leaving:
                self._speak("accepting on {endpoint} ended: {reason}", reason)

    def _rest(self) -> None:
        if self.accepting and self._pause is None:
            self._pause = self._hub.reactor.callLater(PAUSE, self._resume)

    def _resume(self) -> None:
        self._pause = None
        if self.accepting:
            self.start()

    def _speak(self, sentence: str, reason: OSError) -> None:
        now = self._hub.reactor.seconds()
        if now - self._spoke_at >= SPEAK_EVERY:
            self._spoke_at = now
            _log.warn(sentence, endpoint=self.listening.description, reason=reason.strerror)
