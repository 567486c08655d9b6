"""
A whole admin API in memory: real changes over a real store, a data plane that only remembers, and a wire to talk to.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest
from twisted.internet.address import IPv4Address, UNIXAddress
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from zope.interface import implementer

from tlsgate.admin import make_admin
from tlsgate.changes import Changes, first_generation
from tlsgate.counters import Counters
from tlsgate.interfaces import ApplyFailed, IDataPlane, IPreparedSnapshot, WorkerReport
from tlsgate.settings import FileStore, Pins, parse_endpoint
from tlsgate.sites import Snapshot

NOW = 1_790_000_000.0


@implementer(IPreparedSnapshot)
class Prepared:
    def __init__(self, plane: "MemoryDataPlane", snapshot: Snapshot) -> None:
        self.plane = plane
        self.snapshot = snapshot

    async def commit(self) -> None:
        self.plane.snapshot = self.snapshot

    async def abort(self) -> None:
        """
        Nothing was built.
        """


@implementer(IDataPlane)
class MemoryDataPlane:
    """
    Serves in imagination only.

    @ivar taken: ports that belong to somebody else.
    @ivar live: ACME challenges.
    """

    def __init__(self) -> None:
        self.snapshot = Snapshot(generation=0)
        self.taken: set[int] = set()
        self.counters = Counters()
        self.live: dict[bytes, bytes] = {}

    @property
    def generation(self) -> int:
        return self.snapshot.generation

    async def prepare(self, snapshot: Snapshot) -> Prepared:
        for binding in snapshot.bindings:
            if parse_endpoint(binding.endpoint).port in self.taken:
                raise ApplyFailed("port-in-use", f"binding {binding.name}", "The port is taken by another program.")
        return Prepared(self, snapshot)

    async def report(self) -> tuple[WorkerReport, ...]:
        return (WorkerReport(pid=1, generation=self.generation, counters=self.counters),)

    async def publish_challenges(self, http_01: Any, tls_alpn_01: Any) -> None:
        raise NotImplementedError

    def challenges(self) -> Mapping[bytes, bytes]:
        return self.live

    def ports(self) -> Mapping[str, int]:
        return {binding.name: parse_endpoint(binding.endpoint).port for binding in self.snapshot.bindings}

    async def drain(self, timeout: float) -> None:
        raise NotImplementedError


@attrs.frozen
class Reply:
    """
    An answer as it came over the wire.
    """

    status: int
    fields: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        return str(self.json["code"])


class Wire(StringTransport):
    """
    A transport that can be aborted, and knows whether it was.
    """

    aborted = False

    def abortConnection(self) -> None:
        self.aborted = True

    def setTcpNoDelay(self, enabled: bool) -> None:
        """
        Nothing is delayed in memory.
        """


class Harness:
    """
    An admin API and everything around it.
    """

    def __init__(self, state: Path) -> None:
        self.state = state
        self.now = NOW
        self.clock = Clock()
        self.plane = MemoryDataPlane()
        self.is_ready = True
        self.store = FileStore(state)
        self.store.open()
        self.changes = Changes(
            store=self.store,
            pins=Pins(),
            data_plane=self.plane,
            clock=self.clock,
            first=lambda now: first_generation(None, now, ["gate.test"]),
            wall=lambda: self.now,
            monotonic=self.clock.seconds,
            in_thread=maybeDeferred,
        )
        finish(Deferred.fromCoroutine(self.changes.start()))
        self.clock.advance(1.0)
        self.admin = make_admin(
            reactor=self.clock,
            changes=self.changes,
            store=self.store,
            data_plane=self.plane,
            state=state,
            ready=lambda: self.is_ready,
            wall=lambda: self.now,
            served=lambda: {("https", "default"): self.now + 86400},
        )
        self.admin.site.user_of = lambda transport: "root"
        self.secret = self.admin.setup_secret or ""

    def connect(self, peer: str = "127.0.0.1") -> tuple[Any, Wire]:
        """
        A connection; from C{unix} for one of the UNIX socket.
        """
        address = UNIXAddress(None) if peer == "unix" else IPv4Address("TCP", peer, 40000)
        here = UNIXAddress(b"admin.sock") if peer == "unix" else IPv4Address("TCP", "127.0.0.1", 8444)
        wire = Wire(hostAddress=here, peerAddress=address)
        channel = self.admin.site.buildProtocol(address)
        assert channel is not None
        channel.makeConnection(wire)
        return channel, wire

    def raw(self, data: bytes, peer: str = "127.0.0.1") -> Reply:
        """
        What comes back for these bytes on a new connection.
        """
        channel, wire = self.connect(peer)
        channel.dataReceived(data)
        self.clock.advance(0)
        return parse(wire.value())

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        token: str | None = "",
        peer: str = "unix",
        content_type: str = "application/json",
        fields: Mapping[str, str] | None = None,
    ) -> Reply:
        """
        One request; by default through the UNIX socket.
        """
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        lines = {"Host": "localhost:8444", **(fields or {})}
        if peer != "unix" and token is not None:
            lines["Authorization"] = f"Bearer {token or self.secret}"
        if body is not None:
            lines["Content-Type"] = content_type
            lines["Content-Length"] = str(len(content))
        head = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        return self.raw(head.encode("latin-1") + b"\r\n" + content, peer)

    def form(self, method: str, path: str, parts: Mapping[str, bytes | str], **more: Any) -> Reply:
        """
        One request with a form.
        """
        kind, content = form_of(parts)
        return self.call(method, path, content, content_type=kind, **more)

    def token(self, *permissions: str, **more: Any) -> str:
        """
        The secret of a new token.
        """
        name = f"t{len(self.admin.control.tokens.list())}"
        reply = self.call("POST", "/api/v1/tokens", {"name": name, "permissions": list(permissions), **more})
        assert reply.status == 201, reply
        return str(reply.json["secret"])


def finish(deferred: "Deferred[Any]") -> Any:
    """
    The result of something that has ended.
    """
    results: list[Any] = []
    deferred.addBoth(results.append)
    assert results, "it still runs"
    if hasattr(results[0], "raiseException"):
        results[0].raiseException()
    return results[0]


def form_of(parts: Mapping[str, bytes | str]) -> tuple[str, bytes]:
    """
    The content type and content of a form, as curl sends it.
    """
    boundary = "------------------------d74496d66958873e"
    content = b""
    for name, value in parts.items():
        file = f'; filename="{name}.pem"' if isinstance(value, bytes) else ""
        text = value if isinstance(value, bytes) else value.encode()
        content += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode()
        content += text + b"\r\n"
    return f"multipart/form-data; boundary={boundary}", content + f"--{boundary}--\r\n".encode()


def parse(data: bytes) -> Reply:
    """
    The first answer in what was written.
    """
    data = data.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    if "content-length" in fields:
        body = body[: int(fields["content-length"])]
    return Reply(int(lines[0].split(" ")[1]), fields, body)


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Harness]:
    """
    A fresh admin API.
    """
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    harness = Harness(state)
    yield harness
    harness.admin.stop()
    harness.store.close()


@pytest.fixture
def make_pair() -> Callable[..., tuple[bytes, bytes]]:
    """
    Makes a certificate and its key, PEM.
    """
    from tlsgate.certificates import self_signed

    def pair(*names: str, days: int = 90, now: float = NOW) -> tuple[bytes, bytes]:
        made = self_signed("x", list(names) or ["localhost"], days=days, now=now)
        return made.chain, made.key

    return pair
