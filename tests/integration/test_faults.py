"""
Faults injected into a real gate, looked at from outside: an upstream's failure is an answer, never a hang or a lie, and a
client's failure is noticed upstream.
"""

from __future__ import annotations

import contextlib
import fcntl
import re
import resource
import select
import socket
import struct
import termios
import threading
import time
from collections.abc import Iterator

import pytest
from _clients import connect, connect_tls, converse, free_port, unverified
from _gate import GateProcess
from _origin import Origin, response
from _process import cpu_seconds, descriptors, resident
from _raw import Stage, abort, head_of, message, site, until, until_closed, upstream

GET = b"GET / HTTP/1.1\r\nHost: raw\r\n\r\n"
LAST = b"GET / HTTP/1.1\r\nHost: raw\r\nConnection: close\r\n\r\n"


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
    One gate for all faults: none of them may hurt it.
    """
    nowhere = f"http://127.0.0.1:{free_port()}"
    initial = (
        upstream("app", module_origin.url)
        + upstream("raw", stage.url)
        + upstream("nowhere", nowhere)
        + upstream("unresolved", "http://nothing.invalid:80")
        + site("default", "app", "*")
        + site("raw", "raw")
        + site("nowhere", "nowhere")
        + site("unresolved", "unresolved")
    )
    running = GateProcess(tmp_path_factory.mktemp("gate"), None, initial=initial).start()
    yield running
    running.stop(timeout=10)


@pytest.fixture(autouse=True)
def _unharmed(gate: GateProcess) -> Iterator[None]:
    """
    Whatever happened, the gate serves as before.
    """
    yield
    assert gate.get("/after").status == 200


def play(stage: Stage, *answers: bytes, end: str = "close", linger: float = 0.0) -> None:
    """
    Answer the first request of each connection with these bytes, then end as told.
    """

    def script(connection: socket.socket, number: int) -> None:
        head_of(connection)
        for answer in answers:
            connection.sendall(answer)
            time.sleep(0.05)
        time.sleep(linger)
        if end == "reset":
            abort(connection)
        elif end == "wait":
            connection.recv(65536)

    stage.play(script)


def ask(gate: GateProcess, *said: bytes, timeout: float = 5.0) -> bytes:
    """
    All that the plain binding answers until it closes, which it must.
    """
    seen = converse(connect(gate.http), *(said or (LAST,)), timeout=timeout)
    assert seen.closed
    return seen.received


@pytest.mark.parametrize("end", ["close", "reset"])
@pytest.mark.parametrize(
    "begun", [b"", b"HTT", b"HTTP/1.1 200 OK\r\nContent-Le", b"HTTP/1.1 200 OK\r\n\r", b"HTTP/1.1 103 Hints\r\n\r\n"]
)
def test_an_upstream_that_ends_before_its_answer(gate: GateProcess, stage: Stage, begun: bytes, end: str) -> None:
    """
    Ended or reset before or inside the head: 502, with a request id.
    """
    play(stage, begun, end=end)
    answer = ask(gate).removeprefix(b"HTTP/1.1 103 Hints\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 502 ")
    assert b"\r\nX-Request-ID: " in answer
    assert stage.connections == 1


@pytest.mark.parametrize("end", ["close", "reset"])
@pytest.mark.parametrize(
    "begun",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\nX-Trailer: 1\r\n",
    ],
)
def test_an_upstream_that_ends_inside_its_content(gate: GateProcess, stage: Stage, begun: bytes, end: str) -> None:
    """
    What is cut short never looks whole: a 502 if nothing was sent yet, else an aborted message; in HTTP/1.0, where an end
    is only the close, a reset.
    """
    play(stage, begun, end=end)
    head, _, content = ask(gate).partition(b"\r\n\r\n")
    assert not content.endswith(b"0\r\n\r\n")
    if head.startswith(b"HTTP/1.1 200"):
        assert b"Content-Length: 10" in head or b"chunked" in head
        assert len(content) < 10
    else:
        assert head.startswith(b"HTTP/1.1 502")
    with connect(gate.http) as client:
        client.sendall(b"GET / HTTP/1.0\r\nHost: raw\r\n\r\n")
        got = b""
        with contextlib.suppress(ConnectionResetError):
            while data := client.recv(65536):
                got += data
            assert got.startswith(b"HTTP/1.1 502"), "ended as if whole"


def test_a_close_delimited_answer_that_is_reset(gate: GateProcess, stage: Stage) -> None:
    """
    A reset is no end of content: the last chunk never comes.
    """
    play(stage, b"HTTP/1.1 200 OK\r\n\r\nhalf", end="reset", linger=0.1)
    answer = ask(gate)
    assert answer.startswith(b"HTTP/1.1 200")
    assert not answer.endswith(b"0\r\n\r\n")


OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    "nonsense",
    [
        b"\x16\x03\x01\x00\x05hello",
        b"SSH-2.0-OpenSSH\r\n",
        b"<html>an HTTP/0.9 body</html>",
        b"HTTP/2.0 200 OK\r\n\r\n",
        b"HTTP/1.1 99 Low\r\n\r\n",
        b"HTTP/1.1 1000 High\r\n\r\n",
        b"HTTP/1.1 600 High\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nHTTP/1.1 200 OK\r\n\r\n",
        OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        OK + b"Content-Length: 1, 2\r\n\r\nab",
        OK + b"Content-Length: -1\r\n\r\n",
        OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        OK + b"X: a\r\n folded\r\n\r\n",
        OK + b"X: a\nY: b\r\n\r\n",
        b"HTTP/1.1 200 O\rK: x\r\n\r\n",
        OK + b"X : a\r\n\r\n",
        OK + b"X: \x00\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        b"HTTP/1.1 103 Hints\r\n\r\n" * 10_000,
    ],
)
def test_an_upstream_that_speaks_nonsense(gate: GateProcess, stage: Stage, nonsense: bytes) -> None:
    """
    What cannot be trusted becomes a 502, and its connection is never used again.
    """
    play(stage, nonsense, end="wait")
    for count in (1, 2):
        answer = ask(gate)
        while answer.startswith(b"HTTP/1.1 103"):
            answer = answer.partition(b"\r\n\r\n")[2]
        assert answer.startswith(b"HTTP/1.1 502 "), answer
        assert stage.connections == count


def test_a_head_of_64_megabytes(gate: GateProcess, stage: Stage) -> None:
    """
    It is refused at its limit, not read to its end.
    """
    sent = []

    def script(connection: socket.socket, number: int) -> None:
        head_of(connection)
        connection.sendall(OK)
        total = 0
        with contextlib.suppress(OSError):
            while total < 64 << 20:
                total += connection.send(b"X-Field: " + b"x" * 8000 + b"\r\n")
        sent.append(total)

    stage.play(script)
    assert ask(gate).startswith(b"HTTP/1.1 502 ")
    assert until(lambda: sent)
    assert sent[0] < 16 << 20


@pytest.mark.parametrize(
    ("method", "answer", "expected"),
    [
        (b"GET", OK + b"Content-Length: 2\r\n\r\nok" + response(200, b"evil"), b"ok"),
        (b"GET", OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nmore", b"2\r\nok\r\n0\r\n\r\n"),
        (b"GET", b"HTTP/1.1 204 None\r\nContent-Length: 4\r\n\r\nevil", b""),
        (b"GET", b"HTTP/1.1 304 Same\r\n\r\nevil", b""),
        (b"HEAD", OK + b"Content-Length: 4\r\n\r\nevil", b""),
        (b"HEAD", OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\nevil\r\n0\r\n\r\n", b""),
    ],
)
def test_bytes_after_the_end(gate: GateProcess, stage: Stage, method: bytes, answer: bytes, expected: bytes) -> None:
    """
    They are nobody's answer: the client gets the message, and the connection is not used again.
    """
    play(stage, answer, end="wait")
    asked = GET.replace(b"GET", method)
    for count in (1, 2):
        assert ask(gate, asked + LAST.replace(b"GET", method)).split(b"\r\n\r\n", 1)[1].startswith(expected)
        assert stage.connections == 2 * count


def test_a_204_that_announces_content_is_not_used_again(gate: GateProcess, stage: Stage) -> None:
    """
    Its content may still be on its way, and must not become the head of the next answer.
    """
    play(stage, b"HTTP/1.1 204 None\r\nContent-Length: 4\r\n\r\n", end="wait")
    answers = ask(gate, GET + LAST)
    assert answers.count(b"HTTP/1.1 204") == 2
    assert b"Content-Length" not in answers
    assert stage.connections == 2


@pytest.mark.parametrize(("host", "status"), [("nowhere", 502), ("unresolved", 502)])
def test_an_upstream_that_is_not_there(gate: GateProcess, host: str, status: int) -> None:
    """
    Refused or without an address.
    """
    for _ in range(2):
        answer = gate.get("/", host=host, fields={"Accept": "application/json"})
        assert (answer.status, answer.code) == (status, "upstream-refused")


# Requests are not sent twice, but for those that may.


def closes_when_reused(stage: Stage, after: int = 1) -> list[tuple[int, bytes]]:
    """
    Play an origin that answers so many requests on each connection, and closes when the next has come.
    """
    heads: list[tuple[int, bytes]] = []

    def script(connection: socket.socket, number: int) -> None:
        for _ in range(after):
            heads.append((number, message(connection)[0]))
            connection.sendall(response(200, b"ok"))
        heads.append((number, head_of(connection)))

    stage.play(script)
    return heads


def test_an_idempotent_request_is_sent_again_once(gate: GateProcess, stage: Stage) -> None:
    """
    The reused connection closed without a byte: a fresh one answers.
    """
    heads = closes_when_reused(stage)
    answers = ask(gate, GET + LAST)
    assert answers.count(b"HTTP/1.1 200") == 2
    assert [number for number, _ in heads] == [1, 1, 2]


def test_a_request_whose_content_is_held_is_sent_again(gate: GateProcess, stage: Stage) -> None:
    """
    PUT is idempotent, and what it carries was kept.
    """
    got = []

    def script(connection: socket.socket, number: int) -> None:
        if number == 1:
            message(connection)
            connection.sendall(response(200))
            head_of(connection)
            return
        got.append(message(connection)[1])
        connection.sendall(response(200, b"second"))

    stage.play(script)
    answers = ask(gate, GET, b"PUT / HTTP/1.1\r\nHost: raw\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
    assert answers.endswith(b"second")
    assert got == [b"hello"]


def test_a_post_is_never_sent_again(gate: GateProcess, stage: Stage) -> None:
    """
    It may have been done: 502.
    """
    heads = closes_when_reused(stage)
    answers = ask(gate, GET + b"POST / HTTP/1.1\r\nHost: raw\r\nContent-Length: 0\r\n\r\n" + LAST)
    assert re.findall(rb"HTTP/1.1 (\d+)", answers) == [b"200", b"502", b"200"]
    assert len([head for _, head in heads if head.startswith(b"POST")]) == 1


def test_never_twice(gate: GateProcess, stage: Stage) -> None:
    """
    If the fresh connection closes as well, that is the answer; and so it is if a first request finds none.
    """
    heads = []

    def script(connection: socket.socket, number: int) -> None:
        heads.append(head_of(connection))
        if number == 1:
            connection.sendall(response(200))
            heads.append(head_of(connection))

    stage.play(script)
    answers = ask(gate, GET + LAST)
    assert b"HTTP/1.1 502" in answers
    assert len(heads) == 3


def test_a_retry_takes_no_other_stale_connection(gate: GateProcess, stage: Stage) -> None:
    """
    Several pooled connections die at once, as when a server restarts: the retry opens a new one.
    """
    together = threading.Barrier(3, timeout=5)
    restarted = threading.Event()

    def script(connection: socket.socket, number: int) -> None:
        head_of(connection)
        if number <= 3:
            together.wait()
        connection.sendall(response(200, b"ok"))
        if number <= 3:
            # Close when the next request has come, as a server does that had closed at that moment.
            head_of(connection)
            restarted.set()

    stage.play(script)
    clients = [connect(gate.http) for _ in range(3)]
    for client in clients:
        client.sendall(GET)
    for client in clients:
        assert message(client)[1] == b"ok"
        client.close()
    assert ask(gate).endswith(b"ok")
    assert restarted.is_set()
    assert stage.connections == 4


# A client's failure is noticed upstream.


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("sent", [GET, b"PUT / HTTP/1.1\r\nHost: raw\r\nContent-Length: 1000000\r\n\r\nsome"])
@pytest.mark.parametrize("secure", [False, True])
def test_a_client_that_vanishes(gate: GateProcess, stage: Stage, sent: bytes, how: str, secure: bool) -> None:
    """
    While it waits or uploads: the upstream's connection is closed within a second.
    """
    begun, took = threading.Event(), []

    def script(connection: socket.socket, number: int) -> None:
        head_of(connection)
        begun.set()
        took.append(until_closed(connection, 5))

    stage.play(script)
    client = connect_tls(gate.https) if secure else connect(gate.http)
    client.sendall(sent)
    assert begun.wait(5)
    left = time.monotonic()
    abort(client) if how == "reset" else client.close()
    assert until(lambda: took)
    assert time.monotonic() - left < 1


@pytest.mark.parametrize("secure", [False, True])
def test_a_client_that_vanishes_behind_what_is_not_read(gate: GateProcess, stage: Stage, secure: bool) -> None:
    """
    The upstream has stopped taking an upload, the gate has stopped reading it, and the client leaves in order: its end
    lies behind its last bytes, and is noticed within a second all the same.
    """
    stuck, took = threading.Event(), []

    def script(connection: socket.socket, number: int) -> None:
        head_of(connection)
        stuck.wait(10)
        connection.setblocking(False)
        # As soon as the last byte is in the gate's socket, nobody reads any more.
        while unsent(client):
            with contextlib.suppress(BlockingIOError):
                connection.recv(65536)
            time.sleep(0.002)
        client.close()
        # Only looking: what would be read is what keeps the gate waiting.
        watched = select.poll()
        watched.register(connection, select.POLLRDHUP)
        begun = time.monotonic()
        assert watched.poll(5000)
        took.append(time.monotonic() - begun)

    stage.play(script)
    plain = connect(gate.https if secure else gate.http)
    client = unverified().wrap_socket(plain, server_hostname="localhost") if secure else plain
    client.sendall(b"PUT / HTTP/1.1\r\nHost: raw\r\nContent-Length: 100000000\r\n\r\n")
    client.settimeout(0.3)
    with contextlib.suppress(TimeoutError):
        while True:
            client.send(b"x" * 65536)
    stuck.set()
    assert until(lambda: took, 15)
    assert took[0] < 1


def unsent(connection: socket.socket) -> int:
    """
    Bytes that the peer's kernel has not taken yet.
    """
    told: int = struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, bytes(4)))[0]
    return told


def test_a_client_that_vanishes_from_a_response(gate: GateProcess, stage: Stage) -> None:
    """
    An endless response ends when nobody reads it any more.
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
    client = connect(gate.http)
    client.sendall(GET)
    client.recv(1000)
    client.close()
    assert ended.wait(2)


