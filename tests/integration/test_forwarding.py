"""
HTTP/1 through a real gate: what reaches the origin, and what comes back.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator

import pytest
from _clients import connect, connect_tls, converse
from _gate import GateProcess
from _origin import Origin, pieces, response
from _raw import Stage, exactly, head_of, message, site, until, upstream


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
    One gate for all of this.
    """
    initial = (
        upstream("app", module_origin.url)
        + upstream("raw", stage.url)
        + site("default", "app", "*")
        + site("raw", "raw")
        + site("trusting", "app", trusted_peers=["127.0.0.0/8"], forwarded=True)
    )
    options = ["--access-log-format", "json"]
    running = GateProcess(tmp_path_factory.mktemp("gate"), None, initial=initial, options=options).start()
    yield running
    running.stop(timeout=10)


TRAILERS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n3\r\nabc\r\n0\r\n"


def say(gate: GateProcess, *said: bytes, timeout: float = 5.0) -> bytes:
    """
    All that the plain binding answers until it closes.
    """
    return converse(connect(gate.http), *said, timeout=timeout).received


def head_and_content(answer: bytes) -> tuple[bytes, bytes]:
    head, _, content = answer.partition(b"\r\n\r\n")
    return head, content


def test_fields_keep_their_order_and_their_copies(gate: GateProcess, module_origin: Origin) -> None:
    """
    Unknown and duplicated fields pass in order, both ways.
    """
    module_origin.answer("/order", response(200, b"", "Set-Cookie: a=1", "X-Z: 1", "Set-Cookie: b=2", "X-A: \xe9"))
    answer = say(
        gate,
        b"GET /order HTTP/1.1\r\nHost: a\r\nX-B: 1\r\nX-A: \xc3\xa9\r\nX-B: 2\r\nCookie: c=3\r\nConnection: close\r\n\r\n",
    )
    [seen] = module_origin.requests_for("/order")
    sent = [line for line in seen.fields if line[0] in ("X-B", "X-A", "Cookie")]
    assert sent == [("X-B", "1"), ("X-A", "\xc3\xa9"), ("X-B", "2"), ("Cookie", "c=3")]
    lines = [line for line in answer.split(b"\r\n") if line[:2] in (b"Se", b"X-")]
    assert lines == [b"Set-Cookie: a=1", b"X-Z: 1", b"Set-Cookie: b=2", b"X-A: \xe9"]


def test_connection_cannot_remove_what_the_gate_says(gate: GateProcess, module_origin: Origin) -> None:
    """
    C{Connection} removes the fields it may, and none that say who asks, for what and with what right.
    """
    say(
        gate,
        b"GET /hops HTTP/1.1\r\nHost: a\r\nAuthorization: Basic eA==\r\nX-Mine: 1\r\nTE: trailers\r\nProxy-Connection: x\r\n"
        b"X_Forwarded_For: 6.6.6.6\r\nX-Forwarded-For: 6.6.6.6\r\nKeep-Alive: 1\r\n"
        b"Connection: X-Mine, X-Forwarded-For, Host, Authorization, close\r\n\r\n",
    )
    [seen] = module_origin.requests_for("/hops")
    names = {name.lower() for name, _ in seen.fields}
    assert {"host", "authorization", "x-forwarded-for"} <= names
    assert not names & {"x-mine", "te", "proxy-connection", "x_forwarded_for", "keep-alive", "connection"}
    assert seen.all("x-forwarded-for") == ["127.0.0.1"]


@pytest.mark.parametrize(
    ("line", "target"),
    [
        (b"GET http://a/abs?q=%2F HTTP/1.1", "/abs?q=%2F"),
        (b"GET HTTP://A?abs HTTP/1.1", "/?abs"),
        (b"OPTIONS * HTTP/1.1", "*"),
        (b"OPTIONS http://a HTTP/1.1", "*"),
        (b"GET //x//../%2e%2e/;a:b HTTP/1.1", "//x//../%2e%2e/;a:b"),
    ],
)
def test_forms_of_the_target(gate: GateProcess, module_origin: Origin, line: bytes, target: str) -> None:
    """
    Absolute-form is reduced to what an origin is asked (RFC 9112 section 3.2), and no path is touched.
    """
    before = len(module_origin.requests)
    assert say(gate, line + b"\r\nHost: a\r\nConnection: close\r\n\r\n").startswith(b"HTTP/1.1 200")
    assert [seen.target for seen in module_origin.requests[before:]] == [target]


