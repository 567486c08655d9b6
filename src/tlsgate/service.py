"""
The service that C{twistd tlsgate} runs: store, data plane, changes, admin, in the order in which they need each other.

Ports are bound in C{privilegedStartService}, before C{--uid} drops privileges; everything else starts once the reactor
runs.  Whether a gate in this process serves or workers do is one line; nothing else knows.
"""

from __future__ import annotations

import os
import secrets
import signal
import socket
import time
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from twisted.application.service import IService, Service
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.components import Componentized
from twisted.python.failure import Failure

from .acme import Acme, make_acme
from .admin import (
    Admin,
    AdminTLS,
    Events,
    acme_operations,
    admin_names,
    listen_on_socket,
    listen_with_tls,
    make_admin,
)
from .alerts import Alerts, make_alerts
from .application_log import ApplicationLog
from .certificates import LocalAuthority
from .changes import Changes, Probe, first_generation
from .demo import listen_with_demo
from .interfaces import ApplyFailed
from .listeners import ListeningSocket
from .problems import Finding, Problem
from .settings import FileStore, GateOptions, OptionRefused
from .startup import (
    bind_first,
    end_before_start,
    end_within,
    first_settings,
    log_destination,
    machine_names,
    one_line,
    say,
)
from .transport import count_steadily
from .watching import Watching, make_watching
from .workers import (
    LocalPlane,
    ServiceManager,
    Setup,
    Supervisor,
    core_count,
    forbid_core_dumps,
    give_back_memory,
    raise_descriptor_limit,
)

__all__ = ["GateService", "make_service"]

#: Seconds between looks at what only time changes: HSTS ramps, expiring certificates.
TICK = 60.0

#: Seconds that threads have to end after everything else has.
THREADS_GRACE = 3.0

_log = Logger()


