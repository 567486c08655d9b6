"""
What passes through means the same to other libraries on both sides: h11 reads the messages, wsproto speaks through a tunnel.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import h11
from hypothesis import given, settings
from hypothesis import strategies as st
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Message,
    Ping,
    Pong,
    Request,
    TextMessage,
)

CUTS = st.lists(st.integers(1, 40), max_size=12)
# A prefix of ours tells the fields of a message from those that the gate adds.
LINES = st.lists(
    st.tuples(
        st.text("abcXYZ-!'*.09", max_size=8).map(lambda name: b"Xq" + name.encode()),
        st.binary(max_size=12).map(lambda v: bytes(b for b in v if b == 9 or (b >= 32 and b != 127)).strip(b" \t")),
    ),
    max_size=5,
)
CONTENTS = st.lists(st.binary(min_size=1, max_size=60), max_size=4)
FRAMINGS = st.sampled_from(["none", "length", "chunked"])
TARGETS = st.text("abz/09?&=%.;:@!$'()*+,-_~", max_size=20).map(lambda path: b"/" + path.encode())


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    """
    Pieces of these sizes, and the rest.
    """
    pieces = []
    for size in sizes:
        pieces.append(data[:size])
        data = data[size:]
    return [piece for piece in [*pieces, data] if piece]


@st.composite
def framed(draw: st.DrawFn, framing: str) -> tuple[bytes, bytes, list[tuple[bytes, bytes]], list[tuple[bytes, bytes]]]:
    """
    The end of a message in bytes, and what it says: content, fields, trailers.
    """
    lines, pieces = draw(LINES), draw(CONTENTS)
    content = b"".join(pieces)
    trailers: list[tuple[bytes, bytes]] = []
    head = b"".join(b"%b: %b\r\n" % line for line in lines)
    if framing == "length":
        return head + b"Content-Length: %d\r\n\r\n%b" % (len(content), content), content, lines, []
    if framing == "none":
        return head + b"\r\n", b"", lines, []
    trailers = draw(LINES)
    body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n"
    body += b"".join(b"%b: %b\r\n" % line for line in trailers) + b"\r\n"
    return head + b"Transfer-Encoding: chunked\r\n\r\n" + body, content, lines, trailers


def ours(lines: Any) -> list[tuple[bytes, bytes]]:
    """
    The fields that the sender wrote, in order; h11 writes names in lower case.
    """
    return [(name.lower(), value) for name, value in lines if name.lower().startswith(b"xq")]


def read(connection: h11.Connection, data: bytes) -> tuple[Any, bytes, list[tuple[bytes, bytes]]]:
    """
    One whole message as h11 reads it: its head, its content, its trailers.
    """
    connection.receive_data(data)
    head = connection.next_event()
    content = b""
    while isinstance(event := connection.next_event(), h11.Data):
        content += event.data
    assert isinstance(event, h11.EndOfMessage), event
    assert connection.trailing_data[0] == b""
    return head, content, ours(event.headers)


@contextlib.contextmanager
def joined(bench: Any, request: bytes, sizes: list[int]) -> Iterator[tuple[Any, Any, bytes]]:
    """
    A client that has sent a request, the origin that got it, and what that got.
    """
    client = bench.client()
    client.sends(*cut(request, sizes))
    origin = bench.origin()
    try:
        yield client, origin, origin.hears()
    finally:
        client.channel.connectionLost()
        origin.closes()
        bench.spin()
    assert (bench.app.outstanding, bench.app.idle, bench.app.active) == (0, 0, 0)


@settings(max_examples=60)
@given(st.data())
def test_messages_mean_the_same_on_both_sides(lasting_bench: Any, data: st.DataObject) -> None:
    """
    Method, target, status, fields in order, content and trailers of a request and its response, however they are cut.
    """
    method = data.draw(st.sampled_from([b"GET", b"POST", b"PUT", b"DELETE"]))
    target = data.draw(TARGETS)
    body, content, lines, trailers = data.draw(framed(data.draw(FRAMINGS)))
    request = b"%b %b HTTP/1.1\r\nHost: a\r\n%b" % (method, target, body)
    with joined(lasting_bench, request, data.draw(CUTS)) as (client, origin, heard):
        head, got, got_trailers = read(h11.Connection(h11.SERVER), heard)
        assert (head.method, head.target) == (method, target)
        assert (ours(head.headers), got, got_trailers) == (ours(lines), content, ours(trailers))

        status = data.draw(st.sampled_from([200, 201, 404, 500]))
        body, content, lines, trailers = data.draw(framed(data.draw(st.sampled_from(["length", "chunked"]))))
        origin.says(*cut(b"HTTP/1.1 %d Why\r\n%b" % (status, body), data.draw(CUTS)))
        reader = h11.Connection(h11.CLIENT)
        reader.send(h11.Request(method=method, target=target, headers=[(b"Host", b"a")]))
        reader.send(h11.EndOfMessage())
        head, got, got_trailers = read(reader, client.hears())
        assert (head.status_code, head.reason) == (status, b"Why")
        assert (ours(head.headers), got, got_trailers) == (ours(lines), content, ours(trailers))
        assert reader.their_state is h11.DONE


WORDS = st.text(max_size=50) | st.binary(max_size=300)
SAID = st.lists(st.tuples(st.booleans(), WORDS | st.none()), max_size=8)


def messages(events: Any) -> Any:
    """
    Whole messages and all else that was heard, in order.
    """
    parts: Any = None
    for event in events:
        if isinstance(event, Message):
            parts = event.data if parts is None else parts + event.data
            if event.message_finished:
                yield bytes(parts) if isinstance(event, BytesMessage) else parts
                parts = None
        else:
            yield event


@settings(max_examples=25)
@given(SAID, CUTS, st.integers(3000, 4999))
def test_web_sockets_mean_the_same_on_both_sides(
    lasting_bench: Any, said: list[tuple[bool, Any]], sizes: list[int], code: int
) -> None:
    """
    The handshake, messages and pings from both sides, and the closing handshake, however they are cut.
    """
    near, far = WSConnection(ConnectionType.CLIENT), WSConnection(ConnectionType.SERVER)
    request = near.send(Request(host="a", target="/ws", subprotocols=["one", "two"]))
    with joined(lasting_bench, request, sizes) as (client, origin, heard):

        def pass_up(sent: bytes) -> list[Any]:
            client.sends(*cut(sent, sizes))
            far.receive_data(origin.hears())
            return list(messages(far.events()))

        def pass_down(sent: bytes) -> list[Any]:
            origin.says(*cut(sent, sizes))
            near.receive_data(client.hears())
            return list(messages(near.events()))

        far.receive_data(heard)
        [asked] = far.events()
        assert isinstance(asked, Request)
        assert (asked.target, asked.subprotocols) == ("/ws", ["one", "two"])
        [accepted] = pass_down(far.send(AcceptConnection(subprotocol="two")))
        assert accepted == AcceptConnection(subprotocol="two", extra_headers=accepted.extra_headers)
        for up, words in said:
            speaker, pass_on = (near, pass_up) if up else (far, pass_down)
            if words is None:
                assert pass_on(speaker.send(Ping(payload=b"there?"))) == [Ping(payload=b"there?")]
                answer = (far if up else near).send(Pong(payload=b"there?"))
                assert (pass_down if up else pass_up)(answer) == [Pong(payload=b"there?")]
            else:
                kind = TextMessage if isinstance(words, str) else BytesMessage
                half = len(words) // 2
                sent = speaker.send(kind(data=words[:half], message_finished=False))  # type: ignore[arg-type]
                sent += speaker.send(kind(data=words[half:]))  # type: ignore[arg-type]
                assert pass_on(sent) == [words]
        [closed] = pass_up(near.send(CloseConnection(code=code, reason="enough")))
        assert closed == CloseConnection(code=code, reason="enough")
        assert pass_down(far.send(closed.response())) == [CloseConnection(code=code, reason="enough")]
        origin.closes()
        assert client.transport.half_closed
