"""
Readers take bytes in any cut and give the same events, refuse what could be read in two ways, and hold little.
"""

from __future__ import annotations

import time
from typing import Any

import pytest

from tlsgate.http1 import CHUNKED, UNTIL_CLOSE, End, ProtocolViolation, ReaderLimits, RequestReader, ResponseReader

LIMITS = ReaderLimits()
HOST = [(b"Host", b"a")]
POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
CODED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\n"
CODED_ANSWER = ANSWER + b"Transfer-Encoding: chunked\r\n\r\n"


def singly(data: bytes) -> list[bytes]:
    """
    Bytes as they come from someone who sends one at a time.
    """
    return [data[at : at + 1] for at in range(len(data))]


def get(target: bytes) -> tuple[Any, ...]:
    return ("request", b"GET", target, 1, HOST, 0)


# What is read.


@pytest.mark.parametrize(
    ("what", "data", "expected"),
    [
        ("a plain request", b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n", [get(b"/a")]),
        ("one empty line before it", b"\r\nGET /a HTTP/1.1\r\nHost: a\r\n\r\n", [get(b"/a")]),
        ("HTTP/1.0 without a host", b"GET / HTTP/1.0\r\n\r\n", [("request", b"GET", b"/", 0, [], 0)]),
        ("HTTP/1.0 with one", b"GET / HTTP/1.0\r\nHost: a\r\n\r\n", [("request", b"GET", b"/", 0, HOST, 0)]),
        (
            "an unknown method",
            b"M-SEARCH * HTTP/1.1\r\nHost: a\r\n\r\n",
            [("request", b"M-SEARCH", b"*", 1, HOST, 0)],
        ),
        ("absolute-form", b"GET http://b/c?d HTTP/1.1\r\nHost: a\r\n\r\n", [get(b"http://b/c?d")]),
        ("a target kept as sent", b'GET //a/../%2F?"<\\|^> HTTP/1.1\r\nHost: a\r\n\r\n', [get(b'//a/../%2F?"<\\|^>')]),
        (
            "latin-1 and UTF-8 in values",
            b"GET / HTTP/1.1\r\nHost: a\r\nA: \xe9 \xc3\xa9\r\n\r\n",
            [("request", b"GET", b"/", 1, [*HOST, (b"A", b"\xe9 \xc3\xa9")], 0)],
        ),
        (
            "content with a length",
            POST + b"Content-Length: 5\r\n\r\nhello",
            [("request", b"POST", b"/", 1, [*HOST, (b"Content-Length", b"5")], 5), ("content", b"hello"), ("end", [])],
        ),
        (
            "a length of zero is no content",
            POST + b"Content-Length: 0\r\n\r\n",
            [("request", b"POST", b"/", 1, [*HOST, (b"Content-Length", b"0")], 0)],
        ),
        (
            "pipelined requests",
            b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n\r\nGET /3 HTTP/1.1\r\nHost: a\r\n\r\n",
            [get(b"/1"), get(b"/2"), get(b"/3")],
        ),
        (
            "a request after content",
            POST + b"Content-Length: 2\r\n\r\nhiGET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
            [
                ("request", b"POST", b"/", 1, [*HOST, (b"Content-Length", b"2")], 2),
                ("content", b"hi"),
                ("end", []),
                get(b"/2"),
            ],
        ),
    ],
)
def test_requests(read: Any, what: str, data: bytes, expected: list[Any]) -> None:
    """What is allowed is read as it was sent, whole or byte by byte."""
    assert read(RequestReader(LIMITS), data) == expected, what
    assert read(RequestReader(LIMITS), *singly(data)) == expected, what


@pytest.mark.parametrize(
    ("what", "chunks", "content", "trailers"),
    [
        ("nothing", b"0\r\n\r\n", b"", []),
        ("one chunk", b"5\r\nhello\r\n0\r\n\r\n", b"hello", []),
        ("zeros before a size", b"0005\r\nhello\r\n000\r\n\r\n", b"hello", []),
        ("either case", b"a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", b"0123456789" * 2, []),
        ("extensions", b'5;a=b;c="\xe9\t;"\r\nhello\r\n0;last\r\n\r\n', b"hello", []),
        ("line ends as content", b"4\r\n\r\n\r\n\r\n0\r\n\r\n", b"\r\n\r\n", []),
        ("trailers", b"1\r\nx\r\n0\r\nX-Sum: 1\r\nx-b:\r\n\r\n", b"x", [(b"X-Sum", b"1"), (b"x-b", b"")]),
        (
            "trailers that mean nothing there",
            b"0\r\nContent-Length: 5, 6\r\nTransfer-Encoding: x\r\nHost: b/c\r\n\r\n",
            b"",
            [(b"Content-Length", b"5, 6"), (b"Transfer-Encoding", b"x"), (b"Host", b"b/c")],
        ),
    ],
)
def test_chunked(read: Any, what: str, chunks: bytes, content: bytes, trailers: list[Any]) -> None:
    """Content without its framing, then the trailers; the next message begins right after."""
    tail = [*([("content", content)] if content else []), ("end", trailers)]
    following = b"GET /2 HTTP/1.1\r\nHost: a\r\n\r\n"
    for pieces in ([CODED + chunks + following], singly(CODED + chunks + following)):
        head, *rest = read(RequestReader(LIMITS), *pieces)
        assert head == ("request", b"POST", b"/", 1, [*HOST, (b"Transfer-Encoding", b"chunked")], CHUNKED)
        assert rest == [*tail, get(b"/2")], what
    for pieces in ([CODED_ANSWER + chunks], singly(CODED_ANSWER + chunks)):
        assert read(ResponseReader(LIMITS), *pieces)[1:] == tail, what


def test_equal_fields_are_parsed_once() -> None:
    """A peer that repeats its fields gets the same object, memo and all; other bytes give another."""
    reader = RequestReader(LIMITS)
    reader.receive_data(
        b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.0\r\nHost: a\r\n\r\nGET /3 HTTP/1.1\r\nhost: a\r\n\r\n"
    )
    first, second, third = (reader.next_event() for _ in range(3))
    assert first.fields is second.fields  # type: ignore[union-attr]
    assert third.fields is not first.fields  # type: ignore[union-attr]


@pytest.mark.parametrize(("size", "kept"), [(8_000, True), (8_300, False)])
def test_large_fields_are_not_kept(size: int, kept: bool) -> None:
    """An idle connection holds no more than 8 KiB of fields, whatever it has sent."""
    reader = RequestReader(LIMITS)
    reader.receive_data(padded_head(b"GET / HTTP/1.1", size) * 2)
    first, second = reader.next_event(), reader.next_event()
    assert (first.fields is second.fields) is kept  # type: ignore[union-attr]


def test_content_state() -> None:
    """Between a head with content and its end a reader is in content; C{take_rest} gives up what is not read."""
    reader = RequestReader(LIMITS)
    assert (reader.in_content, reader.buffered) == (False, 0)
    reader.receive_data(POST + b"Content-Length: 3\r\n\r\nabcrest")
    reader.next_event()
    assert reader.in_content
    assert reader.next_event() == b"abc"
    assert reader.in_content
    assert isinstance(reader.next_event(), End)
    assert (reader.in_content, reader.buffered) == (False, 4)
    assert reader.take_rest() == b"rest"
    assert reader.buffered == 0


# What is refused.


def request(*lines: bytes) -> bytes:
    return b"\r\n".join([*lines, b"", b""])


REFUSED_REQUESTS: list[tuple[str, bytes, int, str]] = [
    ("HTTP/0.9", b"GET /\r\n", 400, "request-line"),
    ("HTTP/0.9 with LF", b"GET /\n", 400, "bare-line-end"),
    ("the version in lower case", request(b"GET / http/1.1", b"Host: a"), 400, "request-line"),
    ("HTTP/0.9 with a target of 20 kB", b"GET /" + b"a" * 20_000 + b"\r\n", 414, "target-too-long"),
    ("another protocol", request(b"GET / ICY/1.1", b"Host: a"), 400, "request-line"),
    ("HTTP/1.2", request(b"GET / HTTP/1.2", b"Host: a"), 505, "version"),
    ("HTTP/0.9 as a version", request(b"GET / HTTP/0.9"), 505, "version"),
    ("HTTP/3.0", request(b"GET / HTTP/3.0", b"Host: a"), 505, "version"),
    ("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "version"),
    ("a version of three digits", request(b"GET / HTTP/1.10", b"Host: a"), 400, "request-line"),
    ("a space before the request", request(b" GET / HTTP/1.1", b"Host: a"), 400, "request-line"),
    ("two spaces", request(b"GET  / HTTP/1.1", b"Host: a"), 400, "request-line"),
    ("a tab for a space", request(b"GET\t/ HTTP/1.1", b"Host: a"), 400, "request-line"),
    ("a space at the end", request(b"GET / HTTP/1.1 ", b"Host: a"), 400, "request-line"),
    ("no target", request(b"GET HTTP/1.1", b"Host: a"), 400, "request-line"),
    ("an empty target", request(b"GET  HTTP/1.1", b"Host: a"), 400, "request-line"),
    ("a space in the target", request(b"GET /a b HTTP/1.1", b"Host: a"), 400, "request-line"),
    ("a fragment in the target", request(b"GET /a#b HTTP/1.1", b"Host: a"), 400, "request-line"),
    ("NUL in the target", request(b"GET /\0 HTTP/1.1", b"Host: a"), 400, "request-line"),
    ("DEL in the target", request(b"GET /\x7f HTTP/1.1", b"Host: a"), 400, "request-line"),
    ("obs-text in the target", request(b"GET /\xe9 HTTP/1.1", b"Host: a"), 400, "request-line"),
    ("a field for a request line", request(b"Host: a", b"GET: / HTTP/1.1"), 400, "request-line"),
    ("a colon in the method", request(b"GE:T / HTTP/1.1", b"Host: a"), 400, "request-line"),
    ("a method that is no token", request(b"G(T / HTTP/1.1", b"Host: a"), 400, "request-line"),
    ("NUL before the method", request(b"\0GET / HTTP/1.1", b"Host: a"), 400, "request-line"),
    ("a method of 10 kB", request(b"A" * 10_000 + b" / HTTP/1.1", b"Host: a"), 501, "method-too-long"),
    ("two empty lines", b"\r\n\r\n" + request(b"GET / HTTP/1.1", b"Host: a"), 400, "request-line"),
    ("an empty line with LF", b"\n" + request(b"GET / HTTP/1.1", b"Host: a"), 400, "bare-line-end"),
    ("an empty line and a LF", b"\r\n\n" + request(b"GET / HTTP/1.1", b"Host: a"), 400, "bare-line-end"),
    ("an empty line with CR CR LF", b"\r\r\n" + request(b"GET / HTTP/1.1", b"Host: a"), 400, "bare-line-end"),
    ("LF after the request line", b"GET / HTTP/1.1\nHost: a\r\n\r\n", 400, "bare-line-end"),
    ("LF for each line end", b"GET / HTTP/1.1\nHost: a\n\n", 400, "bare-line-end"),
    ("LF for the empty line", b"GET / HTTP/1.1\r\nHost: a\r\n\n", 400, "bare-line-end"),
    ("CR CR LF", b"GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", 400, "bare-line-end"),
    ("CR for a line end", b"GET / HTTP/1.1\r\nHost: a\rA: b\r\n\r\n", 400, "bare-line-end"),
    ("CR in the request line", b"GET /\ra HTTP/1.1\r\nHost: a\r\n\r\n", 400, "bare-line-end"),
    ("a fold after the request line", request(b"GET / HTTP/1.1", b" Host: a"), 400, "obs-fold"),
    ("a fold", request(b"GET / HTTP/1.1", b"Host: a", b"\tb"), 400, "obs-fold"),
    ("whitespace before the colon", request(b"GET / HTTP/1.1", b"Host : a"), 400, "field-name"),
    ("NUL in a value", request(b"GET / HTTP/1.1", b"Host: a", b"A: \0"), 400, "field-value"),
    ("no host", request(b"GET / HTTP/1.1", b"A: b"), 400, "host"),
    ("no field at all", request(b"GET / HTTP/1.1"), 400, "host"),
    ("an empty host", request(b"GET / HTTP/1.1", b"Host:"), 400, "host"),
    ("an empty host in HTTP/1.0", request(b"GET / HTTP/1.0", b"Host:"), 400, "host"),
    ("two hosts", request(b"GET / HTTP/1.1", b"Host: a", b"Host: b"), 400, "host"),
    ("the same host twice", request(b"GET / HTTP/1.1", b"Host: a", b"host: a"), 400, "host"),
    ("two hosts in HTTP/1.0", request(b"GET / HTTP/1.0", b"Host: a", b"Host: a"), 400, "host"),
    ("two hosts in one", request(b"GET / HTTP/1.1", b"Host: a, b"), 400, "host"),
    ("userinfo in the host", request(b"GET / HTTP/1.1", b"Host: a@b"), 400, "host"),
    ("a port out of range", request(b"GET / HTTP/1.1", b"Host: a:65536"), 400, "host"),
    ("two lengths", POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n", 400, "content-length"),
    ("a list of lengths", POST + b"Content-Length: 5, 5\r\n\r\n", 400, "content-length"),
    ("a signed length", POST + b"Content-Length: +5\r\n\r\n", 400, "content-length"),
    ("a length of 2**63", POST + b"Content-Length: 9223372036854775808\r\n\r\n", 400, "content-length"),
    ("both framings", POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "two-framings"),
    ("chunked in HTTP/1.0", b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "coding-in-1.0"),
    ("chunked twice", POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n", 400, "coding"),
    ("identity", POST + b"Transfer-Encoding: identity\r\n\r\n", 400, "coding"),
    ("a vertical tab before chunked", POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n", 400, "field-value"),
    ("an unknown coding", POST + b"Transfer-Encoding: xchunked\r\n\r\n", 501, "unknown-coding"),
    ("201 lines", b"GET / HTTP/1.1\r\n" + b"a:\r\n" * 201 + b"\r\n", 431, "too-many-fields"),
]


@pytest.mark.parametrize(("what", "data", "status", "code"), REFUSED_REQUESTS, ids=[row[0] for row in REFUSED_REQUESTS])
def test_refused_requests(read: Any, what: str, data: bytes, status: int, code: str) -> None:
    """Each is refused before an event, in one read and byte by byte, also where another request follows."""
    following = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
    for pieces in ([data], singly(data), [data + following], singly(data + following)):
        ((kind, got, reason),) = read(RequestReader(LIMITS), *pieces)
        assert (kind, got) == ("violation", status), what
        assert not code or reason == code, what


REFUSED_CHUNKS: list[tuple[str, bytes, str]] = [
    ("a prefix", b"0x5\r\nhello\r\n", "chunk-size"),
    ("a sign", b"+5\r\nhello\r\n", "chunk-size"),
    ("a negative size", b"-5\r\nhello\r\n", "chunk-size"),
    ("an underscore", b"0_5\r\nhello\r\n", "chunk-size"),
    ("a space before the size", b" 5\r\nhello\r\n", "chunk-size"),
    ("17 digits", b"00000000000000005\r\nhello\r\n", "chunk-size"),
    ("no size", b"\r\nhello\r\n", "chunk-size"),
    ("only an extension", b";a\r\nhello\r\n", "chunk-size"),
    ("a decimal point", b"5.0\r\nhello\r\n", "chunk-size"),
    ("LF after the size", b"5\nhello\r\n", "chunk-size"),
    ("LF after an extension", b"5;a\nhello\r\n", "chunk-size"),
    ("CR in an extension", b"5;a\rb\r\nhello\r\n", "chunk-size"),
    ("CR CR LF after the size", b"5\r\r\nhello\r\n", "chunk-size"),
    ("NUL in an extension", b"5;\0\r\nhello\r\n", "chunk-size"),
    ("an extension without its semicolon", b"5 a\r\nhello\r\n", "chunk-size"),
    ("content longer than its size", b"4\r\nhello\r\n", "chunk-end"),
    ("content shorter than its size", b"5\r\nhell\r\n0\r\n\r\n", "chunk-end"),
    ("LF after content", b"5\r\nhello\n0\r\n\r\n", "chunk-end"),
    ("CR after content", b"5\r\nhello\r0\r\n\r\n", "chunk-end"),
    ("no line end after content", b"5\r\nhello0\r\n\r\n", "chunk-end"),
    ("garbage after the last chunk", b"0\r\ngarbage\r\n\r\n", "field-name"),
    ("LF after the last chunk", b"0\r\n\n", "bare-line-end"),
    ("a folded trailer", b"0\r\nA: b\r\n c\r\n\r\n", "obs-fold"),
    ("a first trailer that is folded", b"0\r\n A: b\r\n\r\n", "obs-fold"),
    ("a space before a trailer's colon", b"0\r\nA : b\r\n\r\n", "field-name"),
    ("LF in the trailers", b"0\r\nA: b\nC: d\r\n\r\n", "bare-line-end"),
    ("NUL in a trailer", b"0\r\nA: \0\r\n\r\n", "field-value"),
]


@pytest.mark.parametrize(("what", "data", "code"), REFUSED_CHUNKS, ids=[row[0] for row in REFUSED_CHUNKS])
def test_refused_chunks(read: Any, what: str, data: bytes, code: str) -> None:
    """Each is refused from clients and origins, in one read and byte by byte, and gives no end."""
    for before in (b"", b"3\r\nabc\r\n"):
        for reader, head in ((RequestReader, CODED), (ResponseReader, CODED_ANSWER)):
            whole = head + before + data
            events = read(reader(LIMITS), whole)
            assert events[-1] == ("violation", 400, code), what
            assert "end" not in [event[0] for event in events]
            assert read(reader(LIMITS), *singly(whole)) == events, what


def test_padded_sizes(read: Any) -> None:
    """Spaces after a chunk's size are taken from an origin and refused from a client."""
    chunks = b"5  \r\nhello\r\n0 \r\n\r\n"
    assert read(RequestReader(LIMITS), CODED + chunks)[-1] == ("violation", 400, "chunk-size")
    assert read(ResponseReader(LIMITS), CODED_ANSWER + chunks)[1:] == [("content", b"hello"), ("end", [])]


# Responses.


@pytest.mark.parametrize(
    ("what", "data", "events"),
    [
        (
            "a length",
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
            [("response", 200, b"OK", 1, [(b"Content-Length", b"2")], 2), ("content", b"hi"), ("end", [])],
        ),
        ("no reason", b"HTTP/1.1 204\r\n\r\n", [("response", 204, None, 1, [], 0)]),
        ("an empty reason", b"HTTP/1.0 304 \r\n\r\n", [("response", 304, b"", 0, [], 0)]),
        (
            "interim responses before the final one",
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: a\r\n\r\nHTTP/1.1 204 No\r\n\r\n",
            [
                ("response", 100, b"Continue", 1, [], 0),
                ("response", 103, b"Early", 1, [(b"Link", b"a")], 0),
                ("response", 204, b"No", 1, [], 0),
            ],
        ),
        (
            "a host that means nothing there",
            b"HTTP/1.1 204 No\r\nHost: a/b\r\nHost: c\r\n\r\n",
            [("response", 204, b"No", 1, [(b"Host", b"a/b"), (b"Host", b"c")], 0)],
        ),
        (
            "content until the close",
            b"HTTP/1.0 200 OK\r\n\r\nall \r\n\r\n of it",
            [("response", 200, b"OK", 0, [], UNTIL_CLOSE), ("content", b"all \r\n\r\n of it")],
        ),
    ],
)
def test_responses(read: Any, what: str, data: bytes, events: list[Any]) -> None:
    """What an origin may send is read as it was sent, whole or byte by byte."""
    assert read(ResponseReader(LIMITS), data) == events, what
    assert read(ResponseReader(LIMITS), *singly(data)) == events, what


REFUSED_RESPONSES: list[tuple[str, bytes, str]] = [
    ("an HTTP/0.9 answer", b"<html>hello</html>\r\n\r\n", ""),
    ("an empty line first", b"\r\nHTTP/1.1 200 OK\r\n\r\n", ""),
    ("HTTP/2", b"HTTP/2 200\r\n\r\n", ""),
    ("HTTP/1.2", b"HTTP/1.2 200 OK\r\n\r\n", "status-line"),
    ("lower case", b"http/1.1 200 OK\r\n\r\n", ""),
    ("a status of 99", b"HTTP/1.1 99 Low\r\n\r\n", "status-line"),
    ("a status of 099", b"HTTP/1.1 099 Low\r\n\r\n", "status-line"),
    ("a status of 600", b"HTTP/1.1 600 High\r\n\r\n", "status-line"),
    ("a status of 1000", b"HTTP/1.1 1000 High\r\n\r\n", "status-line"),
    ("no status", b"HTTP/1.1 OK\r\n\r\n", "status-line"),
    ("LF for line ends", b"HTTP/1.1 200 OK\n\n", "bare-line-end"),
    ("a field in the reason", b"HTTP/1.1 200 OK\nSet-Cookie: a=b\r\nA: b\r\n\r\n", ""),
    ("a CR in the reason", b"HTTP/1.1 200 OK\rSet-Cookie: a=b\r\nA: b\r\n\r\n", ""),
    ("NUL in the reason", b"HTTP/1.1 200 O\0K\r\nA: b\r\n\r\n", "status-line"),
    ("two status lines", b"HTTP/1.1 200 OK\r\nHTTP/1.1 200 OK\r\n\r\n", "field-name"),
    ("a fold", b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", "obs-fold"),
    ("whitespace before the colon", b"HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\n", "field-name"),
    ("two lengths", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", "content-length"),
    ("a signed length", b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", "content-length"),
    ("both framings", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", "two-framings"),
    ("chunked in HTTP/1.0", b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "coding"),
    ("201 lines", b"HTTP/1.1 200 OK\r\n" + b"a:\r\n" * 201 + b"\r\n", "too-many-fields"),
]


@pytest.mark.parametrize(("what", "data", "code"), REFUSED_RESPONSES, ids=[row[0] for row in REFUSED_RESPONSES])
def test_refused_responses(read: Any, what: str, data: bytes, code: str) -> None:
    """An origin that breaks the protocol is not believed: no event, in one read or byte by byte."""
    for pieces in ([data], singly(data)):
        ((kind, _, reason),) = read(ResponseReader(LIMITS), *pieces)
        assert kind == "violation", what
        assert not code or reason == code, what


@pytest.mark.parametrize(
    ("method", "data"),
    [
        (b"HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
        (b"HEAD", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        (b"GET", b"HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\nhello"),
        (b"GET", b"HTTP/1.1 304 Not\r\nContent-Length: 5\r\n\r\nhello"),
        (b"GET", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nhello"),
        (b"GET", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nhello"),
        (b"GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n\r\n"),
    ],
)
def test_bytes_after_the_end_are_seen(method: bytes, data: bytes) -> None:
    """What follows a complete response stays buffered, so its connection is not used again."""
    reader = ResponseReader(LIMITS)
    reader.method = method
    reader.receive_data(data)
    while reader.next_event() and reader.in_content:
        pass
    assert not reader.in_content
    assert reader.buffered > 0


def test_the_close_ends_what_it_delimits() -> None:
    """Content without framing ends with its connection, once; then there is nothing to come."""
    reader = ResponseReader(LIMITS)
    reader.receive_data(b"HTTP/1.1 200 OK\r\n\r\nabc")
    reader.next_event()
    assert reader.next_event() == b"abc"
    assert reader.next_event() is None
    assert isinstance(reader.receive_eof(), End)
    assert reader.receive_eof() is None
    assert reader.next_event() is None
    assert reader.in_content, "a connection that has ended is never clean"
    reader.receive_data(b"HTTP/1.1 200 OK\r\n\r\n")
    with pytest.raises(ProtocolViolation, match="after the end"):
        reader.next_event()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
        CODED_ANSWER + b"5\r\nhello\r\n",
        CODED_ANSWER + b"5\r\nhello\r\n0\r\n",
        CODED_ANSWER + b"5\r\nhello\r\n0\r\nA: b\r\n",
    ],
)
def test_the_close_ends_nothing_else(read: Any, data: bytes) -> None:
    """A response that was cut short has no end."""
    reader = ResponseReader(LIMITS)
    assert "end" not in [event[0] for event in read(reader, data)]
    assert reader.receive_eof() is None


# Limits.

SMALL = ReaderLimits(target=100, fields=300, field_lines=5, trailers=80, trailer_lines=2, chunk_line=20)


def padded_head(begin: bytes, size: int) -> bytes:
    """
    A head whose field section, with the CRLF before it and without the one that ends its last line, has a size.
    """
    lines = b"\r\nHost: a\r\nA: "
    return begin + lines + b"x" * (size - len(lines)) + b"\r\n\r\n"


@pytest.mark.parametrize(
    ("what", "fits", "exceeds", "status"),
    [
        ("target", b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n" % (b"a" * 99), b"GET /%b HTTP/1.1\r\n" % (b"a" * 100), 414),
        ("fields", padded_head(b"GET / HTTP/1.1", 300), padded_head(b"GET / HTTP/1.1", 301), 431),
        ("lines", request(b"GET / HTTP/1.1", b"Host: a", *[b"a:"] * 4), request(b"GET / HTTP/1.1", *[b"a:"] * 6), 431),
        ("chunk line", CODED + b"0;" + b"a" * 16 + b"\r\n\r\n", CODED + b"0;" + b"a" * 18, 400),
        ("trailers", CODED + b"0\r\nA: %b\r\n\r\n" % (b"x" * 77), CODED + b"0\r\nA: %b\r\n\r\n" % (b"x" * 78), 431),
        ("trailer lines", CODED + b"0\r\na:\r\nb:\r\n\r\n", CODED + b"0\r\na:\r\nb:\r\nc:\r\n\r\n", 431),
    ],
)
def test_limits(read: Any, what: str, fits: bytes, exceeds: bytes, status: int) -> None:
    """What just fits is read and what just exceeds is refused, whole or byte by byte: the cut does not decide."""
    # More fields follow the target that is too long, as they would.
    exceeds = exceeds + b"Host: a\r\n\r\n" if what == "target" else exceeds
    for pieces in ([fits], singly(fits)):
        assert "violation" not in [event[0] for event in read(RequestReader(SMALL), *pieces)], what
    for pieces in ([exceeds], singly(exceeds)):
        assert read(RequestReader(SMALL), *pieces)[-1][:2] == ("violation", status), what


def test_an_empty_line_does_not_count(read: Any) -> None:
    """The empty line before a request takes nothing from what its head may have."""
    data = b"\r\n" + padded_head(b"GET /" + b"a" * 99 + b" HTTP/1.1", 300)
    assert read(RequestReader(SMALL), *singly(data))[0][:2] == ("request", b"GET")


def test_a_response_head_is_limited(read: Any) -> None:
    """A head is as large as allowed plus a kilobyte for its status line, whole or byte by byte."""
    most = SMALL.fields + 1024
    fits = b"HTTP/1.1 204 " + b"x" * (most - 13) + b"\r\n\r\n"
    exceeds = b"HTTP/1.1 204 " + b"x" * (most - 12) + b"\r\n\r\n"
    for pieces in ([fits], singly(fits)):
        assert read(ResponseReader(SMALL), *pieces)[0][:2] == ("response", 204)
    for pieces in ([exceeds], singly(exceeds)):
        assert read(ResponseReader(SMALL), *pieces) == [("violation", 400, "head-too-large")]


@pytest.mark.parametrize(
    ("what", "reader", "begin", "endless", "most"),
    [
        ("a method", RequestReader, b"", b"A", 1200),
        ("a target", RequestReader, b"GET /", b"a", 1200),
        ("a field", RequestReader, POST + b"A: ", b"x", 1600),
        ("fields", RequestReader, POST, b"A: b\r\n", 1600),
        ("a chunk size", RequestReader, CODED, b"0", 20),
        ("an extension", RequestReader, CODED + b"5;", b"a", 20),
        ("a trailer", RequestReader, CODED + b"0\r\nA: ", b"x", 100),
        ("trailers", RequestReader, CODED + b"0\r\n", b"A: b\r\n", 100),
        ("a reason", ResponseReader, ANSWER[:-2], b"x", 1600),
        ("fields of a response", ResponseReader, ANSWER, b"A: b\r\n", 1600),
        ("trailers of a response", ResponseReader, CODED_ANSWER + b"0\r\n", b"A: b\r\n", 100),
    ],
)
def test_nothing_is_endless(what: str, reader: Any, begin: bytes, endless: bytes, most: int) -> None:
    """Whatever grows without an end is refused while the buffer is still small."""
    peer = reader(SMALL)
    peer.receive_data(begin)

    def endure() -> None:
        while peer.next_event() is not None:
            pass
        for _ in range(4000):
            peer.receive_data(endless)
            assert peer.next_event() is None
            assert peer.buffered <= most, what

    with pytest.raises(ProtocolViolation):
        endure()


@pytest.mark.parametrize(
    ("reader", "begin", "piece"),
    [
        (RequestReader, POST + b"Content-Length: 999999999999999999\r\n\r\n", b"x" * 50),
        (RequestReader, CODED + b"ffffffffffffffff\r\n", b"x" * 50),
        (RequestReader, CODED, b"1;extension\r\nx\r\n"),
        (RequestReader, CODED, b"1\r\nx\r\n"),
        (ResponseReader, ANSWER + b"\r\n", b"x" * 50),
    ],
)
def test_content_is_not_held(reader: Any, begin: bytes, piece: bytes) -> None:
    """However long content is, all of it that has come can be taken out."""
    peer = reader(SMALL)
    peer.receive_data(begin)
    while peer.next_event() is not None:
        pass
    for _ in range(200):
        peer.receive_data(piece)
        assert isinstance(peer.next_event(), bytes)
        assert peer.next_event() is None
        assert peer.buffered == 0


LONG_TARGET = b"GET /" + b"a" * 16_000 + b" HTTP/1.1\r\nHost: a\r\n"


@pytest.mark.parametrize(
    ("what", "data", "step"),
    [
        ("a value of spaces", POST + b"A:" + b" " * 64_000 + b"\0\r\n\r\n", 1 << 16),
        ("many lines", POST + b"A:\r\n" * 16_000 + b"\r\n", 1 << 16),
        ("a field byte by byte", LONG_TARGET + b"A: " + b"x" * 65_000, 1),
        ("lines byte by byte", LONG_TARGET + b"A: " + b"x\r\nA:" * 190, 1),
        ("an extension byte by byte", CODED + b"5;" + b"a" * 4_000, 1),
        ("trailers byte by byte", CODED + b"0\r\nA: " + b"x" * 16_000, 1),
        ("chunks of one byte", CODED + b"1\r\nx\r\n" * 20_000, 1 << 16),
        ("chunks of one byte, byte by byte", CODED + b"1\r\nx\r\n" * 10_000, 1),
        ("pipelined requests", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 4_000, 1 << 17),
    ],
)
def test_hostile_bytes_take_linear_time(read: Any, what: str, data: bytes, step: int) -> None:
    """Each takes a small part of a second; looking at everything again at each byte would take many."""
    begun = time.process_time()
    read(RequestReader(LIMITS), *(data[at : at + step] for at in range(0, len(data), step)))
    assert time.process_time() - begun < 2.0, what


def test_where_a_head_begins() -> None:
    """
    With its first byte; an empty line before it, or half of one, is none.
    """
    reader = RequestReader(LIMITS)
    assert not reader.head_begun
    for byte, begun in ((b"\r", False), (b"\n", False), (b"G", True)):
        reader.receive_data(byte)
        assert reader.next_event() is None
        assert reader.head_begun is begun


def test_nothing_is_held_after_the_end() -> None:
    """
    Neither bytes nor fields.
    """
    reader = RequestReader(LIMITS)
    reader.receive_data(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET")
    head = reader.next_event()
    reader.forget()
    assert reader.buffered == 0
    reader.receive_data(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    other = reader.next_event()
    assert other.fields is not head.fields  # type: ignore[union-attr]  # both are heads
