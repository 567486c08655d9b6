"""
Tunnels through a real gate: WebSocket by a library on both sides, and any other upgrade byte by byte.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import resource
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest
from _certificates import Pair, make_pair
from _clients import connect, connect_tls, served_fingerprint, unverified
from _gate import GateProcess
from _raw import Stage, abort, exactly, head_of, site, until, until_closed, upstream
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as many_websockets
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect as websocket

#: How many tunnels are open at the same time, and how many of them are opened together.
TUNNELS = 1000
AT_ONCE = 50

UPGRADE = b"GET /t HTTP/1.1\r\nHost: raw\r\nConnection: Upgrade\r\nUpgrade: other/1\r\n\r\n"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: other/1\r\nX-Kept: 1\r\n\r\n"


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """
    What the host C{raw} leads to.
    """
    with Stage.open() as stage:
        yield stage


async def echoing(connection: ServerConnection) -> None:
    """
    Say everything back; C{bye} ends it from this side.
    """
    async for said in connection:
        if said == "bye":
            await connection.close(4000, "bye")
        else:
            await connection.send(said)


@contextlib.contextmanager
def websocket_server() -> Iterator[int]:
    """
    The library's server in a thread of its own; yields its port.
    """
    loop = asyncio.new_event_loop()
    port: Future[int] = Future()
    over = asyncio.Event()

    async def run() -> None:
        async with serve(echoing, "127.0.0.1", 0, max_size=None, ping_interval=None) as server:
            port.set_result(next(iter(server.sockets)).getsockname()[1])
            await over.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),))
    thread.start()
    try:
        yield port.result(10)
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()
        loop.close()


@pytest.fixture(scope="module")
def gate(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GateProcess]:
    """
    A gate in front of a WebSocket server and of a stage.
    """
    logging.getLogger("websockets.server").setLevel(logging.CRITICAL)
    with websocket_server() as port:
        initial = (
            "[timeouts]\ntunnel = 60\nidle = 1\n"
            + upstream("app", f"http://127.0.0.1:{port}")
            + upstream("raw", stage.url)
            + site("default", "app", "*")
            + site("raw", "raw")
        )
        running = GateProcess(tmp_path_factory.mktemp("gate"), None, initial=initial).start()
        yield running
        running.stop(timeout=10)


def open_websocket(gate: GateProcess, secure: bool = True):
    """
    A connection of the library's.
    """
    if secure:
        return websocket(f"wss://localhost:{gate.https}/", ssl=unverified(), max_size=None)
    return websocket(f"ws://localhost:{gate.http}/", max_size=None)


@pytest.mark.parametrize("secure", [True, False])
def test_websocket(gate: GateProcess, secure: bool) -> None:
    """
    Messages small and large pass both ways, with the extension the two sides agreed on.
    """
    with open_websocket(gate, secure) as client:
        for message in ("hello", b"\x00" * 100, "x" * 2_000_000):
            client.send(message)
            assert client.recv(10) == message


@pytest.mark.parametrize("who", ["client", "server"])
def test_closing_handshake(gate: GateProcess, who: str) -> None:
    """
    Whichever side closes, the other learns why, and at once: a half-close passes through.
    """
    with open_websocket(gate) as client:
        begun = time.monotonic()
        if who == "client":
            client.close(4001, "done")
        else:
            client.send("bye")
            with pytest.raises(ConnectionClosed):
                client.recv(5)
    assert (client.close_code, client.close_reason) == ((4001, "done") if who == "client" else (4000, "bye"))
    assert time.monotonic() - begun < 2


def test_a_thousand_tunnels_survive_swaps_and_changes(gate: GateProcess, tmp_path: Path, descriptors: None) -> None:
    """
    A thousand open tunnels, a new certificate and new settings, their server's leaving among them: none closes.
    """
    changed = asyncio.run(asyncio.wait_for(outlive_changes(gate, make_pair(tmp_path)), 120))
    back = gate.call("POST", f"/api/v1/generations/{changed}/rollback", {})
    assert back.status == 200, back


@pytest.fixture
def descriptors() -> Iterator[None]:
    """
    As many as the system allows: a client and a server of each tunnel are in this process.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def outlive_changes(gate: GateProcess, pair: Pair) -> int:
    """
    Open tunnels, change what can be changed, and speak through each one after each change.

    @return: a generation to go back to.
    """
    context = unverified()
    urls = ((f"wss://localhost:{gate.https}/", context), (f"ws://localhost:{gate.http}/", None))

    async def say(number: int, tunnel: ClientConnection) -> None:
        await tunnel.send(str(number))
        assert await tunnel.recv() == str(number)

    async def say_all() -> None:
        await asyncio.gather(*(say(number, tunnel) for number, tunnel in enumerate(tunnels)))

    tunnels: list[ClientConnection] = []
    while len(tunnels) < TUNNELS:
        opening = (async_websocket(*urls[number % 2]) for number in range(AT_ONCE))
        tunnels += await asyncio.gather(*opening)
    await say_all()
    assert (await asyncio.to_thread(gate.upload, pair)).status == 200
    assert await asyncio.to_thread(served_fingerprint, gate.https) == pair.fingerprint
    await say_all()
    changed = await asyncio.to_thread(gate.call, "PATCH", "/api/v1/settings", {"limits": {"interim": 31}})
    assert changed.status == 200, changed
    await say_all()
    # Its server leaves the settings; what is open goes on.
    away = {"servers": [{"url": "http://127.0.0.1:1"}]}
    moved = await asyncio.to_thread(gate.call, "PUT", "/api/v1/upstreams/app", away)
    assert moved.status in (200, 201), moved
    assert (await asyncio.to_thread(gate.get, "/")).status == 502
    await say_all()
    await asyncio.gather(*(tunnel.close() for tunnel in tunnels))
    generation: int = changed.json["generation"]
    return generation


