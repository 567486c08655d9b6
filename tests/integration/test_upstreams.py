"""
Upstreams of every kind behind a real gate: TLS, UNIX sockets, PROXY headers, several servers.
"""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from _certificates import Authority, make_pair
from _clients import connect, connect_tls, converse, free_port
from _gate import GateProcess
from _origin import Origin, response
from _raw import Stage, head_of, message, raw_origin, site, until, upstream
from cryptography.hazmat.primitives.serialization import Encoding


def name_of(origin: str):
    """
    A script that answers every request with a name, and C{/cut} with content that TLS does not end.
    """

    def script(connection: socket.socket, number: int) -> None:
        while True:
            head, _ = message(connection)
            if b" /cut" in head:
                connection.sendall(b"HTTP/1.1 200 OK\r\n\r\nhalf")
                if isinstance(connection, ssl.SSLSocket):
                    time.sleep(0.1)
                    # The socket alone is closed: no close_notify.
                    connection.shutdown(socket.SHUT_RDWR)
                return
            shown = origin
            if isinstance(connection, ssl.SSLSocket):
                shown += " " + str(connection.context.verify_mode == ssl.CERT_REQUIRED)
            connection.sendall(response(200, shown.encode()))

    return script


class Bench:
    """
    The gate of this module and its origins.

    @ivar proxied: the first lines that came to the origins that expect a PROXY header.
    @ivar proxy_in: port of a binding that expects one.
    """

    gate: GateProcess
    stage: Stage
    first: Origin
    second: Origin
    proxy_in: int
    proxied: list[bytes]


def server_context(folder: Path, authority: Authority, *names: str) -> ssl.SSLContext:
    """
    A TLS server's context with a certificate for these names.
    """
    pair = make_pair(folder, *names, authority=authority)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    return context


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """
    One gate, and one origin of each kind.
    """
    folder = tmp_path_factory.mktemp("upstreams")
    authority = Authority.root()
    ca = folder / "ca.pem"
    ca.write_bytes(authority.certificate.public_bytes(Encoding.PEM))
    known = make_pair(folder, "client", authority=authority)
    demanding = server_context(folder, authority)
    demanding.verify_mode = ssl.CERT_REQUIRED
    demanding.load_verify_locations(ca)
    bench = Bench()
    bench.proxied = []

    def unproxied(connection: socket.socket, number: int) -> None:
        header = b""
        if connection.recv(1, socket.MSG_PEEK) == b"\r":
            header = connection.recv(28)
        else:
            while not header.endswith(b"\r\n"):
                header += connection.recv(1)
        bench.proxied.append(header)
        while True:
            head_of(connection)
            connection.sendall(response(200, b"proxied"))

    with contextlib.ExitStack() as stack:
        start = lambda script, **kind: stack.enter_context(raw_origin(script, **kind))  # noqa: E731 (a shorthand)
        tls = start(name_of("tls"), context=server_context(folder, authority))
        wrong = start(name_of("wrong"), context=server_context(folder, authority, "elsewhere.test"))
        mutual = start(name_of("mutual"), context=demanding)
        path = f"{folder}/origin.sock"
        unix = start(name_of("unix"), family=socket.AF_UNIX, address=path)
        proxied = start(unproxied)
        # It answers in clear, before any handshake: that must never be taken for its answer.
        plain_as_tls = start(lambda connection, number: connection.sendall(response())).replace("http:", "https:")
        bench.stage = stack.enter_context(Stage.open())
        bench.first, bench.second = Origin(), Origin()
        both = (bench.first.url, bench.second.url)
        bench.proxy_in = free_port()
        binding = (
            f'[[binding]]\nname = "proxied"\nscheme = "http"\nproxy_protocol = ["127.0.0.0/8"]\n'
            f'endpoint = "tcp:{bench.proxy_in}:interface=127.0.0.1"\n'
        )
        kinds = {
            "tls": upstream("tls", tls, ca_file=str(ca)),
            "untrusted": upstream("untrusted", tls),
            "wrong": upstream("wrong", wrong, ca_file=str(ca)),
            "named": upstream("named", wrong, ca_file=str(ca), server_name="elsewhere.test"),
            "mutual": upstream(
                "mutual",
                mutual,
                ca_file=str(ca),
                client_certificate_file=str(known.certificate),
                client_key_file=str(known.key),
            ),
            "unknown": upstream("unknown", mutual, ca_file=str(ca)),
            "not-tls": upstream("not-tls", plain_as_tls, ca_file=str(ca)),
            "unix": upstream("unix", unix),
            "proxy1": upstream("proxy1", proxied, proxy_protocol=1),
            "proxy2": upstream("proxy2", proxied, proxy_protocol=2),
            "turns": upstream("turns", *both, selection="round-robin"),
            "least": upstream("least", *both),
            "hashed": upstream("hashed", *both, selection="consistent-hash", hash_key="field:X-Key"),
            "half": upstream(
                "half",
                bench.stage.url,
                bench.first.url,
                selection="round-robin",
                health={"failures": 2, "eject_for": 2.0},
            ),
            "checked": upstream(
                "checked",
                bench.first.url,
                bench.second.url,
                selection="round-robin",
                health={"path": "/health", "interval": 0.2, "failures": 2, "successes": 1, "timeout": 1.0},
            ),
        }
        initial = binding + "".join(kinds.values())
        initial += "".join(site(name, name) for name in kinds) + site("default", "turns", "*")
        bench.gate = GateProcess(tmp_path_factory.mktemp("gate"), None, initial=initial).start()
        yield bench
        bench.gate.stop(timeout=10)
        bench.first.stop()
        bench.second.stop()