def test_trailers_pass_upstream(gate: GateProcess, module_origin: Origin) -> None:
    """
    A chunked request keeps its trailers, but for those that may not come late.
    """
    say(
        gate,
        b"POST /up-trailers HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n",
        b"0\r\nX-Sum: 1\r\nContent-Length: 5\r\nHost: evil\r\nAuthorization: x\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n",
    )
    [seen] = module_origin.requests_for("/up-trailers")
    assert (seen.content, seen.trailers) == (b"abc", (b"X-Sum: 1",))


def test_trailers_pass_while_the_connection_is_still_opened(gate: GateProcess, stage: Stage) -> None:
    """
    Trailers of a request that is complete before there is a connection to send it on are not lost.
    """
    seen = []

    def script(connection: socket.socket, number: int) -> None:
        head_of(connection)
        content = b""
        while not content.endswith(b"\r\n\r\n"):
            content += connection.recv(1)
        seen.append(content)
        connection.sendall(response(200, b"ok"))

    stage.play(script)
    say(
        gate,
        b"PUT / HTTP/1.1\r\nHost: raw\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        b"1\r\nx\r\n0\r\nX-T: 1\r\n\r\n",
    )
    assert seen == [b"1\r\nx\r\n0\r\nX-T: 1\r\n\r\n"]


