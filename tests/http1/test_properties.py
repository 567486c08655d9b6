"""
Whatever the bytes and however they are cut: the same events, and the same messages that h11 and llhttp read.
"""

from __future__ import annotations

from typing import Any

import h11
import httptools
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tlsgate.http1 import End, ProtocolViolation, ReaderLimits, RequestReader, ResponseReader

LIMITS = ReaderLimits()
SMALL = ReaderLimits(target=100, fields=300, field_lines=5, trailers=80, trailer_lines=2, chunk_line=20)

FRAGMENTS = [
    *[b"\r\n", b"\n", b"\r", b" ", b"\t", b":", b"0", b"5", b"1\r\nx\r\n", b"0\r\n\r\n", b"\0", b"\xff", b";", b","],
    *[
        b"GET / HTTP/1.1\r\n",
        b"POST /a HTTP/1.0\r\n",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 103 \r\n",
        b"HTTP/1.0 304\r\n",
    ],
    *[b"Host: a\r\n", b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b"A: b\r\n", b"abc", b"\r\n\r\n"],
]
STREAMS = st.lists(st.sampled_from(FRAGMENTS) | st.binary(max_size=4), max_size=24).map(b"".join)
CUTS = st.lists(st.integers(1, 9), max_size=60)


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    pieces = []
    for size in sizes:
        pieces.append(data[:size])
        data = data[size:]
    return [piece for piece in [*pieces, data] if piece]


def readers() -> list[Any]:
    head = ResponseReader(LIMITS)
    head.method = b"HEAD"
    return [RequestReader(LIMITS), RequestReader(SMALL), ResponseReader(LIMITS), ResponseReader(SMALL), head]


@given(STREAMS, CUTS)
def test_any_cut_gives_the_same_events(read: Any, data: bytes, sizes: list[int]) -> None:
    """
    Events depend on the bytes alone, and arbitrary bytes give events or a violation and nothing else.  Of several faults of
    one head the cut may decide which is named.
    """
    for one, other in zip(readers(), readers(), strict=True):
        whole, pieces = read(one, data), read(other, *cut(data, sizes))
        assert [e if e[0] != "violation" else e[:1] for e in whole] == [
            e if e[0] != "violation" else e[:1] for e in pieces
        ]
        if not whole or whole[-1][0] != "violation":
            assert (one.buffered, one.in_content) == (other.buffered, other.in_content)


TOKENS = st.text("abcXYZ-_!#'*.^`|~09", min_size=1, max_size=10).map(str.encode)
LINES = st.lists(
    st.tuples(
        TOKENS.map(b"X".__add__),
        st.binary(max_size=16).map(lambda v: bytes(b for b in v if b == 9 or (b >= 32 and b != 127)).strip(b" \t")),
    ),
    max_size=6,
)
TARGETS = st.text("abz/09?&=%.;:@!$'()*+,-_~", max_size=20).map(lambda path: b"/" + path.encode())
CONTENTS = st.lists(st.binary(min_size=1, max_size=40), max_size=5)


@st.composite
def messages(draw: st.DrawFn) -> tuple[bytes, tuple[bytes, bytes, list[tuple[bytes, bytes]], bytes, list[Any]]]:
    """
    A well-formed request in bytes, and what it says: method, target, fields, content, trailers.
    """
    method, target = draw(st.sampled_from([b"GET", b"POST", b"PUT", b"DELETE", b"OPTIONS"])), draw(TARGETS)
    lines = [*draw(LINES), (b"Host", b"a.example:8443"), *draw(LINES)]
    pieces, framing = draw(CONTENTS), draw(st.sampled_from(["none", "length", "chunked"]))
    trailers: list[tuple[bytes, bytes]] = []
    body = content = b"".join(pieces)
    if framing == "length":
        lines.append((b"Content-Length", b"%d" % len(content)))
    elif framing == "chunked":
        lines.insert(0, (b"transfer-encoding", b"chunked"))
        trailers = draw(LINES)
        extension = draw(st.sampled_from([b"", b";a", b";a=b", b';a="b"']))
        form = draw(st.sampled_from([b"%x", b"%X", b"00%x"]))
        body = b"".join((form % len(piece)) + extension + b"\r\n" + piece + b"\r\n" for piece in pieces)
        body += b"0%b\r\n%b\r\n" % (extension, b"".join(b"%b:%b\r\n" % line for line in trailers))
    else:
        body = content = b""
    # llhttp takes no tab after a transfer coding.
    before, after = draw(st.sampled_from([b"", b" ", b" \t "])), draw(st.sampled_from([b"", b" "]))
    head = b"%b %b HTTP/1.1\r\n" % (method, target)
    head += b"".join(b"%b:%b%b%b\r\n" % (name, before, value, after) for name, value in lines)
    return head + b"\r\n" + body, (method, target, lines, content, trailers)


def said(events: list[Any]) -> tuple[Any, ...]:
    """
    The events of one complete request, as a message.
    """
    (kind, method, target, _, lines, framing), *rest = events
    assert kind == "request"
    trailers = []
    if framing:
        assert rest.pop()[0] == "end"
        trailers = events[-1][1]
    content = b"".join(event[1] for event in rest)
    return method, target, lines, content, trailers


def h11_reads(data: bytes) -> tuple[Any, ...]:
    """
    The same message as h11 reads it.
    """
    server = h11.Connection(h11.SERVER)
    server.receive_data(data)
    head = server.next_event()
    assert isinstance(head, h11.Request)
    content = b""
    while isinstance(event := server.next_event(), h11.Data):
        content += bytes(event.data)
    assert isinstance(event, h11.EndOfMessage)
    return head.method, head.target, head.headers.raw_items(), content, event.headers.raw_items()