async def async_websocket(url: str, context: ssl.SSLContext | None) -> ClientConnection:
    """
    A connection of the library's, one of many.
    """
    return await many_websockets(url, ssl=context, compression=None, ping_interval=None, open_timeout=30)


def joined(gate: GateProcess, stage: Stage, script, secure: bool) -> socket.socket:
    """
    A client whose tunnel's far end is a script.
    """

    def whole(connection: socket.socket, number: int) -> None:
        head_of(connection)
        connection.sendall(SWITCH)
        script(connection)

    stage.play(whole)
    client = connect_tls(gate.https, "raw") if secure else connect(gate.http)
    client.sendall(UPGRADE)
    head = head_of(client)
    assert head.startswith(b"HTTP/1.1 101 ")
    for line in (b"Connection: Upgrade", b"Upgrade: other/1", b"X-Kept: 1"):
        assert head.count(line) == 1
    return client


def test_half_close_by_the_client(gate: GateProcess, stage: Stage) -> None:
    """
    The far end reads to the end, and its answer still arrives.
    """

    def script(connection: socket.socket) -> None:
        got = b""
        while data := connection.recv(65536):
            got += data
        connection.sendall(b"got %d" % len(got))

    with joined(gate, stage, script, secure=False) as client:
        client.sendall(b"x" * 300_000)
        client.shutdown(socket.SHUT_WR)
        assert client.recv(100) == b"got 300000"
        assert client.recv(100) == b""


@pytest.mark.parametrize("secure", [True, False])
def test_half_close_by_the_upstream(gate: GateProcess, stage: Stage, secure: bool) -> None:
    """
    The client sees the end, and what it says afterwards still arrives.
    """
    got = []

    def script(connection: socket.socket) -> None:
        connection.sendall(b"last words")
        connection.shutdown(socket.SHUT_WR)
        got.append(connection.recv(100))

    with joined(gate, stage, script, secure=secure) as client:
        assert client.recv(100) == b"last words"
        assert client.recv(100) == b""
        client.sendall(b"goodbye")
        assert until(lambda: got == [b"goodbye"])


