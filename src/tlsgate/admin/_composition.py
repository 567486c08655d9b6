"""
The admin API put together.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from ..counters import DURATION_BUCKETS, Counters
from ..interfaces import IDataPlane
from ..problems import Finding
from ..settings import IStore
from ._api import all_operations
from ._audit import AuditLog, rfc3339
from ._auth import Authenticator
from ._control import Control
from ._events import Events
from ._guarding import Guard
from ._long_operations import LongOperations
from ._metrics import total_of
from ._operations import Operations
from ._plain_http_feed import PlainHTTPFeed
from ._service import AdminService
from ._session import Sessions
from ._tokens import SetupToken, Tokens
from ._ui import load_pages
from ._upstream_feed import UpstreamFeed
from ._web import AdminSite

if TYPE_CHECKING:
    from ..changes import Changes

__all__ = ["Admin", "make_admin"]

#: Seconds between C{traffic} events while somebody listens.
TRAFFIC_INTERVAL = 1.0


@attrs.frozen(kw_only=True)
class Admin:
    """
    The admin API of a gate.

    @ivar site: to be listened with; see L{listen_with_tls} and L{listen_on_socket}.
    @ivar setup_secret: the set-up token, for the log; C{None} once there is an administrator's token.
    """

    site: AdminSite
    service: AdminService
    control: Control
    setup_secret: str | None = attrs.field(repr=False)
    _traffic: LoopingCall

    @property
    def events(self) -> Events:
        """
        Where other rooms publish what happens.
        """
        return self.control.events

    def stop(self) -> None:
        """
        Write what is only in memory, and end what runs by itself.
        """
        if self._traffic.running:
            self._traffic.stop()
        self.control.tokens.flush()
        self.control.audit.flush()


def make_admin(
    *,
    reactor: Any,
    changes: Changes,
    store: IStore,
    data_plane: IDataPlane,
    state: Path,
    ready: Callable[[], bool],
    wall: Callable[[], float],
    base: Callable[[], str] = lambda: "https://127.0.0.1:8444",
    names: Iterable[str] = (),
    more_operations: Iterable[Operations] = (),
    orders: Callable[[], Mapping[str, int]] = dict,
    renewals: Callable[[], Mapping[str, int]] = dict,
    served: Callable[[], Mapping[tuple[str, str], float]] = dict,
    broken_files: Callable[[], Collection[str]] = tuple,
    standing: Callable[[], Iterable[Finding]] = tuple,
    events: Events | None = None,
) -> Admin:
    """
    Put the admin API together.

    @param changes: started already.
    @param store: where generations are read from.
    @param ready: do all workers serve?
    @param wall: the time of day, Unix time.
    @param base: the URL of the TLS listener, for scripts.
    @param names: more names under which the listener may be asked for.
    @param more_operations: of other rooms (ACME).
    @param orders: results of ACME orders so far, to counts.
    @param renewals: and C{served} and C{broken_files}: see L{Control}.
    @param standing: findings about what is served now, for the status.

    @raise Problem: C{storage-failed}: the tokens cannot be read.
    @raise OSError: the set-up token cannot be written.
    """
    operations = all_operations(*more_operations)
    tokens = Tokens(state / "tokens.json", wall=wall)
    setup = SetupToken(state / "setup-token", wall=wall)
    authenticator = Authenticator(tokens, setup, changes.monotonic)
    events = events or Events()
    control = Control(
        changes=changes,
        store=store,
        data_plane=data_plane,
        tokens=tokens,
        setup=setup,
        audit=AuditLog(state / "audit.log", wall=wall, in_thread=changes.in_thread),
        events=events,
        sessions=Sessions(authenticator, changes.monotonic),
        long_operations=LongOperations(events, wall=wall, clock=changes.monotonic),
        state=state,
        ready=ready,
        clock=changes.monotonic,
        wall=wall,
        base=base,
        operations=operations,
        orders=orders,
        renewals=renewals,
        served=served,
        broken_files=broken_files,
        standing=standing,
    )
    control.last_change.succeeded_at = wall()
    changes.subscribe(lambda event: _tell(control, event))
    service = AdminService(
        operations, control, authenticator, Guard(names, lambda: changes.effective.admin.names), load_pages()
    )
    traffic = LoopingCall(_publish_traffic, control, PlainHTTPFeed(), UpstreamFeed())
    traffic.clock = reactor
    traffic.start(TRAFFIC_INTERVAL, now=False)
    return Admin(
        site=AdminSite(service, reactor, clock=changes.monotonic),
        service=service,
        control=control,
        setup_secret=setup.offer(tokens),
        traffic=traffic,
    )


_log = Logger()


def _tell(control: Control, event: Mapping[str, Any]) -> None:
    """
    A generation was applied, undone or confirmed, whoever asked for it.
    """
    confirm_by = event.get("confirm_by")
    shown = {**event, "confirm_by": None if confirm_by is None else rfc3339(confirm_by)}
    control.events.publish("generation", shown)
    control.last_change.successful = True
    control.last_change.succeeded_at = control.wall()


async def _publish_traffic(control: Control, plain_http: PlainHTTPFeed, upstreams: UpstreamFeed) -> None:
    """
    Tell listeners how much goes on, who uses plain HTTP and which servers are down; nobody listening, nobody is asked.
    """
    if not control.events.is_heard:
        return
    try:
        reports = await control.data_plane.report()
    except Exception:  # the edge of a periodic call: the next one may find the workers well again
        _log.failure("the workers' reports could not be read")
        return
    total = total_of(reports)
    control.events.publish(
        "traffic",
        {
            "requests": sum(total.requests.values()),
            "client_errors": sum(n for (_, _, status), n in total.requests.items() if 400 <= status < 500),
            "server_errors": sum(n for (_, _, status), n in total.requests.items() if status >= 500),
            "seconds": sum(total.duration_sums.values()),
            "durations": [sum(column) for column in zip(*total.durations.values(), strict=True)],
            "duration_bounds": list(DURATION_BUCKETS),
            "tls_versions": _by_version(total),
            "bytes_in": sum(total.bytes_in.values()),
            "bytes_out": sum(total.bytes_out.values()),
            "connections": dict(total.connections),
            "handshakes": sum(total.handshakes.values()),
            "redirects": sum(total.redirects.values()),
            "workers": len(reports),
        },
    )
    news = plain_http.news(reports)
    if news is not None:
        control.events.publish("plain_http", news)
    for change in upstreams.news(reports):
        control.events.publish("upstream", change)


def _by_version(total: Counters) -> dict[str, int]:
    """
    Completed handshakes by TLS version.
    """
    versions: dict[str, int] = {}
    for (version, result), count in total.handshakes.items():
        if result == "ok":
            versions[version] = versions.get(version, 0) + count
    return versions