def test_a_paused_connection_serves_the_next_exchange(gate: GateProcess, stage: Stage) -> None:
    """
    A response whose last piece filled the client's buffer must not leave its connection paused in the pool.
    """
    size = 8 << 20

    def script(connection: socket.socket, number: int) -> None:
        while True:
            head = head_of(connection)
            connection.sendall(response(200, b"x" * (size if b"/large" in head else 2)))

    stage.play(script)
    for _ in range(3):
        slow = socket.socket()
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.settimeout(10)
        slow.connect(("127.0.0.1", gate.http))
        slow.sendall(b"GET /large HTTP/1.1\r\nHost: raw\r\n\r\n")
        head_of(slow)
        time.sleep(0.1)
        left = size
        while left:
            left -= len(slow.recv(1 << 20))
        slow.close()
        assert ask(gate).endswith(b"xx")
    assert stage.connections == 1


def test_an_upstream_that_answers_and_closes_mid_upload(gate: GateProcess, stage: Stage) -> None:
    """
    The reason it gives arrives, though it resets what is still being sent.
    """

    def script(connection: socket.socket, number: int) -> None:
        head_of(connection)
        connection.sendall(b"HTTP/1.1 413 Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig")

    stage.play(script)
    with connect(gate.http) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: raw\r\nContent-Length: 10000000\r\n\r\n")
        with contextlib.suppress(OSError):
            for _ in range(20):
                client.sendall(b"x" * 65536)
        assert message(client)[0].startswith(b"HTTP/1.1 413")