def httptools_reads(data: bytes) -> tuple[Any, ...]:
    """
    The same message as llhttp reads it: it reports trailers as further fields.
    """

    class Message:
        def __init__(self) -> None:
            self.target = self.content = b""
            self.lines: list[tuple[bytes, bytes]] = []
            self.fields = self.ends = 0

        def on_url(self, url: bytes) -> None:
            self.target += url

        def on_header(self, name: bytes, value: bytes) -> None:
            self.lines.append((name, value.strip(b" \t")))

        def on_headers_complete(self) -> None:
            self.fields = len(self.lines)

        def on_body(self, content: bytes) -> None:
            self.content += content

        def on_message_complete(self) -> None:
            self.ends += 1

    message = Message()
    parser = httptools.HttpRequestParser(message)
    parser.feed_data(data)
    assert message.ends == 1
    lines, trailers = message.lines[: message.fields], message.lines[message.fields :]
    return parser.get_method(), message.target, lines, message.content, trailers


@given(messages(), CUTS)
def test_h11_and_httptools_read_the_same(read: Any, message: tuple[bytes, Any], sizes: list[int]) -> None:
    """A well-formed request is accepted here, and two other readers see the same request in it."""
    data, expected = message
    assert said(read(RequestReader(LIMITS), *cut(data, sizes))) == expected
    assert h11_reads(data) == expected
    assert httptools_reads(data) == expected


@given(messages(), st.lists(st.tuples(st.integers(0, 200), st.integers(0, 3), st.sampled_from(FRAGMENTS)), max_size=3))
@settings(max_examples=200)
def test_what_is_accepted_is_read_the_same(
    read: Any, message: tuple[bytes, Any], changes: list[tuple[int, int, bytes]]
) -> None:
    """
    A request that someone has tampered with is refused or incomplete here, or h11 sees the same request in it, with the same
    bytes after its end.
    """
    data, _ = message
    for at, removed, put in changes:
        data = data[:at] + put + data[at + removed :]
    # A space before the semicolon of a chunk extension is allowed (RFC 9112 section 7.1.1), and h11 does without.
    assume(b" ;" not in data and b"\t;" not in data)
    events = read(RequestReader(LIMITS), data)
    ends = [n for n, e in enumerate(events) if e[0] == "end" or (e[0] == "request" and e[-1] == 0)]
    if not ends:
        return
    method, target, lines, content, trailers = said(events[: ends[0] + 1])
    # h11 takes no empty line before a request, and joins equal lengths.
    theirs = h11_reads(data.removeprefix(b"\r\n"))
    lengths = [line for line in lines if line[0].lower() == b"content-length"]
    for repeated in lengths[1:]:
        lines.reverse()
        lines.remove(repeated)
        lines.reverse()
    assert theirs == (method, target, lines, content, trailers)


@st.composite
def answers(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """
    A method, and a well-formed final response to it in bytes.
    """
    lines, content = draw(LINES), b"".join(draw(CONTENTS))
    framing = draw(st.sampled_from([b"", b"Content-Length: %d\r\n" % len(content), b"Transfer-Encoding: chunked\r\n"]))
    if framing.startswith(b"T"):
        content = b"%x\r\n%b\r\n0\r\nX-Sum: 1\r\n\r\n" % (len(content), content) if content else b"0\r\n\r\n"
    status = draw(st.sampled_from([b"200 OK", b"200", b"404 ", b"204 No", b"304 Not", b"500 \xe9"]))
    head = b"HTTP/1.1 %b\r\n%b" % (status, b"".join(b"%b: %b\r\n" % line for line in lines))
    return draw(st.sampled_from([b"GET", b"HEAD"])), head + framing + b"\r\n" + content


def h11_reads_answer(method: bytes, data: bytes) -> tuple[Any, ...]:
    """
    The final response as h11 reads it: status, fields, content, what follows.
    """
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method=method, target="/", headers=[("Host", "a")]))
    client.send(h11.EndOfMessage())
    client.receive_data(data)
    client.receive_data(b"")
    while isinstance(head := client.next_event(), h11.InformationalResponse):
        pass
    assert isinstance(head, h11.Response)
    content = b""
    while isinstance(event := client.next_event(), h11.Data):
        content += bytes(event.data)
    assert isinstance(event, h11.EndOfMessage)
    return head.status_code, head.headers.raw_items(), content, client.trailing_data[0]


@given(answers(), st.lists(st.tuples(st.integers(0, 120), st.integers(0, 3), st.sampled_from(FRAGMENTS)), max_size=2))
@settings(max_examples=200)
def test_what_is_believed_is_read_the_same(
    read: Any, answer: tuple[bytes, bytes], changes: list[tuple[int, int, bytes]]
) -> None:
    """
    A response that someone has tampered with is refused or incomplete here, or h11 sees the same response in it, with the
    same bytes after its end.
    """
    method, data = answer
    for at, removed, put in changes:
        data = data[:at] + put + data[at + removed :]
    assume(b" ;" not in data and b"\t;" not in data)
    reader = ResponseReader(LIMITS)
    reader.method = method
    reader.receive_data(data)
    head, content, ended = None, b"", False
    try:
        while not ended and (event := reader.next_event()) is not None:
            if isinstance(event, bytes):
                content += event
            elif isinstance(event, End):
                ended = True
            else:
                head, ended = event, event.framing == 0 and event.status >= 200
        ended = ended or isinstance(reader.receive_eof(), End)
    except ProtocolViolation:
        return
    if not ended or head is None:
        return
    assume(sum(name.lower() == b"content-length" for name, _ in head.fields.lines) < 2)
    assert h11_reads_answer(method, data) == (head.status, head.fields.lines, content, reader.take_rest())