@pytest.mark.parametrize(
    ("host", "status", "content"),
    [
        ("tls", 200, b"tls False"),
        ("named", 200, b"wrong False"),
        ("mutual", 200, b"mutual True"),
        ("unix", 200, b"unix"),
        ("untrusted", 502, b"upstream-refused"),
        ("wrong", 502, b"upstream-refused"),
        ("unknown", 502, b"upstream-"),
        ("not-tls", 502, b"upstream-refused"),
    ],
)
def test_kinds_of_servers(bench: Bench, host: str, status: int, content: bytes) -> None:
    """
    An https server is verified, chain and name, and shown our certificate if we have one; a UNIX socket is as good.
    """
    for _ in range(2):
        answer = bench.gate.get("/", host=host, fields={"Accept": "application/json"})
        assert answer.status == status
        assert content in answer.content


def test_content_that_tls_does_not_end(bench: Bench) -> None:
    """
    Close-delimited content without close_notify was cut by somebody: it is not ended as if whole.
    """
    with connect(bench.gate.http) as client:
        client.sendall(b"GET /cut HTTP/1.1\r\nHost: tls\r\n\r\n")
        seen = converse(client)
        assert seen.closed
        assert b"half" in seen.received
        assert not seen.received.endswith(b"0\r\n\r\n")