# Descriptors and memory.


def test_descriptors_run_out(start_gate, origin: Origin) -> None:
    """
    At the limit nothing spins and what runs goes on; afterwards the gate recovers without help.
    """
    gate = start_gate(origin.url)
    assert gate.process is not None
    pid = gate.process.pid
    with gate.connection() as kept:
        kept.request("GET", "/a")
        assert kept.getresponse().read()
        used = descriptors(pid)
        limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + 12, limits[1]))
        crowd = [connect(gate.http) for _ in range(60)]
        time.sleep(0.5)
        before = cpu_seconds(pid)
        kept.request("GET", "/b")
        assert kept.getresponse().status == 200
        time.sleep(1)
        assert cpu_seconds(pid) - before < 0.5
        for client in crowd:
            client.close()
        assert until(lambda: b"HTTP/1.1 200" in converse(connect(gate.http), LAST, timeout=1).received, 8)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)


def test_memory_is_bounded(gate: GateProcess, stage: Stage) -> None:
    """
    A download nobody reads and an upload nobody takes, 64 MB each: the gate holds next to nothing of either.
    """
    assert gate.process is not None
    pid = gate.process.pid
    release = threading.Event()
    moved = {"down": 0, "up": 0}
    size = 64 << 20

    def script(connection: socket.socket, number: int) -> None:
        head = head_of(connection)
        if head.startswith(b"PUT"):
            release.wait(10)
            return
        connection.sendall(OK + b"Content-Length: %d\r\n\r\n" % size)
        connection.settimeout(0.5)
        with contextlib.suppress(OSError):
            while moved["down"] < size:
                moved["down"] += connection.send(b"x" * 65536)

    stage.play(script)
    before = resident(pid)
    reader, writer = connect(gate.http), connect(gate.http)
    reader.sendall(GET)
    writer.sendall(b"PUT / HTTP/1.1\r\nHost: raw\r\nContent-Length: %d\r\n\r\n" % size)
    writer.settimeout(0.5)
    with contextlib.suppress(TimeoutError):
        while moved["up"] < size:
            moved["up"] += writer.send(b"x" * 65536)
    time.sleep(0.5)
    grown = resident(pid) - before
    release.set()
    reader.close()
    writer.close()
    assert max(moved.values()) < size
    assert grown < 2 << 20