class GateService(Service):
    """
    A gate: everything that one C{twistd tlsgate} is.
    """

    def __init__(
        self, options: GateOptions, reactor: Any, log: ApplicationLog, owner: tuple[int, int] | None = None
    ) -> None:
        """
        @param log: what twistd logs through.
        @param owner: the user and group that the process becomes after C{privilegedStartService}, if it does.
        """
        self._options = options
        self._reactor = reactor
        self._log = log
        self._log_level = "info"
        self._owner = owner
        self._workers = core_count() if options.workers is None else options.workers
        self._manager = ServiceManager.from_environment(os.environ, os.getpid())
        self._store = FileStore(options.state)
        self._sockets: list[ListeningSocket] = []
        self._ports: list[IListeningPort] = []
        self._plane: LocalPlane | Supervisor | None = None
        self._changes: Changes | None = None
        self._events = Events()
        self._watching: Watching | None = None
        self._alerts: Alerts | None = None
        self._acme: Acme | None = None
        self._admin: Admin | None = None
        self._admin_tls: AdminTLS | None = None
        self._ready = False
        self._tick_call: Any = None

    # Start.

    def setServiceParent(self, parent: Any) -> None:
        """
        Become what twistd runs, and what it logs through.
        """
        super().setServiceParent(parent)  # type: ignore[no-untyped-call]  # Twisted has no types here
        if isinstance(parent, Componentized):
            self._log.attach(parent)

    def privilegedStartService(self) -> None:
        """
        Bind the ports, with the rights that the process has now.
        """
        # From here on there may be keys in memory.
        forbid_core_dumps()
        raise_descriptor_limit()
        try:
            settings = first_settings(self._options, self._store)
            self._log.configure(settings.log.level, settings.log.format)
            self._log_level = settings.log.level
            self._sockets = bind_first(settings, self._options.state, self._reactor, self._owner)
        except (ApplyFailed, OSError) as failed:
            end_before_start(1, str(failed))
        except Problem as problem:
            end_before_start(2 if problem.code == "invalid-settings" else 1, one_line(problem))

    def startService(self) -> None:
        """
        Begin to serve, once the reactor runs.
        """
        super().startService()  # type: ignore[no-untyped-call]  # Twisted has no types here
        self._reactor.callWhenRunning(self._begin)

    def _begin(self) -> None:
        self._catch_signals()
        starting = Deferred.fromCoroutine(self._start())
        starting.addErrback(self._start_failed)

    def _start_failed(self, failure: Failure) -> None:
        error = failure.value
        if isinstance(error, Problem):
            sentence, status = one_line(error), 2 if error.code == "invalid-settings" else 1
        elif isinstance(error, (ApplyFailed, OSError, CannotListenError)):
            sentence, status = str(error), 1
        else:
            _log.failure("The gate could not start", failure)
            sentence, status = f"The gate could not start: {error}", 1
        self._end_process(status, sentence)

    def _end_process(self, status: int, sentence: str) -> None:
        say(sentence)
        # twistd itself ends with 0 when its reactor stops in order.
        self._reactor.addSystemEventTrigger("after", "shutdown", os._exit, status)
        self._reactor.stop()

    async def _start(self) -> None:
        # The processes start while this one reads what they will serve.
        self._plane = plane = self._make_plane()
        plane.set_log_level(self._log_level)
        plane.start()
        await self._in_thread(self._store.open)
        self._ports.append(listen_with_demo(self._reactor, self._options.state / "demo.sock"))
        self._watching = watching = self._make_watching(plane)
        self._changes = changes = self._make_changes(plane, watching)
        await changes.start()
        self._follow_log_settings()
        changes.subscribe(lambda _: self._follow_log_settings())
        self._acme = acme = make_acme(
            reactor=self._reactor,
            changes=changes,
            data_plane=plane,
            state=self._options.state,
            publish=self._events.publish,
        )
        await acme.start()
        self._admin = self._make_admin(plane, changes, watching, acme)
        await self._listen_for_admin(self._admin)
        self._manager.start(self._reactor)
        self._tick_call = self._reactor.callLater(TICK, self._tick)
        plane.freeze()
        self._ready = True
        watching.start(changes)
        self._alerts = make_alerts(
            self._reactor,
            state=self._options.state,
            gate=socket.gethostname(),
            findings=lambda: (*watching.findings(), *acme.findings()),
            wall=time.time,
        )
        self._alerts.start(changes, self._reactor)
        self._say_ready(self._admin.setup_secret)

    def _follow_log_settings(self) -> None:
        assert self._changes is not None
        assert self._plane is not None
        wanted = self._changes.effective.log
        self._log.configure(wanted.level, wanted.format)
        self._plane.set_log_level(wanted.level)

    def _alert_findings(self) -> Iterable[Finding]:
        return () if self._alerts is None else self._alerts.findings()

    def _make_plane(self) -> LocalPlane | Supervisor:
        options = self._options
        setup = Setup(
            identity=f"tlsgate-{secrets.token_hex(4)}",
            demo_path=str(options.state / "demo.sock"),
            access_log=log_destination(options.access_log),
            access_log_format=options.access_log_format,
        )
        if self._workers == 0:
            return LocalPlane(self._reactor, setup, self._sockets)
        return Supervisor(self._reactor, setup, self._sockets, workers=self._workers)

    def _make_watching(self, plane: LocalPlane | Supervisor) -> Watching:
        return make_watching(
            self._reactor,
            state=self._options.state,
            publish=self._events.publish,
            ports=plane.ports,
            wall=time.time,
            in_thread=self._in_thread,
        )

    def _make_changes(self, plane: LocalPlane | Supervisor, watching: Watching) -> Changes:
        options = self._options
        return Changes(
            store=self._store,
            pins=options.pins,
            data_plane=plane,
            clock=self._reactor,
            first=lambda now: first_generation(options.first_document(), now, machine_names()),
            probe=Probe(plane.ports, self._in_thread),
            renewal_failing=lambda: () if self._acme is None else self._acme.failing_renewals(),
            in_thread=self._in_thread,
            files=watching.files,
        )

    def _make_admin(self, plane: LocalPlane | Supervisor, changes: Changes, watching: Watching, acme: Acme) -> Admin:
        return make_admin(
            reactor=self._reactor,
            changes=changes,
            store=self._store,
            data_plane=plane,
            state=self._options.state,
            ready=lambda: self._ready,
            wall=time.time,
            base=self._admin_url,
            names=admin_names(),
            standing=lambda: (
                *(*plane.findings(), *watching.findings(), *self._alert_findings(), *acme.findings()),
                *(() if self._admin_tls is None else self._admin_tls.findings()),
            ),
            orders=acme.results,
            renewals=acme.failures,
            served=watching.served.not_after,
            broken_files=lambda: tuple(watching.files.broken),
            more_operations=(acme_operations(acme),),
            events=self._events,
        )

    async def _listen_for_admin(self, admin: Admin) -> None:
        options = self._options
        self._ports.append(listen_on_socket(self._reactor, options.state, admin.site))
        authority = await self._in_thread(LocalAuthority.load_or_create, options.state)
        if options.admin_endpoint is None:
            return
        changes = admin.control.changes
        self._admin_tls = tls = AdminTLS(authority, lambda: changes.effective.admin, wall=time.time)
        changes.subscribe(lambda event: tls.refresh())
        self._ports.append(await listen_with_tls(self._reactor, options.admin_endpoint, admin.site, tls))

    def _admin_url(self) -> str:
        for port in self._ports:
            host: Any = port.getHost()
            number = getattr(host, "port", 0)
            if number:
                return f"https://{'127.0.0.1' if host.host in ('0.0.0.0', '::') else host.host}:{number}"  # noqa: S104 - read, not bound
        return "https://127.0.0.1:8444"

    def _say_ready(self, setup_secret: str | None) -> None:
        assert self._changes is not None
        assert self._plane is not None
        ports = self._plane.ports()
        served = ", ".join(
            f"{binding.name} {binding.scheme.value} {binding.endpoint}"
            + (f" (port {ports[binding.name]})" if binding.endpoint.startswith("tcp:0") else "")
            for binding in self._changes.snapshot.bindings
        )
        _log.info(
            "tlsgate is ready: {served}; admin {admin}; generation {generation}; workers {workers}",
            served=served,
            admin=self._admin_url(),
            generation=self._plane.generation,
            workers=self._workers,
        )
        if setup_secret is not None:
            _log.info(
                "The set-up token makes the first administrator's token, within an hour: {token} (also in {path})",
                token=setup_secret,
                path=str(self._options.state / "setup-token"),
            )
        self._manager.ready(self._status())

    def _status(self) -> str:
        assert self._plane is not None
        return f"serving generation {self._plane.generation} with {self._workers or 'no'} workers"

    # While it runs.

    def _tick(self) -> None:
        self._tick_call = self._reactor.callLater(TICK, self._tick)
        assert self._changes is not None
        self._background(self._changes.tick(), "what only time changes")
        self._refresh_admin()
        self._manager.status(self._status())
        # What the changes of the last minute have left.
        give_back_memory()

    def _refresh_admin(self) -> None:
        if self._admin_tls is not None:
            self._admin_tls.refresh()

    def _background(self, coroutine: Coroutine[Any, Any, Any], what: str) -> None:
        running = Deferred.fromCoroutine(coroutine)
        running.addErrback(lambda failure: _log.failure("{what} failed", failure, what=what))

    def _in_thread(self, call: Callable[..., Any], *arguments: Any, **named: Any) -> Deferred[Any]:
        running: Deferred[Any] = deferToThreadPool(
            self._reactor, self._reactor.getThreadPool(), call, *arguments, **named
        )
        return running

    def _catch_signals(self) -> None:
        for number, act in (
            # The reactor's own would let twistd end by the signal; an end in order is exit status 0.
            (signal.SIGTERM, self._reactor.stop),
            (signal.SIGINT, self._reactor.stop),
            (signal.SIGUSR1, self._reopen_logs),
            (signal.SIGHUP, self._reload),
        ):
            signal.signal(number, lambda *_, act=act: self._reactor.callFromThread(act))

    def _reopen_logs(self) -> None:
        if self._plane is not None:
            self._plane.reopen_logs()
        try:
            self._log.reopen()
        except OSError as reason:
            _log.error("The log cannot be opened again and goes on to where it went: {reason}", reason=reason)
        _log.info("The logs were opened again")

    def _reload(self) -> None:
        if not self._ready:
            return  # what there is to read is being read
        self._background(self._read_again(), "reading the settings again")

    async def _read_again(self) -> None:
        """
        What SIGHUP asks for: C{--config} as it is now, over the generation that is current.
        """
        assert self._changes is not None
        assert self._admin is not None
        last_change = self._admin.control.last_change
        self._manager.reloading()
        try:
            options = await self._in_thread(self._options.reloaded)
            await self._changes.reload(options.pins)
        except (OptionRefused, Problem) as refused:
            last_change.successful = False
            reason = one_line(refused) if isinstance(refused, Problem) else str(refused)
            _log.error("The settings were read again and cannot be served: {reason}", reason=reason)
        else:
            self._options = options
            self._follow_log_settings()
            self._refresh_admin()
            last_change.successful, last_change.succeeded_at = True, time.time()
            _log.info("The settings were read again and are served")
        finally:
            self._manager.ready(self._status())

    # Stop.

    def stopService(self) -> Deferred[None]:
        """
        Stop accepting, let running exchanges end, keep everything.
        """
        super().stopService()  # type: ignore[no-untyped-call]  # likewise
        self._ready = False
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            # Asked a second time: at once.  Workers end with this process.
            signal.signal(number, lambda *_: os._exit(0))
        if self._tick_call is not None and self._tick_call.active():
            self._tick_call.cancel()
        if self._watching is not None:
            self._watching.stop()
        if self._alerts is not None:
            self._alerts.stop()
        if self._acme is not None:
            await self._acme.stop()
        for port in self._ports:
            port.stopListening()
        if self._plane is not None:
            if self._changes is not None and self._plane.generation:
                timeout = self._changes.snapshot.timeouts.drain
                self._manager.stopping(timeout)
                await self._plane.drain(timeout)
            await self._plane.close()
        if self._changes is not None:
            await self._changes.stop()
        if self._admin is not None:
            self._admin.stop()
        self._store.close()
        self._manager.stop()
        end_within(THREADS_GRACE)


def make_service(options: GateOptions, log: ApplicationLog, owner: tuple[int, int] | None = None) -> IService:
    """
    The service for C{twistd}.

    @param log: what twistd logs through.
    @param owner: the user and group of C{--uid} and C{--gid}.
    """
    from twisted.internet import reactor

    count_steadily(reactor)
    return GateService(options, reactor, log, owner)
