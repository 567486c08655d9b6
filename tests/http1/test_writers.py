"""
What is written around fields and content, and that others read it as it was meant.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlsgate.http1 import (
    LAST_CHUNK,
    STATUS_LINES,
    ReaderLimits,
    ResponseReader,
    chunk,
    last_chunk,
    status_line,
)


@pytest.mark.parametrize("status", list(HTTPStatus))
def test_standard_reasons(status: HTTPStatus) -> None:
    """Each registered status has its line with the reason that goes with it."""
    line = b"HTTP/1.1 %d %b\r\n" % (status, status.phrase.encode())
    assert STATUS_LINES[status] == status_line(status.value, None) == line


@pytest.mark.parametrize(
    ("status", "reason", "line"),
    [
        (599, None, b"HTTP/1.1 599 \r\n"),
        (200, b"", b"HTTP/1.1 200 \r\n"),
        (200, b"Fine \xfc", b"HTTP/1.1 200 Fine \xfc\r\n"),
        (299, b"Odd", b"HTTP/1.1 299 Odd\r\n"),
    ],
)
def test_other_reasons(status: int, reason: bytes | None, line: bytes) -> None:
    """An origin's reason is kept, an empty one too; the space before it is always there."""
    assert status_line(status, reason) == line


def test_chunks() -> None:
    """The size is hexadecimal; an end without trailers is the constant."""
    assert chunk(b"x" * 26) == b"1a\r\n" + b"x" * 26 + b"\r\n"
    assert last_chunk([]) == LAST_CHUNK
    assert last_chunk([(b"X-Sum", b"1"), (b"x-b", b"")]) == b"0\r\nX-Sum: 1\r\nx-b: \r\n\r\n"


NAMES = st.text("abcXYZ-_09", min_size=1, max_size=8).map(lambda name: b"X-" + name.encode())
VALUES = st.text('abc;=,"~ \t', max_size=12).map(str.strip).map(str.encode)
MESSAGES = st.tuples(
    st.sampled_from([200, 201, 206, 299, 404, 500, 599]),
    st.none() | VALUES,
    st.lists(st.binary(min_size=1, max_size=300), max_size=6),
    st.lists(st.tuples(NAMES, VALUES), max_size=4),
)


def written(status: int, reason: bytes | None, content: list[bytes], trailers: list[tuple[bytes, bytes]]) -> bytes:
    head = status_line(status, reason) + b"Transfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(map(chunk, content)) + last_chunk(trailers)


@given(MESSAGES)
def test_h11_reads_it_as_meant(message: tuple[int, bytes | None, list[bytes], list[tuple[bytes, bytes]]]) -> None:
    """Status, reason, content and trailers come out of another library's reader as they were written."""
    status, reason, content, trailers = message
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="GET", target="/", headers=[("Host", "a")]))
    client.send(h11.EndOfMessage())
    client.receive_data(written(*message))
    head = client.next_event()
    assert isinstance(head, h11.Response)
    assert head.status_code == status
    if reason is not None:
        assert head.reason == reason
    received = b""
    while isinstance(event := client.next_event(), h11.Data):
        received += event.data
    assert isinstance(event, h11.EndOfMessage)
    assert received == b"".join(content)
    assert [(name, value) for name, value in event.headers.raw_items()] == trailers
    assert client.trailing_data == (b"", False)


@given(MESSAGES)
def test_our_reader_reads_it_as_meant(
    read: Any, message: tuple[int, bytes | None, list[bytes], list[tuple[bytes, bytes]]]
) -> None:
    """The same for our own reader."""
    status, reason, content, trailers = message
    events = read(ResponseReader(ReaderLimits()), written(*message))
    standard = STATUS_LINES.get(status, b"HTTP/1.1 %d \r\n" % status)[13:-2]
    head = ("response", status, standard if reason is None else reason, 1, [(b"Transfer-Encoding", b"chunked")], -1)
    joined = b"".join(content)
    assert events == [head, *([("content", joined)] if joined else []), ("end", trailers)]