def test_bytes_glued_to_the_heads(gate: GateProcess, stage: Stage) -> None:
    """
    What follows either head belongs to the tunnel, and nothing of it is read as HTTP.
    """
    glued = b"GET /second HTTP/1.1\r\nHost: raw\r\n\r\n"

    def script(connection: socket.socket, number: int) -> None:
        head_of(connection)
        connection.sendall(SWITCH + b"welcome")
        assert exactly(connection, len(glued)) == glued
        connection.sendall(b"same")

    stage.play(script)
    with connect(gate.http) as client:
        client.sendall(UPGRADE + glued)
        head_of(client)
        assert exactly(client, 11) == b"welcomesame"
    assert stage.connections == 1


@pytest.mark.parametrize("direction", ["up", "down"])
def test_backpressure(gate: GateProcess, stage: Stage, direction: str) -> None:
    """
    Who does not read stops who sends, and nothing is lost when it reads again.
    """
    size, moved = 48 << 20, 0
    read = threading.Event()
    received = []

    def push(connection: socket.socket) -> int:
        connection.settimeout(0.5)
        sent = 0
        with contextlib.suppress(TimeoutError):
            while sent < size:
                sent += connection.send(b"x" * 65536)
        return sent

    def pull(connection: socket.socket) -> int:
        connection.settimeout(10)
        total = 0
        while data := connection.recv(1 << 20):
            total += len(data)
        return total

    def script(connection: socket.socket) -> None:
        if direction == "up":
            read.wait(5)
            received.append(pull(connection))
        else:
            received.append(push(connection))

    with joined(gate, stage, script, secure=False) as client:
        if direction == "up":
            moved = push(client)
            client.shutdown(socket.SHUT_WR)
            read.set()
            assert until(lambda: received, 10)
            assert received == [moved]
        else:
            assert until(lambda: received)
            assert pull(client) == received[0]
        assert received[0] < size


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("who", ["client", "upstream"])
def test_an_end_ends_the_other_side(gate: GateProcess, stage: Stage, who: str, how: str) -> None:
    """
    Within a second, whichever side it was and however it ended.
    """
    took = []

    def script(connection: socket.socket) -> None:
        if who == "client":
            took.append(until_closed(connection, 5))
        elif how == "reset":
            abort(connection)

    client = joined(gate, stage, script, secure=True)
    if who == "upstream":
        took.append(until_closed(client, 5))
        client.close()
    else:
        abort(client) if how == "reset" else client.close()
    assert until(lambda: took)
    assert took[0] is not None
    assert took[0] < 1


def test_an_idle_tunnel_ends(gate: GateProcess, stage: Stage) -> None:
    """
    After the tunnel's time without a byte either way; traffic one way keeps it.
    """
    assert gate.call("PATCH", "/api/v1/settings", {"timeouts": {"tunnel": 2}}).status == 200
    took = []

    def script(connection: socket.socket) -> None:
        for _ in range(4):
            connection.sendall(b".")
            time.sleep(1)
        took.append(until_closed(connection, 8))

    with joined(gate, stage, script, secure=False) as client:
        assert exactly(client, 4) == b"...."
        assert until_closed(client, 8) is not None
    assert until(lambda: took)
    assert took[0] is not None


def test_an_upgrade_with_content_still_to_come(gate: GateProcess, stage: Stage) -> None:
    """
    101 before the request is complete cannot be honoured: 502, and the upstream is let go.
    """
    took = []

    def script(connection: socket.socket, number: int) -> None:
        head_of(connection)
        connection.sendall(SWITCH)
        took.append(until_closed(connection, 5))

    stage.play(script)
    with connect(gate.http) as client:
        client.sendall(UPGRADE.replace(b"\r\n\r\n", b"\r\nContent-Length: 5\r\n\r\n"))
        assert head_of(client).startswith(b"HTTP/1.1 502 ")
    assert until(lambda: took)
