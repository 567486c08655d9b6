"""
The data plane of one process: a snapshot in, running services out.

C{prepare} builds everything that a snapshot needs beside what is served now: sockets bound, certificate selectors
made, upstream pools planned.  C{commit} swaps it in by assignments and only then lets go of what is no longer
needed.  What did not change is not touched: a listener keeps its socket, a pool its connections, a tunnel its
generation.
"""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from typing import Any

import attrs
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from zope.interface import implementer

from .counters import Counters
from .downstream import AccessLog, ChannelSource, Plane, Routes
from .interfaces import ApplyFailed, IDataPlane, IPreparedSnapshot, WorkerReport
from .listeners import Admission, BindingListener, EndpointAddress, ListeningSocket, address_of, open_in_place_of
from .policy import LoopDetector
from .sites import Binding, Scheme, Server, ServerCertificate, Snapshot
from .tls import CertificateRefused, CertificateSelector, Terminator
from .upstream import GroupsPlan, UpstreamGroups

__all__ = ["Gate", "OpenSocket"]

#: Seconds that a drain leaves a new client for its handshake: it was accepted, and nobody else will take it.
NEWCOMER_GRACE = 3.0

#: Seconds for which news of connections are collected before other processes are told.
TELL_AFTER = 0.01

_log = Logger()

#: Has a socket from an endpoint description, a binding's name, and the sockets that will be closed once it is served.
OpenSocket = Callable[[str, str, Iterable[ListeningSocket]], Awaitable[ListeningSocket]]


class _Open:
    """
    A binding that is served: its socket, its listener, and what its connections share.
    """

    def __init__(self, listener: BindingListener, source: ChannelSource, terminator: Terminator | None) -> None:
        self.listener = listener
        self.source = source
        self.terminator = terminator