FLOODS = {
    # Content that is all frame: the sizes' extensions go nowhere.
    "extensions": (
        b"PUT / HTTP/1.1\r\nHost: raw\r\nTransfer-Encoding: chunked\r\n\r\n",
        (b"1;" + b"x" * 4000 + b"\r\nx\r\n") * 16,
    ),
    # Requests that wait for the first one's answer.
    "pipelined": (GET, b"GET / HTTP/1.1\r\nHost: raw\r\n\r\n" * 2000),
    # Trailers without an end.
    "trailers": (
        b"PUT / HTTP/1.1\r\nHost: raw\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
        b"X: y\r\n" * 10_000,
    ),
}


@pytest.mark.parametrize("kind", FLOODS)
def test_floods(gate: GateProcess, stage: Stage, kind: str) -> None:
    """
    However much a client sends that is no content, next to nothing of it is held.
    """
    assert gate.process is not None
    pid = gate.process.pid
    over = threading.Event()

    def script(connection: socket.socket, number: int) -> None:
        connection.settimeout(0.1)
        while not over.is_set():
            with contextlib.suppress(TimeoutError):
                if not connection.recv(65536):
                    return

    stage.play(script)
    before = resident(pid)
    first, flood = FLOODS[kind]
    with connect(gate.http) as client:
        client.sendall(first)
        client.settimeout(0.5)
        with contextlib.suppress(OSError):
            for _ in range((32 << 20) // len(flood)):
                client.sendall(flood)
        grown = resident(pid) - before
    over.set()
    assert grown < 3 << 20


def test_heads_that_are_never_complete(gate: GateProcess) -> None:
    """
    Of hundreds of clients, each with almost as long a head as is allowed: what they hold is bounded by that, and given back.
    """
    assert gate.process is not None
    pid = gate.process.pid
    clients, size = 300, 60_000
    head = b"GET / HTTP/1.1\r\nHost: raw\r\nX: " + b"x" * size
    memory, descriptors_before, grown = resident(pid), descriptors(pid), []
    for _ in range(2):
        crowd = [connect(gate.http) for _ in range(clients)]
        for begin in range(0, len(head), 20_000):
            for client in crowd:
                client.sendall(head[begin : begin + 20_000])
        assert gate.get("/beside").status == 200
        grown.append(resident(pid) - memory)
        for client in crowd:
            client.close()
        assert until(lambda: descriptors(pid) <= descriptors_before + 2)
    assert grown[0] < clients * (size + 40_000)
    assert grown[1] < grown[0] + (4 << 20)


def test_a_full_disk_under_the_access_log(start_gate, origin: Origin) -> None:
    """
    Requests are answered all the same; the lines that are lost are counted, and so is nothing else.
    """
    gate = start_gate(origin.url, options=["--access-log", "/dev/full"])
    with gate.connection() as kept:
        for _ in range(50):
            kept.request("GET", "/a")
            answer = kept.getresponse()
            assert (answer.status, bool(answer.read())) == (200, True)
    lost = re.compile(rb"^tlsgate_access_log_dropped_total(?:{[^}]*})? (\d+)", re.MULTILINE)
    counted = []

    def all_counted() -> bool:
        counted[:] = [int(float(number)) for number in lost.findall(gate.call("GET", "/metrics").content)]
        return sum(counted) >= 50

    assert until(all_counted), counted
    assert sum(counted) == 50
