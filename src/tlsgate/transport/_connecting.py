"""
Make a connection to one of several addresses, the first that answers (RFC 8305, given resolved addresses).
"""

from __future__ import annotations

import os
import socket
from collections import deque
from collections.abc import Callable, Iterable
from errno import EINPROGRESS
from functools import partial
from typing import Any, Final, TypeAlias

from twisted.internet.error import TimeoutError, getConnectError
from twisted.internet.interfaces import IDelayedCall

from ._hub import WRITE
from ._interfaces import IHub

__all__ = ["Address", "Connecting", "interleaved"]

#: An address family and what C{socket.connect} takes in it.
Address: TypeAlias = tuple[int, Any]

#: Seconds that one address is given before the next is tried beside it (RFC 8305 section 5).
ATTEMPT_DELAY: Final = 0.25


def interleaved(addresses: Iterable[Address]) -> list[Address]:
    """
    The addresses in order, but families in turn, beginning with the family of the first (RFC 8305 section 4).
    """
    families: dict[int, deque[Address]] = {}
    for address in addresses:
        families.setdefault(address[0], deque()).append(address)
    ordered: list[Address] = []
    while families:
        for family, queue in tuple(families.items()):
            ordered.append(queue.popleft())
            if not queue:
                del families[family]
    return ordered


def _connect_error(number: int, text: str) -> Exception:
    """
    The errno of a failed connect as Twisted's exception for it.
    """
    error: Exception = getConnectError((number, text))  # type: ignore[no-untyped-call]  # Twisted's
    return error


class _Attempt:
    """
    One socket on its way to one address.
    """

    __slots__ = ("address", "connecting", "sock")

    def __init__(self, connecting: Connecting, sock: socket.socket, address: Address) -> None:
        self.connecting = connecting
        self.sock = sock
        self.address = address

    def on_event(self, events: int) -> None:
        self.connecting.attempt_ended(self, self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))


class Connecting:
    """
    Connects to the first of several addresses that answers, and says so exactly once, never before the constructor
    returns.
    """

    __slots__ = (
        "_addresses",
        "_attempt_delay",
        "_attempts",
        "_bind",
        "_connected",
        "_failed",
        "_failure",
        "_hub",
        "_next",
        "_over",
        "_timeout",
    )

    def __init__(
        self,
        hub: IHub,
        addresses: Iterable[Address],
        *,
        timeout: float,
        connected: Callable[[socket.socket, Address], None],
        failed: Callable[[Exception], None],
        attempt_delay: float = ATTEMPT_DELAY,
        bind: tuple[str, int] | None = None,
    ) -> None:
        """
        Begin.

        @param timeout: seconds for all attempts together.
        @param connected: gets a connected non-blocking socket (TCP_NODELAY set) and its address.
        @param failed: gets the first address's error, or L{TimeoutError}.
        @param attempt_delay: seconds after which the next address is tried beside those under way.
        @param bind: local address for the addresses of its family.
        """
        self._hub = hub
        self._addresses = deque(interleaved(addresses))
        self._connected = connected
        self._failed = failed
        self._attempt_delay = attempt_delay
        self._bind = bind
        self._attempts: set[_Attempt] = set()
        self._failure: Exception | None = None
        self._next: IDelayedCall | None = None
        self._over = False
        self._timeout: IDelayedCall = hub.reactor.callLater(timeout, self._timed_out)
        self._try_next()

    def cancel(self) -> None:
        """
        Give up and say nothing.  Does nothing when it is over.
        """
        if not self._over:
            self._end(None)

    def attempt_ended(self, attempt: _Attempt, error: int) -> None:
        """
        An attempt's word that its socket is connected, or why not.

        @param error: an errno, 0 for success.
        """
        if error:
            self._drop(attempt)
            self._address_failed(_connect_error(error, os.strerror(error)))
        else:
            self._won(attempt)

    def _try_next(self) -> None:
        self._next = None
        while self._addresses and not self._over:
            address = self._addresses.popleft()
            try:
                attempt, error = self._begin(address)
            except (OSError, OverflowError, ValueError) as failure:  # the latter two: not an address at all
                self._note(_connect_error(getattr(failure, "errno", 0) or 0, str(failure)))
                continue
            if error == 0:
                self._attempts.add(attempt)
                self._hub.soon(partial(self._won, attempt))
                return
            if error == EINPROGRESS:
                self._attempts.add(attempt)
                self._hub.add(attempt.sock.fileno(), attempt.on_event, WRITE)
                if self._addresses:
                    self._next = self._hub.reactor.callLater(self._attempt_delay, self._try_next)
                return
            attempt.sock.close()
            self._note(_connect_error(error, os.strerror(error)))
        if not self._attempts and not self._over:
            self._hub.soon(self._all_failed)

    def _begin(self, address: Address) -> tuple[_Attempt, int]:
        family, where = address
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            if family != socket.AF_UNIX:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if self._bind is not None and (":" in self._bind[0]) == (family == socket.AF_INET6):
                    try:
                        sock.bind(self._bind)
                    except OSError as error:
                        raise OSError(error.errno, f"bind to {self._bind[0]}: {error.strerror}") from error
            return _Attempt(self, sock, address), sock.connect_ex(where)
        except BaseException:
            sock.close()
            raise

    def _note(self, failure: Exception) -> None:
        if self._failure is None:
            self._failure = failure

    def _address_failed(self, failure: Exception) -> None:
        self._note(failure)
        if self._next is not None:
            self._next.cancel()
        self._try_next()

    def _drop(self, attempt: _Attempt) -> None:
        self._attempts.discard(attempt)
        self._hub.remove(attempt.sock.fileno())
        attempt.sock.close()

    def _won(self, attempt: _Attempt) -> None:
        if not self._over:
            self._hub.remove(attempt.sock.fileno())
            self._end(attempt)
            self._connected(attempt.sock, attempt.address)

    def _all_failed(self) -> None:
        if not self._over:
            self._end(None)
            self._failed(self._failure or _connect_error(0, "there is no address to connect to"))

    def _timed_out(self) -> None:
        if not self._over:
            self._end(None)
            self._failed(TimeoutError())  # type: ignore[no-untyped-call]  # Twisted's

    def _end(self, winner: _Attempt | None) -> None:
        self._over = True
        for call in (self._timeout, self._next):
            if call is not None and call.active():
                call.cancel()
        for attempt in tuple(self._attempts):
            if attempt is not winner:
                self._drop(attempt)
        self._attempts.clear()