def test_proxy_headers_out(bench: Bench) -> None:
    """
    Each connection begins with the client's address, and serves that client only.
    """
    with connect_tls(bench.gate.https, "proxy1") as client:
        mine = client.getsockname()[1]
        for _ in range(2):
            client.sendall(b"GET / HTTP/1.1\r\nHost: proxy1\r\n\r\n")
            assert message(client)[1] == b"proxied"
    line = b"PROXY TCP4 127.0.0.1 127.0.0.1 %d %d\r\n" % (mine, bench.gate.https)
    assert bench.proxied == [line, line]
    bench.proxied.clear()
    assert bench.gate.get("/", host="proxy2").content == b"proxied"
    [header] = bench.proxied
    assert header.startswith(b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x7f\0\0\x01\x7f\0\0\x01")


def test_proxy_headers_in(bench: Bench) -> None:
    """
    A listed peer names its client; without a header it is not served.
    """
    request = b"GET /client HTTP/1.1\r\nHost: least\r\nConnection: close\r\n\r\n"
    answer = converse(connect(bench.proxy_in), b"PROXY TCP4 192.0.2.7 127.0.0.1 5000 80\r\n" + request).received
    assert b'["X-Forwarded-For", "192.0.2.7"]' in answer
    assert not converse(connect(bench.proxy_in), request).received.startswith(b"HTTP/1.1 200")


def test_round_robin(bench: Bench) -> None:
    """
    Servers take turns.
    """
    for _ in range(6):
        assert bench.gate.get("/turn", host="turns").status == 200
    assert len(bench.first.requests_for("/turn")) == len(bench.second.requests_for("/turn")) == 3


def test_least_outstanding(bench: Bench) -> None:
    """
    A server that is busy is spared.
    """
    hold = lambda conversation: (conversation.wait(3), conversation.send(response()))  # noqa: E731 (a shorthand)
    bench.first.answer("/hold", hold)
    bench.second.answer("/hold", hold)
    with connect(bench.gate.http) as busy:
        busy.sendall(b"GET /hold HTTP/1.1\r\nHost: least\r\n\r\n")
        assert until(lambda: bench.first.requests_for("/hold") or bench.second.requests_for("/hold"))
        held, free = (bench.first, bench.second) if bench.first.requests_for("/hold") else (bench.second, bench.first)
        for _ in range(4):
            bench.gate.get("/spare", host="least")
        assert len(free.requests_for("/spare")) == 4
        assert not held.requests_for("/spare")


def test_consistent_hash(bench: Bench) -> None:
    """
    Equal keys go to one server, and all keys together to both.
    """
    for number in range(20):
        for _ in range(2):
            bench.gate.get(f"/key{number}", host="hashed", fields={"X-Key": f"user{number}"})
    seen = Counter(
        (origin, request.target)
        for origin in ("first", "second")
        for request in getattr(bench, origin).requests
        if request.target.startswith("/key")
    )
    assert set(seen.values()) == {2}
    assert {origin for origin, _ in seen} == {"first", "second"}


def test_ejection_and_return(bench: Bench) -> None:
    """
    A server that fails in a row is left alone for a while, and comes back by itself.
    """

    def fails(connection: socket.socket, number: int) -> None:
        head_of(connection)

    bench.stage.play(fails)
    statuses = [bench.gate.get("/", host="half").status for _ in range(10)]
    assert statuses.count(502) == 2
    assert bench.stage.connections == 2
    bench.stage.play(name_of("back"))
    assert until(lambda: bench.gate.get("/", host="half").content == b"back", 8)


def test_active_checks(bench: Bench) -> None:
    """
    A server that answers its check badly is not asked, and is again when it answers well.
    """

    def share() -> int:
        before = len(bench.second.requests_for("/share"))
        for _ in range(4):
            assert bench.gate.get("/share", host="checked").status == 200
        return len(bench.second.requests_for("/share")) - before

    assert until(lambda: share() == 2)
    bench.second.answer("/health", response(500))
    assert until(lambda: share() == 0)
    bench.second.answer("/health", response(200))
    assert until(lambda: share() == 2)
    [asked] = {tuple(request.all("host")) for request in bench.first.requests_for("/health")}
    assert asked == (f"127.0.0.1:{bench.first.port}",)


def test_drain(bench: Bench) -> None:
    """
    A server in drain finishes what it has and gets nothing new; with no other left the answer is 503.
    """
    bench.first.answer(
        "/finish", lambda conversation: (conversation.wait(1.5), conversation.send(response(200, b"done")))
    )
    servers = [{"url": bench.first.url}, {"url": bench.second.url}]
    with connect(bench.gate.http) as running:
        for _ in range(2):
            running.sendall(b"GET /finish HTTP/1.1\r\nHost: turns\r\n\r\n")
            if until(lambda: bench.first.requests_for("/finish"), 0.5):
                break
            message(running)
        servers[0]["drain"] = True
        changed = bench.gate.call("PUT", "/api/v1/upstreams/turns", {"servers": servers, "selection": "round-robin"})
        assert changed.status == 200, changed
        for _ in range(3):
            assert bench.gate.get("/drained", host="turns").status == 200
        assert not bench.first.requests_for("/drained")
        assert message(running)[1] == b"done"
    servers[1]["drain"] = True
    assert bench.gate.call("PUT", "/api/v1/upstreams/turns", {"servers": servers}).status == 200
    answer = bench.gate.get("/", host="turns")
    assert answer.status == 503
    assert re.fullmatch(r"\d+", answer.one("retry-after") or "")
