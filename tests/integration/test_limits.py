"""
Each limit and each timeout has its answer, and costs its own connection only.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from _clients import connect, connect_tls, converse, free_port
from _gate import GateProcess
from _origin import Origin
from _raw import Stage, head_of, message, site, until_closed, upstream

POST = b"POST / HTTP/1.1\r\nHost: raw\r\n"


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """
    What the host C{raw} leads to.
    """
    with Stage.open() as stage:
        yield stage


@pytest.fixture(scope="module")
def gate(module_origin: Origin, stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GateProcess]:
    """
    A gate of little patience.
    """
    blackhole = socket.create_server(("127.0.0.1", 0), backlog=0)
    port = blackhole.getsockname()[1]
    crowd = [socket.socket() for _ in range(4)]
    for client in crowd:
        # Nobody accepts them: the queue is full, and whoever comes next hears nothing.
        client.setblocking(False)
        client.connect_ex(("127.0.0.1", port))
    again = free_port()
    initial = (
        "[timeouts]\nhandshake = 1\nhead = 1\nidle = 1\nbody = 2\nconnect = 1\nfirst_byte = 2\ntunnel = 2\n"
        "[limits]\nbody_rate = 1000\nbody_rate_window = 2\nconnections_per_address = 20\n"
        f'[[binding]]\nname = "strict"\nscheme = "https"\nendpoint = "tcp:{again}:interface=127.0.0.1"\nstrict_sni = true\n'
        + upstream("app", module_origin.url)
        + upstream("raw", stage.url)
        + upstream("blackhole", f"http://127.0.0.1:{port}")
        + upstream("busy", stage.url, max_connections=1, queue=1, queue_timeout=1)
        + site("main", "app", "localhost", "127.0.0.1", "a")
        + site("raw", "raw")
        + site("small", "raw", max_body=10)
        + site("blackhole", "blackhole")
        + site("busy", "busy")
    )
    running = GateProcess(tmp_path_factory.mktemp("gate"), None, initial=initial)
    running.strict = again  # type: ignore[attr-defined]  # a port of this module's own
    running.start()
    yield running
    running.stop(timeout=10)
    for client in [*crowd, blackhole]:
        client.close()


def ask(gate: GateProcess, *said: bytes, timeout: float = 6.0) -> bytes:
    """
    All that the plain binding answers until it closes, which it must.
    """
    seen = converse(connect(gate.http), *said, timeout=timeout)
    assert seen.closed
    return seen.received


def reads_all(connection: socket.socket, number: int) -> None:
    """
    Answer whatever comes, when it has come.
    """
    message(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n" % (b"x" * 17_000), 414),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: %b\r\n\r\n" % (b"x" * 70_000), 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\n%b\r\n" % (b"X: 1\r\n" * 201), 431),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: zstd\r\n\r\n", 501),
        (b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", 501),
        (b"GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        (b"GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\nHost: a\n", 400),
        (b"POST / HTTP/1.1\r\nHost: small\r\nContent-Length: 11\r\n\r\n01234567890", 413),
        (
            b"POST / HTTP/1.1\r\nHost: small\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n01234567\r\n3\r\n890\r\n0\r\n\r\n",
            413,
        ),
        (b"POST / HTTP/1.1\r\nHost: raw\r\nTransfer-Encoding: chunked\r\n\r\n1;%b\r\n" % (b"x" * 5000), 400),
        (b"POST / HTTP/1.1\r\nHost: raw\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n%b" % (b"X: 1\r\n" * 4000), 431),
    ],
)
def test_a_refusal_has_its_status(gate: GateProcess, stage: Stage, request_: bytes, status: int) -> None:
    """
    The status of CONTRACT section 3, a request id, and the end of the connection.
    """
    stage.play(reads_all)
    answer = ask(gate, request_)
    assert answer.startswith(b"HTTP/1.1 %d " % status), answer
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"\r\nX-Request-ID: " in answer
    assert b"\r\nConnection: close\r\n" in answer


def test_answers_in_the_clients_form(gate: GateProcess) -> None:
    """
    HTML for browsers, a problem for programs, text for others.
    """
    for accept, kind in (
        ("text/html,*/*", "text/html; charset=utf-8"),
        ("application/json", "application/problem+json"),
        ("*/*", "text/plain; charset=utf-8"),
    ):
        answer = gate.get("/", host="elsewhere", fields={"Accept": accept})
        assert (answer.status, answer.one("content-type")) == (404, kind)


def test_a_loop_is_found(gate: GateProcess, stage: Stage) -> None:
    """
    An upstream that leads back to the gate.
    """

    def script(connection: socket.socket, number: int) -> None:
        head = head_of(connection)
        with connect(gate.http) as back:
            back.sendall(head)
            connection.sendall(b"".join(message(back)))

    stage.play(script)
    assert gate.get("/", host="raw").status == 508
    assert stage.connections == 1


def test_another_sites_host_on_a_connection(gate: GateProcess) -> None:
    """
    With C{strict_sni} a connection for one site carries no other's requests: 421.
    """
    port = gate.strict  # type: ignore[attr-defined]  # a port of this module's own
    with connect_tls(port, "localhost") as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: raw\r\n\r\n")
        assert message(client)[0].startswith(b"HTTP/1.1 421 ")


def test_a_silent_upstream_is_a_504(gate: GateProcess, stage: Stage) -> None:
    """
    Silent once it is asked, and already when it is connected to.
    """

    def script(connection: socket.socket, number: int) -> None:
        head_of(connection)
        until_closed(connection, 10)

    stage.play(script)
    assert gate.get("/", host="raw").status == 504
    begun = time.monotonic()
    assert gate.get("/", host="blackhole").status == 504
    assert time.monotonic() - begun < 3


def test_an_upstream_that_stops_inside_its_content(gate: GateProcess, stage: Stage) -> None:
    """
    Idle for the body's time: the message is aborted.
    """

    def script(connection: socket.socket, number: int) -> None:
        head_of(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        until_closed(connection, 10)

    stage.play(script)
    assert ask(gate, b"GET / HTTP/1.1\r\nHost: raw\r\n\r\n").endswith(b"\r\n\r\nhalf")


def test_a_busy_upstream_is_a_503(gate: GateProcess, stage: Stage) -> None:
    """
    One connection, one place in line: who finds it taken is refused at once, who waits too long later, each with
    C{Retry-After}; and the line moves on.
    """
    go = threading.Event()

    def script(connection: socket.socket, number: int) -> None:
        while True:
            head = head_of(connection)
            if b"/hold" in head:
                go.wait(5)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    stage.play(script)
    clients = [connect(gate.http) for _ in range(3)]
    for client, path in zip(clients, (b"/hold", b"/line", b"/full"), strict=True):
        client.sendall(b"GET %b HTTP/1.1\r\nHost: busy\r\n\r\n" % path)
        time.sleep(0.1)
    head, _ = message(clients[2])
    assert head.startswith(b"HTTP/1.1 503 ")
    assert b"\r\nRetry-After: " in head
    assert message(clients[1])[0].startswith(b"HTTP/1.1 503 ")
    clients[1].sendall(b"GET /line HTTP/1.1\r\nHost: busy\r\n\r\n")
    time.sleep(0.1)
    go.set()
    for client in clients[:2]:
        assert message(client)[0].startswith(b"HTTP/1.1 200 ")
        client.close()
    assert stage.connections == 1


# Slow clients.


@contextlib.contextmanager
def others_unaffected(gate: GateProcess) -> Iterator[None]:
    """
    A quick client in the meantime.
    """
    yield
    begun = time.monotonic()
    assert gate.get("/quick").status == 200
    assert time.monotonic() - begun < 1


def dribble(client: socket.socket, data: bytes, seconds: float) -> bytes:
    """
    Send a byte each tenth of a second until the peer speaks; what it says until it closes.
    """
    client.settimeout(0.1)
    end = time.monotonic() + seconds
    got = b""
    for byte in data:
        with contextlib.suppress(OSError):
            client.sendall(bytes([byte]))
        try:
            got = client.recv(65536)
            break
        except TimeoutError:
            pass
        assert time.monotonic() < end, "not closed in time"
    client.settimeout(5)
    while data := client.recv(65536):
        got += data
    return got


def test_a_slow_head(gate: GateProcess) -> None:
    """
    408 after the head's time, however steadily it comes; before its first byte a close without a word.
    """
    with connect(gate.http) as client, others_unaffected(gate):
        assert dribble(client, b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 100, 4).startswith(b"HTTP/1.1 408 ")
    with connect(gate.http) as client:
        assert until_closed(client, 4) is not None


def test_an_idle_connection(gate: GateProcess) -> None:
    """
    Closed after the idle time, without a word; a head that began by then has the head's time.
    """
    with connect(gate.http) as client:
        client.sendall(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
        message(client)
        client.settimeout(4)
        assert client.recv(1) == b""


def test_a_slow_body(gate: GateProcess, stage: Stage) -> None:
    """
    Below the rate that a body must have: 408, and the upstream's connection is closed.
    """
    ended: list[float | None] = []

    def script(connection: socket.socket, number: int) -> None:
        head_of(connection)
        ended.append(until_closed(connection, 10))

    stage.play(script)
    with connect(gate.http) as client, others_unaffected(gate):
        client.sendall(POST + b"Content-Length: 1000\r\n\r\n")
        assert dribble(client, b"x" * 100, 8).startswith(b"HTTP/1.1 408 ")
    assert ended
    assert ended[0] is not None


def test_a_silent_body(gate: GateProcess, stage: Stage) -> None:
    """
    The client that says nothing more is to blame, not the upstream that waits for it.
    """
    stage.play(reads_all)
    assert ask(gate, POST + b"Content-Length: 1000\r\n\r\nx").startswith(b"HTTP/1.1 408 ")


def test_a_steady_body_takes_as_long_as_it_takes(gate: GateProcess, stage: Stage) -> None:
    """
    Times are idle times: an upload three times as long as any of them is no fault.
    """
    stage.play(reads_all)
    with connect(gate.http) as client:
        client.sendall(POST + b"Content-Length: 24000\r\n\r\n")
        for _ in range(12):
            client.sendall(b"x" * 2000)
            time.sleep(0.5)
        assert message(client)[0].startswith(b"HTTP/1.1 200 ")


def test_a_reader_that_does_not_read(gate: GateProcess, stage: Stage) -> None:
    """
    Cut off after the body's time; the upstream is let go.
    """
    ended = threading.Event()

    def script(connection: socket.socket, number: int) -> None:
        head_of(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        with contextlib.suppress(OSError):
            while True:
                connection.sendall(b"x" * 65536)
        ended.set()

    stage.play(script)
    with connect(gate.http) as client, others_unaffected(gate):
        client.sendall(b"GET / HTTP/1.1\r\nHost: raw\r\n\r\n")
        assert ended.wait(9)


def test_a_reader_that_reads_slowly_is_served(gate: GateProcess, stage: Stage) -> None:
    """
    A client that reads a little now and then is no fault, though the upstream waits for it longer than its time.
    """
    size = 1 << 20

    def script(connection: socket.socket, number: int) -> None:
        head_of(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size)

    stage.play(script)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        client.settimeout(10)
        client.connect(("127.0.0.1", gate.http))
        client.sendall(b"GET / HTTP/1.1\r\nHost: raw\r\n\r\n")
        head_of(client)
        left = size
        for _ in range(10):
            left -= len(client.recv(20_000))
            time.sleep(0.5)
        while left:
            got = client.recv(1 << 20)
            assert got, left
            left -= len(got)


def test_connections_of_one_address(gate: GateProcess) -> None:
    """
    Beyond the limit a newcomer is turned away with a word, and who was there is not.
    """
    # Not the address that the gate's own looks at its bindings come from.
    with connect(gate.http, address="127.0.0.9") as first:
        crowd = [connect(gate.http, address="127.0.0.9") for _ in range(25)]
        time.sleep(0.2)
        first.sendall(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
        assert message(first)[0].startswith(b"HTTP/1.1 200 ")
        said = []
        for client in crowd:
            client.settimeout(0.01)
            with contextlib.suppress(TimeoutError):
                said.append(client.recv(12))
        for client in crowd:
            client.close()
        assert said.count(b"HTTP/1.1 503") == 6