@implementer(IDataPlane)
class Gate:
    """
    Serves snapshots in this process.

    @ivar generation: of the snapshot that is served; 0 before the first.
    @ivar counters: of this process.
    """

    def __init__(
        self,
        hub: Any,
        *,
        access_log: AccessLog,
        counters: Counters,
        identity: str,
        salt: bytes = b"",
        loops: LoopDetector | None = None,
        demo_path: str = "",
        inherited: Mapping[EndpointAddress, ListeningSocket] | None = None,
        open_socket: OpenSocket | None = None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """
        @param identity: this gate's name in C{Via}; the same for all its processes.
        @param salt: of fingerprints of credentials; likewise.  Empty for one of its own.
        @param loops: finds redirect loops; C{None} for one that knows this process only.
        @param demo_path: the UNIX socket of the demo application, for C{demo:} upstreams.
        @param inherited: sockets that were bound before, by address; taken where a binding wants one.
        @param open_socket: C{None} to bind here.
        """
        self.generation = 0
        self.counters = counters
        self._hub = hub
        self._wall_clock = wall_clock
        self._demo_path = demo_path
        self._inherited = dict(inherited or {})
        self._open_socket = open_socket or self._bind
        self._binds = open_socket is None
        self._groups = UpstreamGroups(hub, counters)
        self._admission = Admission()
        self._open: dict[str, _Open] = {}
        self._closing: list[BindingListener] = []
        self._leaving: list[BindingListener] = []
        self._challenges: tuple[Mapping[bytes, bytes], Mapping[str, ServerCertificate]] = ({}, {})
        self.plane = Plane(
            hub,
            counters=counters,
            access_log=access_log,
            routes=Routes((), {}, https_port=0, now=wall_clock()),
            wall_clock=wall_clock,
            identity=identity,
            salt=salt,
            loops=loops,
        )

    def __repr__(self) -> str:
        return f"<Gate serving generation {self.generation} on {', '.join(self._open) or 'nothing'}>"

    # IDataPlane

    async def prepare(self, snapshot: Snapshot) -> IPreparedSnapshot:
        """
        As L{IDataPlane.prepare}.
        """
        prepared = _Prepared(self, snapshot)
        try:
            await prepared.build()
        except BaseException:
            await prepared.abort()
            raise
        return prepared

    async def report(self) -> tuple[WorkerReport, ...]:
        """
        As L{IDataPlane.report}.
        """
        self._groups.gauge()
        return (
            WorkerReport(
                pid=os.getpid(),
                generation=self.generation,
                counters=self.counters,
                memory=_resident_bytes(),
                plain_http=self.plane.plain_http(),
                upstreams={group.settings.name: group.states() for group in self._groups},
            ),
        )

    async def publish_challenges(
        self, http_01: Mapping[bytes, bytes], tls_alpn_01: Mapping[str, ServerCertificate]
    ) -> None:
        """
        As L{IDataPlane.publish_challenges}.
        """
        self._challenges = http_01, tls_alpn_01
        self.plane.challenges = http_01
        for served in self._open.values():
            if served.terminator is not None:
                served.terminator.challenges = tls_alpn_01

    def challenges(self) -> Mapping[bytes, bytes]:
        """
        As L{IDataPlane.challenges}.
        """
        return self._challenges[0]

    def ports(self) -> Mapping[str, int]:
        """
        As L{IDataPlane.ports}.
        """
        return {name: served.listener.listening.port for name, served in self._open.items()}

    async def drain(self, timeout: float) -> None:
        """
        As L{IDataPlane.drain}.
        """
        self.plane.draining = True
        listeners = [*self._closing, *self._leaving, *(served.listener for served in self._open.values())]
        for listener in listeners:
            listener.stop_accepting()
        for listener in listeners:
            for protocol in listener.protocols():
                protocol.drain()  # type: ignore[attr-defined]  # they are all channels
        now = self._hub.reactor.seconds
        begin = now()
        while any(listener.connections for listener in listeners) and now() - begin < timeout:
            await _pause(self._hub.reactor, 0.05)
            if now() - begin > NEWCOMER_GRACE:
                for listener in listeners:
                    listener.drop_newcomers()
        for listener in listeners:
            listener.abort()

    # What several processes have in common.

    def share(self, tell: Callable[[str, object], None]) -> None:
        """
        Count and check together with other processes; before the first snapshot.

        @param tell: hears what they must know: C{connected} with what L{Admission.news} says, and C{server} with an
            upstream, a server, and whether it is up.
        """

        def tell_connected() -> None:
            tell("connected", self._admission.news())

        self._admission.share(lambda: self._hub.reactor.callLater(TELL_AFTER, tell_connected))
        self._groups.share(lambda *server: tell("server", server))

    def hear_connected(self, total: int, by_address: Mapping[str, int]) -> None:
        """
        Clients that are connected to other processes: in all, and by address where that changed.
        """
        self._admission.hear(total, by_address)

    def hear_server(self, upstream: str, url: str, up: bool) -> None:
        """
        Another process has ejected or restored a server.
        """
        self._groups.hear(upstream, url, up=up)

    def check_servers(self, checks: bool) -> None:
        """
        Be the process that makes the active checks, or be it no more.
        """
        self._groups.check(checks)

    # What _Prepared needs.

    def socket_for(self, binding: Binding) -> ListeningSocket | None:
        """
        The socket that a binding can have without opening one: its own, another's on the same address, or an inherited one.
        """
        address = address_of(binding.endpoint)
        own = self._open.get(binding.name)
        if own is not None and address_of(own.listener.binding.endpoint) == address:
            return own.listener.listening
        if address.kind == "tcp" and address.port == 0:
            # The system chooses: another's is another port.
            return self._inherited.pop(address, None)
        for served in self._open.values():
            if address_of(served.listener.binding.endpoint) == address:
                return served.listener.listening
        return self._inherited.get(address)

    async def open_socket(self, binding: Binding, kept: Collection[ListeningSocket]) -> ListeningSocket:
        """
        Bind a socket for a binding.

        @param kept: those that serve on.

        @raise ApplyFailed: it cannot be had.
        """
        leaving = [served.listener.listening for served in self._open.values() if served.listener.listening not in kept]
        return await self._open_socket(binding.endpoint, binding.name, leaving)

    async def _bind(self, description: str, name: str, leaving: Iterable[ListeningSocket]) -> ListeningSocket:
        return await open_in_place_of(self._hub.reactor, description, name, leaving)

    def selector_for(self, binding: Binding, snapshot: Snapshot) -> CertificateSelector:
        """
        Chooses the certificates of an https binding.
        """
        served = self._open.get(binding.name)
        old = served.terminator.selector if served is not None and served.terminator is not None else None
        return CertificateSelector(
            snapshot.certificates,
            default=binding.default_certificate,
            profile=binding.tls_profile,
            strict=binding.strict_sni,
            clock=self._wall_clock,
            replacing=old,
        )

    def plan_upstreams(self, snapshot: Snapshot) -> GroupsPlan:
        """
        The groups and pools of a snapshot.

        @raise ApplyFailed: TLS material of one cannot be used.
        """
        upstreams = [
            attrs.evolve(upstream, servers=tuple(self._reachable(server) for server in upstream.servers))
            for upstream in snapshot.upstreams
        ]
        return self._groups.plan(upstreams, snapshot.timeouts, snapshot.limits)

    def _reachable(self, server: Server) -> Server:
        if server.scheme == "demo":
            return attrs.evolve(server, scheme="http+unix", path=self._demo_path)
        return server

    def swap(self, prepared: _Prepared) -> None:
        """
        Serve what was prepared.  Assignments first, so that no request sees half of it; ends come last.
        """
        snapshot = prepared.snapshot
        old = self._open
        now: dict[str, _Open] = {}
        kept: set[int] = set()
        for binding in snapshot.bindings:
            listening = prepared.sockets[binding.name]
            kept.add(id(listening))
            now[binding.name] = self._serve(binding, listening, prepared, old.get(binding.name))
        self._open = now
        ports = {name: served.listener.listening.port for name, served in now.items()}
        groups = self._groups.apply(prepared.upstreams)
        self._admission.set_limits(snapshot.limits)
        self.plane.set_limits(snapshot.timeouts, snapshot.limits)
        for binding in snapshot.bindings:
            now[binding.name].source.port = binding.public_port or ports[binding.name]
        self.plane.routes = Routes.of(snapshot, groups, ports, self._wall_clock())
        self.generation = snapshot.generation
        for served in now.values():
            if not served.listener.accepting:
                served.listener.start()
        for name, served in old.items():
            if now.get(name) is not served:
                self._end(served.listener, keep_socket=id(served.listener.listening) in kept)
        if self._binds:
            self.release()
        self._inherited = {
            address: listening for address, listening in self._inherited.items() if id(listening) not in kept
        }

    def _serve(self, binding: Binding, listening: ListeningSocket, prepared: _Prepared, old: _Open | None) -> _Open:
        secure = binding.scheme is Scheme.HTTPS
        terminator = old.terminator if old is not None else None
        if secure:
            selector = prepared.selectors[binding.name]
            if terminator is None or terminator.profile != binding.tls_profile:
                terminator = Terminator(selector, profile=binding.tls_profile)
                terminator.challenges = self._challenges[1]
            else:
                terminator.selector = selector
        else:
            terminator = None
        timeouts = prepared.snapshot.timeouts
        if old is not None and old.listener.listening is listening and old.source.secure == secure:
            old.listener.update(binding, terminator=terminator, timeouts=timeouts)
            old.terminator = terminator
            old.source.strict = binding.strict_sni
            return old
        source = ChannelSource(self.plane, binding.name, secure=secure, port=0, strict=binding.strict_sni)
        listener = BindingListener(
            self._hub,
            listening,
            binding,
            build_channel=source.channel,
            build_plain_on_tls=source.plain_on_tls if secure else None,
            terminator=terminator,
            admission=self._admission,
            counters=self.counters,
            timeouts=timeouts,
        )
        return _Open(listener, source, terminator)

    def _end(self, listener: BindingListener, *, keep_socket: bool) -> None:
        # The binding is gone; whoever is connected through it goes on until the end of the connection.
        if not keep_socket:
            listener.prepare_to_leave()
            self._leaving.append(listener)
            return
        listener.stop_accepting()
        self._keep_until_closed(listener)

    def release(self) -> None:
        """
        Let go of the sockets that are not served any more.  Until whoever bound them has closed his own, clients come to
        them; so it is he who says when.
        """
        leaving, self._leaving = self._leaving, []
        for listener in leaving:
            listener.leave()
            self._keep_until_closed(listener)

    def _keep_until_closed(self, listener: BindingListener) -> None:
        self._closing = [closing for closing in self._closing if closing.connections]
        if listener.connections:
            self._closing.append(listener)

    def close(self) -> None:
        """
        Close every socket and connection; for the end of the process.
        """
        for served in self._open.values():
            served.listener.close()
            served.listener.abort()
        for listener in (*self._closing, *self._leaving):
            listener.abort()
        for listening in self._inherited.values():
            listening.close()
        self._groups.close()
        self.plane.stop()


@implementer(IPreparedSnapshot)
class _Prepared:
    """
    A snapshot that is built but not served.
    """

    def __init__(self, gate: Gate, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.sockets: dict[str, ListeningSocket] = {}
        self.selectors: dict[str, CertificateSelector] = {}
        self.upstreams: GroupsPlan
        self._gate = gate
        self._opened: list[ListeningSocket] = []

    async def build(self) -> None:
        gate = self._gate
        snapshot = self.snapshot
        self.upstreams = gate.plan_upstreams(snapshot)
        for binding in snapshot.bindings:
            if binding.scheme is Scheme.HTTPS:
                self.selectors[binding.name] = selector = gate.selector_for(binding, snapshot)
                self._check_default(binding, selector)
        for binding in snapshot.bindings:
            listening = gate.socket_for(binding)
            if listening is not None:
                self.sockets[binding.name] = listening
        kept = tuple(self.sockets.values())
        for binding in snapshot.bindings:
            if binding.name not in self.sockets:
                listening = await gate.open_socket(binding, kept)
                self._opened.append(listening)
                self.sockets[binding.name] = listening

    @staticmethod
    def _check_default(binding: Binding, selector: CertificateSelector) -> None:
        # Contexts are made lazily; that of the default is made now, so that a certificate that OpenSSL refuses is
        # refused here and not in a handshake.
        try:
            selector.select_default()
        except CertificateRefused as error:
            raise ApplyFailed("invalid-settings", f"binding {binding.name}", str(error)) from None

    async def commit(self) -> None:
        """
        As L{IPreparedSnapshot.commit}.
        """
        try:
            for listening in self._opened:
                listening.listen()
        except ApplyFailed:
            await self.abort()
            raise
        self._opened = []
        self._gate.swap(self)

    async def abort(self) -> None:
        """
        As L{IPreparedSnapshot.abort}.
        """
        opened, self._opened = self._opened, []
        for listening in opened:
            listening.close()


def _pause(reactor: Any, seconds: float) -> Deferred[None]:
    done: Deferred[None] = Deferred()
    reactor.callLater(seconds, done.callback, None)
    return done


def _resident_bytes() -> int:
    try:
        with open("/proc/self/statm", "rb") as statm:  # noqa: PTH123 - a Path would cost more than the read
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0
