"""
The private link between the supervisor and a worker: calls and their answers, over an inherited socket pair.

A frame is a head of fixed size and a pickle.  Descriptors travel beside the bytes of the frame that names them
(C{SCM_RIGHTS}); the stream keeps both in order.  Nobody else can write to the socket; even so what is unpickled may
name only the classes of L{_ALLOWED}, because a worker reads what strangers send and the supervisor is worth more.
"""

from __future__ import annotations

import io
import os
import pickle
import socket
import struct
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from inspect import isawaitable
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IFileDescriptorReceiver
from twisted.internet.protocol import Factory, Protocol
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from ..interfaces import ApplyFailed

__all__ = ["CallFailed", "Link", "LinkLost", "adopt", "packed"]

#: What a frame is.
_CALL, _ANSWER, _REFUSAL, _NOTE = range(4)

#: Kind, descriptors beside it, number of the call, length of the pickle.
_HEAD: Final = struct.Struct("!BBII")

#: Bytes of one frame, at most: far above any snapshot, so that nonsense is noticed before it is stored.
LARGEST: Final = 1 << 30

_ALLOWED: Final[Mapping[str, frozenset[str]]] = {
    "builtins": frozenset({"dict", "float", "frozenset", "int", "list", "set", "str", "tuple"}),
    "collections": frozenset({"OrderedDict", "defaultdict"}),
    "ipaddress": frozenset({"IPv4Address", "IPv4Network", "IPv6Address", "IPv6Network"}),
    "pathlib": frozenset({"Path", "PosixPath"}),
    "tlsgate.counters": frozenset({"Counters"}),
    "tlsgate.interfaces": frozenset({"WorkerReport"}),
    "tlsgate.sites": frozenset(
        {
            "HSTS",
            "Binding",
            "Credentials",
            "Health",
            "Limits",
            "Redirect",
            "RedirectMode",
            "Scheme",
            "Selection",
            "Server",
            "ServerCertificate",
            "Site",
            "Snapshot",
            "Timeouts",
            "Upstream",
        }
    ),
    "tlsgate.workers._local": frozenset({"Setup"}),
}

_log = Logger()


class LinkLost(Exception):
    """
    The process at the other end is gone, and with it the answer.
    """


class CallFailed(Exception):
    """
    The other end could not do what it was asked; its log has the reason.
    """


def _member(kind: type, name: str) -> Enum:
    if not issubclass(kind, Enum):
        raise pickle.UnpicklingError(f"{kind.__name__} has no members")
    return kind[name]


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("builtins", "getattr"):
            # How Python 3.11.0 to 3.11.3 pickle the member of an Enum.
            return _member
        if name not in _ALLOWED.get(module, ()):
            raise pickle.UnpicklingError(f"{module}.{name} has no business on the link")
        return super().find_class(module, name)


def packed(verb: str, argument: object) -> bytes:
    """
    A call's content, to be sent to several workers.
    """
    return pickle.dumps((verb, argument), pickle.HIGHEST_PROTOCOL)


def _unpacked(content: memoryview) -> Any:
    return _Unpickler(io.BytesIO(content)).load()  # the allow-list is above


Answering = Callable[[Any, Sequence[int]], Any]


