"""
A gate without its listeners: clients in memory, an origin on a UNIX socket that is driven by hand.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "upstream"))

from _upstream_bench import MemoryTransport, UpstreamBench, server

from tlsgate.downstream import AccessLog, ChannelSource, Plane, Routes
from tlsgate.sites import Binding, Limits, Scheme, Site, Snapshot, Timeouts, Upstream
from tlsgate.upstream import UpstreamGroups


class Client:
    """
    A client's connection, seen from the client.
    """

    def __init__(self, channel: Any, transport: MemoryTransport) -> None:
        self.channel = channel
        self.transport = transport

    def say(self, *pieces: bytes) -> bytes:
        """
        Send each piece by itself; what was answered until now.
        """
        self.sends(*pieces)
        return self.transport.take()

    def sends(self, *pieces: bytes) -> None:
        """
        Send each piece by itself, and do not listen.
        """
        for piece in pieces:
            self.channel.dataReceived(piece)

    def hears(self) -> bytes:
        """
        What was answered since the last time.
        """
        return self.transport.take()


class Origin:
    """
    One connection to the origin, seen from the origin.
    """

    def __init__(self, bench: Any, sock: Any) -> None:
        self._bench = bench
        self.sock = sock

    def hears(self) -> bytes:
        """
        What was sent to it since the last time.
        """
        return self._read()[0]

    def is_left(self) -> bool:
        """
        Has the gate closed?
        """
        return self._read()[1]

    def _read(self) -> tuple[bytes, bool]:
        self._bench.spin()
        got = b""
        try:
            while data := self.sock.recv(1 << 20):
                got += data
                self._bench.spin(2)
        except BlockingIOError:
            return got, False
        except ConnectionResetError:
            pass
        return got, True

    def says(self, *pieces: bytes) -> None:
        """
        Send each piece by itself.
        """
        for piece in pieces:
            self.sock.send(piece)
            self._bench.spin()

    def closes(self) -> None:
        """
        End in order.
        """
        self.sock.close()
        self._bench.spin()


class DownstreamBench(UpstreamBench):
    """
    A plane that routes to the origin.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.reactor.advance(1000)
        self.groups = UpstreamGroups(self.hub, self.counters)
        self.plane = Plane(
            self.hub,
            counters=self.counters,
            access_log=AccessLog(None, "combined", self.reactor, self.counters),
            routes=Routes((), {}, https_port=0, now=0),
            wall_clock=self.reactor.seconds,
            identity="gate-test",
        )
        self.configure()

    def configure(
        self,
        *sites: Site,
        timeouts: Timeouts | None = None,
        limits: Limits | None = None,
        servers: tuple[Any, ...] = (),
        **settings: Any,
    ) -> None:
        """
        Serve these settings from now on.
        """
        snapshot = Snapshot(
            generation=1,
            bindings=(Binding(name="https", scheme=Scheme.HTTPS, endpoint="tcp:443"),),
            sites=sites or (Site(name="default", hosts=("*",), upstream="app"),),
            upstreams=(Upstream(name="app", servers=servers or (server(self.path),), **settings),),
            timeouts=timeouts or Timeouts(),
            limits=limits or Limits(),
        )
        groups = self.groups.apply(self.groups.plan(snapshot.upstreams, snapshot.timeouts, snapshot.limits))
        self.plane.set_limits(snapshot.timeouts, snapshot.limits)
        self.plane.routes = Routes.of(snapshot, groups, {"https": 443}, 0)

    @property
    def app(self) -> Any:
        """
        The only pool.
        """
        [pool] = next(iter(self.groups)).pools
        return pool

    def client(
        self, *, secure: bool = False, strict: bool = False, server_name: str = "", plain: bool = False
    ) -> Client:
        """
        A new client.

        @param plain: it speaks plain HTTP to the https binding.
        """
        transport = MemoryTransport(server_name)
        source = ChannelSource(
            self.plane, "binding", secure=secure or plain, port=443 if secure else 8443, strict=strict
        )
        channel = (source.plain_on_tls if plain else source.channel)(transport.peer)
        channel.makeConnection(transport)  # type: ignore[arg-type]
        return Client(channel, transport)

    def origin(self) -> Origin:
        """
        The origin's side of the next connection.
        """
        return Origin(self, self.accept())

    def close(self) -> None:
        """
        Give everything back.
        """
        self.groups.close()
        self.plane.stop()
        super().close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[DownstreamBench]:
    """
    A plane and an origin of the test's own.
    """
    bench = DownstreamBench(tmp_path)
    yield bench
    bench.close()


@pytest.fixture
def site() -> Callable[..., Site]:
    """
    Makes the default site with other settings.
    """
    default = Site(name="default", hosts=("*",), upstream="app")
    return lambda **settings: attrs.evolve(default, **settings)


@pytest.fixture(scope="module")
def lasting_bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DownstreamBench]:
    """
    A plane and an origin for all examples of a property.
    """
    bench = DownstreamBench(tmp_path_factory.mktemp("bench"))
    yield bench
    bench.close()