def test_trailers_pass_downstream(gate: GateProcess, module_origin: Origin) -> None:
    """
    A chunked response keeps its trailers, but for those that may not come late.
    """
    module_origin.answer("/down-trailers", TRAILERS + b"X-Sum: 1\r\nSet-Cookie: a=1\r\nTransfer-Encoding: x\r\n\r\n")
    answer = say(gate, b"GET /down-trailers HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert answer.endswith(b"3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n")


def test_interim_responses_pass(gate: GateProcess, module_origin: Origin) -> None:
    """
    103 comes before the answer, to a client that can read it (RFC 9110 section 15.2).
    """
    module_origin.answer("/hints", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + response(200, b"ok"))
    answer = say(gate, b"GET /hints HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200")
    assert say(gate, b"GET /hints HTTP/1.0\r\nHost: a\r\n\r\n").startswith(b"HTTP/1.1 200")


def test_expect_continue(gate: GateProcess, module_origin: Origin) -> None:
    """
    A client that waits for C{100 Continue} gets the origin's, and its content then arrives.
    """
    with connect_tls(gate.https) as client:
        client.sendall(b"PUT /continue HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        assert head_of(client).startswith(b"HTTP/1.1 100 ")
        client.sendall(b"abc")
        assert message(client)[0].startswith(b"HTTP/1.1 200")
    assert [seen.content for seen in module_origin.requests_for("/continue")] == [b"abc"]


@pytest.mark.parametrize("status", [401, 413, 417])
def test_expect_with_a_final_answer(gate: GateProcess, stage: Stage, status: int) -> None:
    """
    An origin that refuses without reading: its answer arrives, and neither connection is used again.
    """
    ended = []

    def script(connection: socket.socket, number: int) -> None:
        head_of(connection)
        connection.sendall(response(status, b"no"))
        try:
            ended.append(connection.recv(10))
        except ConnectionResetError:
            ended.append("reset")

    stage.play(script)
    answer = say(gate, b"PUT / HTTP/1.1\r\nHost: raw\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 %d" % status)
    assert b"\r\nConnection: close\r\n" in answer
    assert answer.endswith(b"\r\n\r\nno")
    assert until(lambda: ended)
    assert ended == ["reset"]


def test_other_expectations_are_refused(gate: GateProcess) -> None:
    """
    RFC 9110 section 10.1.1: 417.
    """
    assert say(gate, b"GET / HTTP/1.1\r\nHost: a\r\nExpect: a-miracle\r\n\r\n").startswith(b"HTTP/1.1 417 ")


def test_clients_of_http_1_0(gate: GateProcess, module_origin: Origin) -> None:
    """
    They get no chunks, are kept alive if they ask for it, and need not name a host.
    """
    module_origin.answer("/chunks", TRAILERS + b"\r\n")
    head, content = head_and_content(say(gate, b"GET /chunks HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"))
    assert b"transfer-encoding" not in head.lower()
    assert b"\r\nConnection: close" in head
    assert content == b"abc"
    [seen] = module_origin.requests_for("/chunks")
    assert seen.all("host") == [f"127.0.0.1:{gate.http}"]
    module_origin.answer("/known", response(200, b"abc"))
    answer = say(gate, b"GET /known HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", b"GET /known HTTP/1.0\r\n\r\n")
    assert answer.count(b"HTTP/1.1 200") == 2
    assert answer.count(b"Connection: keep-alive") == 1


@pytest.mark.parametrize(
    "answering",
    [
        pieces(b"HTTP/1.0 200 OK\r\n\r\nab", b"c"),
        pieces(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc"),
        b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc",
        pieces(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2  \r\n", b"bc\r\n0\r\n\r\n"),
    ],
)
def test_origins_of_all_kinds(gate: GateProcess, module_origin: Origin, answering: object) -> None:
    """
    HTTP/1.0, content until the close, padded chunks: the client gets whole messages on a connection that stays.
    """
    module_origin.answer("/kind", answering)
    for _ in range(2):
        with gate.connection() as client:
            for _ in range(2):
                client.request("GET", "/kind")
                assert client.getresponse().read() == b"abc"


@pytest.mark.parametrize("status", [204, 304])
def test_answers_that_have_no_content(gate: GateProcess, module_origin: Origin, status: int) -> None:
    """
    204 and 304 end with their head, whatever they say, and so do answers to HEAD.
    """
    path = f"/bare{status}"
    module_origin.answer(path, f"HTTP/1.1 {status} X\r\nETag: 1\r\n\r\n".encode())
    module_origin.answer("/head", b"HTTP/1.1 200 X\r\nContent-Length: 12345\r\n\r\n")
    with gate.connection() as client:
        for _ in range(2):
            client.request("GET", path)
            answer = client.getresponse()
            assert (answer.status, answer.read()) == (status, b"")
            client.request("HEAD", "/head")
            answer = client.getresponse()
            assert (answer.getheader("Content-Length"), answer.read()) == ("12345", b"")


def test_pipelined_requests_are_answered_in_order(gate: GateProcess, module_origin: Origin) -> None:
    """
    The slow first is answered before the quick second, and one that the gate answers itself waits its turn.
    """
    module_origin.answer("/slow", pieces(b"", response(200, b"first"), pause=0.3, close=False))
    module_origin.answer("/quick", response(200, b"second"))
    answer = say(
        gate,
        b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n"
        b"POST /quick HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"
        b"GET / HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n",
    )
    at = [answer.index(b"first"), answer.index(b"second"), answer.index(b"417 ")]
    assert at == sorted(at)


def test_many_pipelined_requests(gate: GateProcess, module_origin: Origin) -> None:
    """
    Far more than is read ahead: all are answered.
    """
    module_origin.answer("/p", response(200, b"x"))
    count = 600
    with connect(gate.http) as client:
        client.sendall(b"GET /p HTTP/1.1\r\nHost: a\r\nX-Long: %b\r\n\r\n" % (b"y" * 200) * count)
        got = b""
        while got.count(b"HTTP/1.1 200") < count:
            data = client.recv(65536)
            assert data, got[-200:]
            got += data


def test_an_upgrade_that_is_declined(gate: GateProcess, module_origin: Origin) -> None:
    """
    The connection stays one of HTTP, on both sides; C{h2c} is not even offered.
    """
    upgrade = (
        b"GET /declined HTTP/1.1\r\nHost: a\r\n"
        b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: %b\r\nHTTP2-Settings: A\r\n\r\n"
    )
    answer = say(
        gate,
        upgrade % b"websocket" + upgrade % b"h2c",
        b"GET /after HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    )
    assert answer.count(b"HTTP/1.1 200") == 3
    first, second = module_origin.requests_for("/declined")
    assert (first.all("upgrade"), first.all("connection")) == (["websocket"], ["Upgrade"])
    assert second.all("upgrade") == second.all("connection") == second.all("http2-settings") == []
    assert len({first.connection, second.connection, module_origin.requests_for("/after")[0].connection}) == 1


def test_http_1_0_cannot_upgrade(gate: GateProcess, module_origin: Origin) -> None:
    """
    RFC 9110 section 7.8: C{Upgrade} in HTTP/1.0 is ignored.
    """
    say(gate, b"GET /old-upgrade HTTP/1.0\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
    [seen] = module_origin.requests_for("/old-upgrade")
    assert seen.all("upgrade") == []


def test_an_answer_before_the_upload_is_complete(gate: GateProcess, stage: Stage) -> None:
    """
    The origin answers and goes on reading nothing: the client has the answer, whole, though it still sends.
    """

    def script(connection: socket.socket, number: int) -> None:
        head_of(connection)
        connection.sendall(response(403, b"enough"))
        time.sleep(1)

    stage.play(script)
    with connect(gate.http) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: raw\r\nContent-Length: 100000000\r\n\r\n")
        head, content = message(client)
        assert head.startswith(b"HTTP/1.1 403")
        assert b"\r\nConnection: close\r\n" in head
        assert content == b"enough"


def test_content_passes_piece_by_piece(gate: GateProcess, module_origin: Origin) -> None:
    """
    Nothing is held back: each event of a stream arrives before the next is sent.
    """
    module_origin.answer(
        "/events", pieces(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n", b"data: 1\n\n", pause=0.4)
    )
    with connect(gate.http) as client:
        client.sendall(b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
        begun = time.monotonic()
        head_of(client)
        assert time.monotonic() - begun < 0.3
        assert client.recv(100) == b"9\r\ndata: 1\n\n\r\n"
        assert client.recv(100) == b"0\r\n\r\n"


def test_trusted_peers_are_believed(gate: GateProcess, module_origin: Origin) -> None:
    """
    A trusted peer's word on the client and the request's name is kept, and the JSON log says which rule chose.
    """
    sent = {"X-Forwarded-For": "6.6.6.6, 10.1.1.1", "X-Request-ID": "abc-1", "X-Forwarded-Proto": "http"}
    gate.get("/t", host="trusting", fields=sent)
    [seen] = module_origin.requests_for("/t")
    assert seen.all("x-forwarded-for") == ["6.6.6.6, 10.1.1.1, 127.0.0.1"]
    assert seen.all("x-request-id") == ["abc-1"]
    assert "for=127.0.0.1" in seen.all("forwarded")[0]
    assert until(lambda: '"/t"' in gate.access_log.read_text())
    [row] = [json.loads(line) for line in gate.access_log.read_text().splitlines() if '"/t"' in line]
    assert (row["client_ip"], row["peer_ip"], row["request_id"]) == ("10.1.1.1", "127.0.0.1", "abc-1")
    assert "x-forwarded-for" in row.values()


def test_both_directions_at_once(gate: GateProcess, stage: Stage) -> None:
    """
    What the origin answers while it still reads arrives before the request's end.
    """

    def script(connection: socket.socket, number: int) -> None:
        head_of(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
        if exactly(connection, 8) == b"3\r\nxyz\r\n":
            connection.sendall(b"1\r\nb\r\n")
        if exactly(connection, 5) == b"0\r\n\r\n":
            connection.sendall(b"0\r\n\r\n")
        connection.recv(1)

    stage.play(script)
    with connect(gate.http) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: raw\r\nTransfer-Encoding: chunked\r\n\r\n")
        head_of(client)
        assert exactly(client, 6) == b"1\r\na\r\n"
        client.sendall(b"3\r\nxyz\r\n")
        assert exactly(client, 6) == b"1\r\nb\r\n"
        client.sendall(b"0\r\n\r\n")
        assert exactly(client, 5) == b"0\r\n\r\n"