@implementer(IFileDescriptorReceiver)
class Link(Protocol):
    """
    One end of the link.

    @ivar open: can anything be said?
    @ivar full: does more wait to be sent than the socket takes now?  What is only nice to have is then left out.
    """

    def __init__(self, verbs: Mapping[str, Answering], lost: Callable[[], None]) -> None:
        """
        @param verbs: what this end can be asked: called with an argument and the descriptors that came with it, which
            it owns from then on; the result may have to be awaited.
        @param lost: called once, when the other end is gone.
        """
        self.full = False
        self._verbs = verbs
        self._lost = lost
        self._received = bytearray()
        self._descriptors: deque[int] = deque()
        self._calls: dict[int, Deferred[Any]] = {}
        self._number = 0
        self.open = False

    # Asking.

    def call(self, verb: str, argument: object = None, descriptors: Sequence[int] = ()) -> Deferred[Any]:
        """
        Ask the other end to do something.

        @param descriptors: to pass with it; they stay open until the answer has come.

        @return: fires with the answer.

        @raise ApplyFailed: (errback) it raised this.
        @raise CallFailed: (errback) it raised anything else.
        @raise LinkLost: (errback) it is gone.
        """
        return self.call_packed(packed(verb, argument), descriptors)

    def call_packed(self, content: bytes, descriptors: Sequence[int] = ()) -> Deferred[Any]:
        """
        As L{call}, with what L{packed} made.
        """
        answer: Deferred[Any] = Deferred()
        if not self.open:
            answer.errback(LinkLost())
            return answer
        self._number = (self._number + 1) & 0xFFFFFFFF
        self._calls[self._number] = answer
        self._send(_CALL, self._number, content, descriptors)
        return answer

    def note(self, verb: str, argument: object = None) -> None:
        """
        Tell the other end something that needs no answer.
        """
        if self.open:
            self._send(_NOTE, 0, packed(verb, argument))

    def close(self) -> None:
        """
        Hang up, after what was said.
        """
        if self.open and self.transport is not None:
            self.transport.loseConnection()

    def _send(self, kind: int, number: int, content: bytes, descriptors: Sequence[int] = ()) -> None:
        transport: Any = self.transport
        for descriptor in descriptors:
            transport.sendFileDescriptor(descriptor)
        transport.writeSequence([_HEAD.pack(kind, len(descriptors), number, len(content)), content])

    # IProtocol and what belongs to it

    def connectionMade(self) -> None:
        """
        See L{IProtocol}.
        """
        self.open = True
        transport: Any = self.transport
        transport.registerProducer(self, True)

    def pauseProducing(self) -> None:
        """
        See L{twisted.internet.interfaces.IPushProducer}: the socket is full.
        """
        self.full = True

    def resumeProducing(self) -> None:
        """
        See L{twisted.internet.interfaces.IPushProducer}.
        """
        self.full = False

    def stopProducing(self) -> None:
        """
        See L{twisted.internet.interfaces.IPushProducer}.
        """

    def fileDescriptorReceived(self, descriptor: int) -> None:
        """
        See L{IFileDescriptorReceiver}.
        """
        os.set_inheritable(descriptor, False)
        self._descriptors.append(descriptor)

    def dataReceived(self, data: bytes) -> None:
        """
        See L{IProtocol}.
        """
        received = self._received
        received += data
        while len(received) >= _HEAD.size:
            kind, descriptors, number, length = _HEAD.unpack_from(received)
            end = _HEAD.size + length
            if length > LARGEST:
                self._nonsense("a frame is too large")
                return
            if len(received) < end:
                return
            content = bytes(memoryview(received)[_HEAD.size : end])
            del received[:end]
            with_it = [self._descriptors.popleft() for _ in range(min(descriptors, len(self._descriptors)))]
            try:
                value = _unpacked(memoryview(content))
            except Exception:  # whatever a pickle can raise: the edge of the process
                _log.failure("What came over the link cannot be read")
                self._nonsense("a frame cannot be read")
                return
            self._frame_received(kind, number, value, with_it)

    def _nonsense(self, why: str) -> None:
        _log.critical("The link is given up: {why}", why=why)
        self._received.clear()
        transport: Any = self.transport
        transport.abortConnection()

    def _frame_received(self, kind: int, number: int, value: Any, descriptors: Sequence[int]) -> None:
        if kind in (_CALL, _NOTE):
            verb, argument = value
            self._answer(number if kind == _CALL else None, verb, argument, descriptors)
            return
        answer = self._calls.pop(number, None)
        if answer is None or answer.called:
            return
        if kind == _ANSWER:
            answer.callback(value)
        elif value[0]:
            answer.errback(ApplyFailed(*value))
        else:
            answer.errback(CallFailed(value[2]))

    def _answer(self, number: int | None, verb: str, argument: Any, descriptors: Sequence[int]) -> None:
        done = Deferred.fromCoroutine(self._do(verb, argument, descriptors))
        if number is None:
            done.addErrback(lambda failure: _log.failure("{verb} failed", failure, verb=verb))
            return
        done.addCallbacks(
            lambda value: self._reply(_ANSWER, number, value), lambda failure: self._refuse(number, verb, failure)
        )
        done.addErrback(lambda failure: _log.failure("The answer to {verb} cannot be sent", failure, verb=verb))

    async def _do(self, verb: str, argument: Any, descriptors: Sequence[int]) -> Any:
        result = self._verbs[verb](argument, descriptors)
        return await result if isawaitable(result) else result

    def _refuse(self, number: int, verb: str, failure: Failure) -> None:
        reason = failure.value
        if isinstance(reason, ApplyFailed):
            self._reply(_REFUSAL, number, (reason.code, reason.subject, reason.detail))
            return
        _log.failure("{verb} failed", failure, verb=verb)
        self._reply(_REFUSAL, number, ("", verb, f"{verb}: {type(reason).__name__}"))

    def _reply(self, kind: int, number: int, value: object) -> None:
        if self.open:
            self._send(kind, number, pickle.dumps(value, pickle.HIGHEST_PROTOCOL))

    def connectionLost(self, reason: Failure | None = None) -> None:
        """
        See L{IProtocol}.
        """
        self.open = False
        for descriptor in self._descriptors:
            os.close(descriptor)
        self._descriptors.clear()
        calls, self._calls = self._calls, {}
        self._lost()
        for answer in calls.values():
            if not answer.called:
                answer.errback(LinkLost())


class _Adopting(Factory):
    noisy = False

    def __init__(self, link: Link) -> None:
        self._link = link

    def buildProtocol(self, address: object) -> Link:
        """
        The one link.
        """
        return self._link


def adopt(reactor: Any, link: Link, end: socket.socket) -> None:
    """
    Speak over one end of a socket pair, which belongs to the link from now on.
    """
    end.setblocking(False)
    # Twisted duplicates the descriptor.
    with end:
        reactor.adoptStreamConnection(end.fileno(), socket.AF_UNIX, _Adopting(link))
