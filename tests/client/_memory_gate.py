"""
The whole admin API in memory, asked by the real client through a wire without a socket.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from twisted.internet.address import IPv4Address, UNIXAddress
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.testing import MemoryReactorClock
from twisted.test.iosim import FakeTransport, connect
from twisted.web.client import Agent, HTTPConnectionPool
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

from tlsgate.client import AdminClient


def _admin_harness() -> ModuleType:
    """
    The bench of the admin room's tests.
    """
    name = "admin_harness"
    if name not in sys.modules:
        path = Path(__file__).parent.parent / "admin" / "conftest.py"
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        sys.modules[name] = module
    return sys.modules[name]


@implementer(IStreamClientEndpoint, IAgentEndpointFactory)
class Wires:
    """
    Each connection is a pair of transports that are pumped until the work is done.
    """

    def __init__(self, harness: Any, peer: str) -> None:
        self.harness = harness
        self.peer = peer
        self.pumps: list[Any] = []

    def endpointForURI(self, uri: Any) -> Wires:
        return self

    def connect(self, factory: Any) -> Deferred[Any]:
        address = UNIXAddress(None) if self.peer == "unix" else IPv4Address("TCP", self.peer, 40000)
        here = UNIXAddress(b"admin.sock") if self.peer == "unix" else IPv4Address("TCP", "127.0.0.1", 8444)
        server = self.harness.admin.site.buildProtocol(address)
        client = factory.buildProtocol(address)
        server_side = FakeTransport(server, isServer=True, hostAddress=here, peerAddress=address)
        # What the simulation leaves out of a TCP transport.
        server_side.setTcpNoDelay = lambda enabled: None
        self.pumps.append(
            connect(server, server_side, client, FakeTransport(client, isServer=False), clock=self.harness.clock)
        )
        return succeed(client)


class MemoryGate:
    """
    A gate that serves in imagination only, and clients of it.
    """

    def __init__(self, state: Path) -> None:
        state.mkdir(mode=0o700)
        self.harness = _admin_harness().Harness(state)
        self.state = state

    def stop(self) -> None:
        self.harness.admin.stop()
        self.harness.store.close()

    def perform(self, work: Callable[[AdminClient], Awaitable[Any]], *, token: str | None = None) -> Any:
        """
        The result of work with a client: over the UNIX socket, or over TCP with a token.
        """
        wires = Wires(self.harness, "127.0.0.1" if token else "unix")
        reactor = MemoryReactorClock()
        agent = Agent.usingEndpointFactory(reactor, wires, pool=HTTPConnectionPool(reactor, persistent=False))
        client = AdminClient(
            agent, "http://localhost:8444" if token else "http://localhost", reactor=reactor, token=token
        )
        results: list[Any] = []
        Deferred.fromCoroutine(work(client)).addBoth(results.append)
        for _ in range(200):
            if results:
                break
            for pump in wires.pumps:
                pump.flush()
            self.harness.clock.advance(0)
            reactor.advance(0.25)
        else:
            # Not a refusal but silence: what a deadline is for.
            reactor.advance(1000)
        assert results, "the work does not end"
        if hasattr(results[0], "raiseException"):
            results[0].raiseException()
        return results[0]
