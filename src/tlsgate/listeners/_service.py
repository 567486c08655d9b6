"""
One binding in service: its socket, its clients, and what changes while they are connected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from twisted.internet.interfaces import IProtocol

from ..counters import Counters
from ..sites import Binding, Scheme, Timeouts
from ..tls import Terminator
from ..transport import IHub
from ._accept import Listener
from ._admission import Admission
from ._endpoint import ListeningSocket
from ._reception import Reception

__all__ = ["BindingListener"]


class BindingListener:
    """
    Receives the clients of one L{Binding} on a listening socket, in the process that serves them.

    @ivar binding: as it is served now.
    """

    def __init__(
        self,
        hub: IHub,
        listening: ListeningSocket,
        binding: Binding,
        *,
        build_channel: Callable[[Any], IProtocol],
        build_plain_on_tls: Callable[[Any], IProtocol] | None = None,
        terminator: Terminator | None = None,
        admission: Admission | None = None,
        counters: Counters,
        timeouts: Timeouts | None = None,
    ) -> None:
        """
        Accept nothing yet; see C{start}.

        @param build_channel: makes the protocol of each connection from its client's raw address (C{(host, port)}
            or as C{accept} gives it); called after the handshake.
        @param build_plain_on_tls: makes the protocol that answers plain HTTP on an https binding.
        @param terminator: the TLS side of an https binding.
        @param admission: shared by all bindings of a worker.

        @raise ValueError: an https binding without a terminator, or an http binding with one.
        """
        self.binding = binding
        self._reception = Reception(
            hub,
            name=binding.name,
            host=listening.raw_address,
            counters=counters,
            admission=admission if admission is not None else Admission(),
            build_channel=build_channel,
            build_plain_on_tls=build_plain_on_tls,
        )
        self._listener = Listener(hub, listening, self._reception.receive, counters)
        self.update(binding, terminator=terminator, timeouts=timeouts)

    def __repr__(self) -> str:
        return f"<BindingListener {self.binding.name} [{len(self._reception.arrivals)} connections]>"

    @property
    def listening(self) -> ListeningSocket:
        """
        The socket.
        """
        return self._listener.listening

    @property
    def accepting(self) -> bool:
        """
        Are new clients taken?
        """
        return self._listener.accepting

    @property
    def connections(self) -> int:
        """
        How many clients are connected.
        """
        return len(self._reception.arrivals)

    def protocols(self) -> Iterator[IProtocol]:
        """
        The protocol of each client that has one, as they are now: to tell them to drain.  Those still in their
        handshake have none yet.
        """
        for arrival in tuple(self._reception.arrivals):
            protocol = arrival.protocol
            if protocol is not None:
                yield protocol

    def start(self) -> None:
        """
        Take clients.
        """
        self._listener.start()

    def update(
        self, binding: Binding, *, terminator: Terminator | None = None, timeouts: Timeouts | None = None
    ) -> None:
        """
        Receive new clients differently from now on; the socket and who is connected are not touched.

        @param binding: of the same scheme as before; its endpoint is not looked at.

        @raise ValueError: an https binding without a terminator, or an http binding with one.
        """
        if (binding.scheme is Scheme.HTTPS) != (terminator is not None):
            raise ValueError(f"binding {binding.name}: a terminator belongs to https bindings, and to all of them")
        reception = self._reception
        if binding.name != reception.name:
            raise ValueError(f"binding {reception.name} cannot become {binding.name}: its clients are counted by name")
        self.binding = binding
        reception.terminator = terminator
        reception.proxy_networks = binding.proxy_protocol
        if timeouts is not None:
            reception.handshake_timeout = timeouts.handshake

    def stop_accepting(self) -> None:
        """
        Take no more clients; those connected stay, and the socket listens on for other processes.
        """
        self._listener.stop_accepting()

    def drop_newcomers(self) -> None:
        """
        Close connections that have no channel yet: a drain does not wait for handshakes.
        """
        for arrival in tuple(self._reception.arrivals):
            if arrival.protocol is None:
                arrival.abort()

    def prepare_to_leave(self) -> None:
        """
        Take clients until C{leave}, or until the process that bound the socket closes it.
        """
        self._listener.leaving = True

    def leave(self) -> None:
        """
        Let in who waits already, then take no more clients and close the socket; those connected stay.
        """
        self._listener.leave()

    def close(self) -> None:
        """
        Take no more clients and close the socket; those connected stay.
        """
        self._listener.close()

    def abort(self) -> None:
        """
        Close the socket and every connection at once.
        """
        self.close()
        for arrival in tuple(self._reception.arrivals):
            arrival.abort()
