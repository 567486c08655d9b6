"""
From an endpoint description to a socket that listens.

Twisted parses the description and binds; what it yields never enters its reactor.  The socket is duplicated and
accepts on the hub of whoever serves it, in this process or in a worker that got the descriptor.
"""

from __future__ import annotations

import errno
import os
import re
import socket
from collections.abc import Callable
from typing import Any, Final, Protocol, cast

import attrs
from twisted.internet.endpoints import AdoptedStreamServerEndpoint, serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IReactorCore
from twisted.internet.protocol import Factory

from ..interfaces import ApplyFailed

__all__ = [
    "MINIMUM_BACKLOG",
    "EndpointAddress",
    "ListeningSocket",
    "address_of",
    "backlog_of",
    "open_listening_socket",
    "refusal",
]

#: Connections the kernel may hold for us, at least; Twisted's own 50 loses connections in a burst.
MINIMUM_BACKLOG: Final = 1024

_ANY_IPV4: Final = frozenset({"", "0.0.0.0"})  # noqa: S104 - compared with, not bound

_FORBIDDEN: Final = frozenset({errno.EACCES, errno.EPERM})

# Twisted's endpoint strings: fields end at ":", "\" takes the next character literally.
_FIELD: Final = re.compile(r"((?:[^\\:]|\\.)*):", re.DOTALL)
_UNESCAPED_EQUALS: Final = re.compile(r"((?:[^\\=]|\\.)*)=(.*)", re.DOTALL)
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)

#: What the fields of each kind are called when they are given by position.
_POSITIONAL: Final = {
    "tcp": ("port", "backlog", "interface"),
    "tcp4": ("port", "backlog", "interface"),
    "tcp6": ("port", "backlog", "interface"),
    "unix": ("address", "mode", "backlog", "lockfile"),
    "systemd": ("domain", "index", "name"),
}


@attrs.frozen
class EndpointAddress:
    """
    Where an endpoint listens, in one spelling: equal values cannot be bound twice.

    @ivar kind: C{tcp}, C{unix}, C{systemd} or another plugin's prefix.
    @ivar host: the interface, empty for every IPv4 address; a UNIX socket's path; what else names the socket.
    @ivar port: 0 where the system chooses, and where there is none.
    """

    kind: str
    host: str
    port: int = 0


class _ReadingPort(Protocol):
    """
    What is used of L{twisted.internet.tcp.Port}; all of it public.
    """

    def fileno(self) -> int: ...

    def stopReading(self) -> None: ...

    def stopListening(self) -> object: ...


class _InertFactory(Factory):
    """
    Stands where Twisted wants a factory; never builds a protocol, for the port never reads.
    """

    noisy = False

    def logPrefix(self) -> str:
        """
        How the log names what listens.
        """
        return "tlsgate"


class ListeningSocket:
    """
    A socket that listens, non-blocking and close-on-exec, and what it was made from.

    @ivar socket: the socket; accept on it, pass its descriptor, do not close it.
    @ivar description: the endpoint description.
    @ivar port: the port it listens on (the real one where the description says 0); 0 for a UNIX socket.
    """

    def __init__(
        self,
        listening: socket.socket,
        description: str,
        owner: _ReadingPort | None = None,
        begin: Callable[[], None] | None = None,
    ) -> None:
        """
        @param owner: the Twisted port that bound it, and that removes a UNIX socket's file at the end.
        @param begin: makes it listen, if it is only bound as yet; see L{open_in_place_of}.
        """
        self.socket = listening
        self.description = description
        self._owner = owner
        self._begin = begin
        self._bound_here = owner is not None or begin is not None
        #: Where it listens, as C{getsockname} gives it.
        self.raw_address: Any = listening.getsockname()
        self.port: int = self.raw_address[1] if isinstance(self.raw_address, tuple) else 0

    def __repr__(self) -> str:
        return f"<ListeningSocket {self.description} port={self.port}>"

    @classmethod
    def from_descriptor(cls, descriptor: int, description: str, *, listens: bool = True) -> ListeningSocket:
        """
        Take over a listening descriptor that another process passed.

        @param descriptor: owned by the result from now on.
        @param listens: must it listen already?  Else whoever passed it sees to that before it is served.

        @raise ValueError: it is no listening stream socket.
        """
        try:
            listening = socket.socket(fileno=descriptor)
        except OSError as reason:
            raise ValueError(f"descriptor {descriptor} is not a socket: {reason.strerror}") from reason
        if listening.type != socket.SOCK_STREAM or (
            listens and not listening.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        ):
            listening.detach()
            raise ValueError(f"descriptor {descriptor} is not a listening stream socket")
        listening.setblocking(False)
        listening.set_inheritable(False)
        return cls(listening, description)

    def listen(self) -> None:
        """
        Listen from now on, if it was only bound; harmless when it listens.

        @raise ApplyFailed: the kernel refuses.
        """
        begin, self._begin = self._begin, None
        if begin is not None:
            begin()

    def fileno(self) -> int:
        """
        The descriptor, to pass to a worker.
        """
        return self.socket.fileno()

    def close(self) -> None:
        """
        Stop listening, in every process that shares the socket if it was bound here; harmless when closed.

        A worker closes its own copy only; a socket of systemd goes on listening there.
        """
        if self._bound_here and self.socket.fileno() >= 0:
            try:
                # Twisted's port closes in a later turn of the reactor, and clients would wait at it in vain.
                self.socket.shutdown(socket.SHUT_RDWR)
            except OSError:  # it did not listen yet
                pass
        self.socket.close()
        owner, self._owner = self._owner, None
        if owner is not None:
            owner.stopListening()


