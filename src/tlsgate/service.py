"""
The service that C{twistd tlsgate} runs: store, data plane, changes, admin, in the order in which they need each other.

Ports are bound in C{privilegedStartService}, before C{--uid} drops privileges; everything else starts once the reactor runs.
"""

from __future__ import annotations

import gc
import os
import resource
import secrets
import signal
import socket
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from twisted.application.service import IService, Service
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.failure import Failure

from .admin import Admin, listen_on_socket, listen_with_tls, make_admin
from .certificates import LocalAuthority
from .changes import Changes, Probe, first_generation
from .counters import Counters
from .demo import listen_with_demo
from .downstream import AccessLog
from .gate import Gate
from .interfaces import ApplyFailed
from .listeners import EndpointAddress, ListeningSocket, address_of, open_listening_socket
from .problems import Problem
from .settings import FileStore, GateOptions, validate_document
from .transport import make_hub

__all__ = ["GateService", "make_service"]

#: Seconds between looks at what only time changes: HSTS ramps, expiring certificates.
TICK = 60.0

_log = Logger()


class GateService(Service):
    """
    A gate in one process: C{--workers 0}.
    """

    def __init__(self, options: GateOptions, reactor: Any) -> None:
        self._options = options
        self._reactor = reactor
        self._store = FileStore(options.state)
        self._sockets: dict[EndpointAddress, ListeningSocket] = {}
        self._ports: list[IListeningPort] = []
        self._hub: Any = None
        self._gate: Gate | None = None
        self._changes: Changes | None = None
        self._admin: Admin | None = None
        self._access_log: AccessLog | None = None
        self._ready = False
        self._stopping = False
        self._tick_call: Any = None

    # Start.

    def privilegedStartService(self) -> None:
        """
        Bind the ports, with the rights that the process has now.
        """
        try:
            endpoints = self._wanted_endpoints()
            for name, description in endpoints:
                self._bind(name, description)
        except ApplyFailed as failed:
            _end_before_start(1, str(failed))
        except Problem as problem:
            _end_before_start(2 if problem.code == "invalid-settings" else 1, _one_line(problem))

    def _wanted_endpoints(self) -> list[tuple[str, str]]:
        document = self._options.first_document()
        if (self._options.state / "generations").exists():
            current = self._store.current()
            if current is not None:
                document = dict(current.document)
        settings = validate_document(self._options.pins.apply(document))
        return [(binding.name, binding.endpoint.description) for binding in settings.bindings]

    def _bind(self, name: str, description: str) -> None:
        bound: list[ListeningSocket] = []
        failed: list[Failure] = []
        waiting = Deferred.fromCoroutine(open_listening_socket(self._reactor, description, name))
        waiting.addCallbacks(bound.append, failed.append)
        if failed:
            failed[0].raiseException()
        for listening in bound:
            self._sockets[address_of(description)] = listening

    def startService(self) -> None:
        """
        Begin to serve, once the reactor runs.
        """
        super().startService()  # type: ignore[no-untyped-call]  # Twisted has no types here
        self._reactor.callWhenRunning(self._begin)

    def _begin(self) -> None:
        starting = Deferred.fromCoroutine(self._start())
        starting.addErrback(self._start_failed)

    def _start_failed(self, failure: Failure) -> None:
        error = failure.value
        if isinstance(error, Problem):
            sentence, status = _one_line(error), 2 if error.code == "invalid-settings" else 1
        elif isinstance(error, (ApplyFailed, OSError, CannotListenError)):
            sentence, status = str(error), 1
        else:
            _log.failure("The gate could not start", failure)
            sentence, status = f"The gate could not start: {error}", 1
        self._end_process(status, sentence)

    def _end_process(self, status: int, sentence: str) -> None:
        print(f"tlsgate: {sentence}", file=sys.stderr, flush=True)  # noqa: T201 - what twistd's caller reads
        # twistd itself ends with 0 when its reactor stops in order.
        self._reactor.addSystemEventTrigger("after", "shutdown", os._exit, status)
        self._reactor.stop()

    async def _start(self) -> None:
        options = self._options
        reactor = self._reactor
        _raise_descriptor_limit()
        await self._in_thread(self._store.open)
        self._ports.append(listen_with_demo(reactor, options.state / "demo.sock"))
        self._hub = make_hub(reactor)
        self._hub.start()
        counters = Counters()
        self._access_log = AccessLog(_log_destination(options.access_log), options.access_log_format, reactor, counters)
        self._gate = gate = Gate(
            self._hub,
            access_log=self._access_log,
            counters=counters,
            identity=f"tlsgate-{secrets.token_hex(4)}",
            demo_path=str(options.state / "demo.sock"),
            inherited=self._sockets,
        )
        self._changes = changes = Changes(
            store=self._store,
            pins=options.pins,
            data_plane=gate,
            clock=reactor,
            first=lambda now: first_generation(options.first_document(), now, _machine_names()),
            probe=Probe(gate.ports, self._in_thread),
            in_thread=self._in_thread,
        )
        await changes.start()
        self._admin = make_admin(
            reactor=reactor,
            changes=changes,
            store=self._store,
            data_plane=gate,
            state=options.state,
            ready=lambda: self._ready,
            wall=time.time,
            base=self._admin_url,
        )
        await self._listen_for_admin(self._admin)
        self._catch_signals()
        self._tick_call = reactor.callLater(TICK, self._tick)
        # What start-up made lives as long as the process: no collection needs to look at it again.
        gc.collect()
        gc.freeze()
        self._ready = True
        self._say_ready(self._admin.setup_secret)

    async def _listen_for_admin(self, admin: Admin) -> None:
        options = self._options
        self._ports.append(listen_on_socket(self._reactor, options.state, admin.site))
        authority = await self._in_thread(LocalAuthority.load_or_create, options.state)
        if options.admin_endpoint is not None:
            self._ports.append(await listen_with_tls(self._reactor, options.admin_endpoint, admin.site, authority))

    def _admin_url(self) -> str:
        for port in self._ports:
            host: Any = port.getHost()
            number = getattr(host, "port", 0)
            if number:
                return f"https://{'127.0.0.1' if host.host in ('0.0.0.0', '::') else host.host}:{number}"  # noqa: S104 - read, not bound
        return "https://127.0.0.1:8444"

    def _say_ready(self, setup_secret: str | None) -> None:
        assert self._changes is not None
        assert self._gate is not None
        ports = self._gate.ports()
        served = ", ".join(
            f"{binding.name} {binding.scheme.value} {binding.endpoint}"
            + (f" (port {ports[binding.name]})" if binding.endpoint.startswith("tcp:0") else "")
            for binding in self._changes.snapshot.bindings
        )
        _log.info(
            "tlsgate is ready: {served}; admin {admin}; generation {generation}; workers {workers}",
            served=served,
            admin=self._admin_url(),
            generation=self._gate.generation,
            workers=0,
        )
        if setup_secret is not None:
            _log.info(
                "The set-up token makes the first administrator's token, within an hour: {token} (also in {path})",
                token=setup_secret,
                path=str(self._options.state / "setup-token"),
            )

    # While it runs.

    def _tick(self) -> None:
        self._tick_call = self._reactor.callLater(TICK, self._tick)
        assert self._changes is not None
        self._background(self._changes.tick(), "what only time changes")

    def _background(self, coroutine: Coroutine[Any, Any, Any], what: str) -> None:
        running = Deferred.fromCoroutine(coroutine)
        running.addErrback(lambda failure: _log.failure("{what} failed", failure, what=what))

    def _in_thread(self, call: Callable[..., Any], *arguments: Any, **named: Any) -> Deferred[Any]:
        running: Deferred[Any] = deferToThreadPool(
            self._reactor, self._reactor.getThreadPool(), call, *arguments, **named
        )
        return running

    def _catch_signals(self) -> None:
        reactor = self._reactor
        signal.signal(signal.SIGUSR1, lambda *_: reactor.callFromThread(self._reopen_logs))

    def _reopen_logs(self) -> None:
        if self._access_log is not None:
            self._access_log.reopen()
        _log.info("The access log was opened again")

    # Stop.

    def stopService(self) -> Deferred[None]:
        """
        Stop accepting, let running exchanges end, keep everything.
        """
        super().stopService()  # type: ignore[no-untyped-call]  # likewise
        self._ready = False
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        if self._tick_call is not None and self._tick_call.active():
            self._tick_call.cancel()
        for port in self._ports:
            port.stopListening()
        if self._gate is not None and self._changes is not None and self._gate.generation:
            again = signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
            await self._gate.drain(self._changes.snapshot.timeouts.drain)
            signal.signal(signal.SIGTERM, again)
            self._gate.close()
        if self._changes is not None:
            await self._changes.stop()
        if self._admin is not None:
            self._admin.stop()
        if self._access_log is not None:
            self._access_log.close()
        if self._hub is not None:
            self._hub.stop()
        self._store.close()


def make_service(options: GateOptions) -> IService:
    """
    The service for C{twistd}.
    """
    from twisted.internet import reactor

    return GateService(options, reactor)


def _one_line(problem: Problem) -> str:
    errors = "; ".join(f"{error.pointer}: {error.message}" for error in problem.errors)
    return f"{problem.detail} {errors}".strip()


def _end_before_start(status: int, sentence: str) -> None:
    print(f"tlsgate: {sentence}", file=sys.stderr, flush=True)  # noqa: T201 - what twistd's caller reads
    raise SystemExit(status)


def _machine_names() -> list[str]:
    name = socket.gethostname()
    return [name] if name else []


def _log_destination(text: str) -> Path | int | None:
    if text == "none":
        return None
    return sys.__stdout__.fileno() if text == "-" and sys.__stdout__ is not None else Path(text)


def _raise_descriptor_limit() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (ValueError, OSError):
        _log.warn("The limit of open files could not be raised")