def _fields(description: str) -> tuple[str, dict[str, str]]:
    """
    A description's kind and its fields by name.
    """
    kind, *rest = [match.group(1) for match in _FIELD.finditer(description + ":")]
    found: dict[str, str] = {}
    positional = iter(_POSITIONAL.get(kind, ()))
    for field in rest:
        named = _UNESCAPED_EQUALS.fullmatch(field)
        if named is None:
            name, value = next(positional, None), field
            if name is None:
                continue
        else:
            name, value = named.groups()
        found[name] = _ESCAPE.sub(r"\1", value)
    return kind, found


def address_of(description: str) -> EndpointAddress:
    """
    Where an endpoint would listen, without binding it.

    @return: equal for two descriptions exactly when they name the same address, whatever else they set.

    @raise ValueError: the port is no number.
    """
    kind, fields = _fields(description)
    if kind in ("tcp", "tcp4", "tcp6"):
        host = fields.get("interface", "::" if kind == "tcp6" else "")
        return EndpointAddress("tcp", "" if host in _ANY_IPV4 else host.lower(), int(fields.get("port", "")))
    if kind == "unix":
        return EndpointAddress("unix", os.path.normpath(fields.get("address", "")))
    if kind == "systemd":
        return EndpointAddress("systemd", fields.get("name") or fields.get("index", ""))
    return EndpointAddress(kind, description)


async def open_listening_socket(reactor: IReactorCore, description: str, name: str = "") -> ListeningSocket:
    r"""
    Bind and listen.  With Twisted's own endpoints this is done when the coroutine first runs, without waiting.

    @param description: C{tcp:8443}, C{tcp:8443:interface=\:\:1}, C{unix:/run/gate.sock:mode=660},
        C{systemd:INET:index=0}, C{systemd:INET6:name=https}, or what a plugin adds.
    @param name: of the binding, for the error.

    @raise ApplyFailed: C{port-in-use}, C{port-forbidden}, or C{parameter-invalid} for what cannot be bound at all.
    """
    try:
        endpoint = serverFromString(reactor, description)  # type: ignore[no-untyped-call]  # Twisted's own
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as reason:
        raise ApplyFailed(
            "parameter-invalid", _subject(name), f"{description} is no endpoint: {_told(reason)}."
        ) from reason
    try:
        if isinstance(endpoint, AdoptedStreamServerEndpoint):
            # Duplicated, not listened on: Twisted would close the descriptor that a later generation may want
            # again, and would remove the file of a UNIX socket that is systemd's.
            opened = ListeningSocket.from_descriptor(os.dup(endpoint.fileno), description)
        else:
            port = cast(_ReadingPort, await endpoint.listen(_InertFactory()))
            port.stopReading()
            listening = socket.socket(fileno=os.dup(port.fileno()))
            listening.setblocking(False)
            listening.set_inheritable(False)
            opened = ListeningSocket(listening, description, port)
        # listen(2) again on a listening socket changes its backlog.
        opened.socket.listen(backlog_of(description))
    except (CannotListenError, OSError, ValueError, OverflowError) as reason:
        raise refusal(description, name, reason) from reason
    return opened


def backlog_of(description: str) -> int:
    """
    How many connections the kernel is to hold for an endpoint.

    @raise ValueError: the description's is no number.
    """
    return max(MINIMUM_BACKLOG, int(_fields(description)[1].get("backlog", "0")))


def _subject(name: str) -> str:
    return f"binding {name}" if name else "binding"


def refusal(description: str, name: str, reason: Exception) -> ApplyFailed:
    """
    The error for an endpoint that could not be bound.

    @param name: of the binding.
    """
    subject = _subject(name)
    cause = reason.socketError if isinstance(reason, CannotListenError) else reason
    number = cause.errno if isinstance(cause, OSError) else None
    if number == errno.EADDRINUSE or cause == "Cannot acquire lock":
        return ApplyFailed("port-in-use", subject, f"{description} cannot be bound: the address is already in use.")
    if number in _FORBIDDEN:
        return ApplyFailed(
            "port-forbidden",
            subject,
            f"{description} cannot be bound: permission denied; ports below 1024 need CAP_NET_BIND_SERVICE or"
            " a socket passed by systemd.",
        )
    return ApplyFailed("parameter-invalid", subject, f"{description} cannot be bound: {_told(cause)}.")


def _told(reason: object) -> str:
    """
    A reason as the end of a sentence.
    """
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror.lower()
    return (str(reason) or type(reason).__name__).rstrip(".")
