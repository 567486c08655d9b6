"""
How the end of a message is known: RFC 9112 section 6.3, rule by rule, and where we are stricter.
"""

from __future__ import annotations

import pytest

from tlsgate.http1 import (
    CHUNKED,
    UNTIL_CLOSE,
    Fields,
    ProtocolViolation,
    parse_fields,
    request_framing,
    response_framing,
)

LENGTH, ZERO = b"Content-Length: 5\r\n", b"Content-Length: 0\r\n"
CODED = b"Transfer-Encoding: chunked\r\n"


def fields(raw: bytes) -> Fields:
    return parse_fields(raw, 10)


@pytest.mark.parametrize(
    ("what", "minor", "raw", "framing"),
    [
        ("a request without either has no content", 1, b"", 0),
        ("a length", 1, LENGTH, 5),
        ("a length in HTTP/1.0", 0, LENGTH, 5),
        ("a length of zero", 1, ZERO, 0),
        ("the same length twice", 1, LENGTH * 2, 5),
        ("chunked", 1, CODED, CHUNKED),
    ],
)
def test_request(what: str, minor: int, raw: bytes, framing: int) -> None:
    """A request's end is always known from its head."""
    assert request_framing(minor, fields(raw)) == framing, what


@pytest.mark.parametrize(
    ("what", "minor", "raw", "status", "code"),
    [
        ("both framings", 1, LENGTH + CODED, 400, "two-framings"),
        ("both framings, the other way round", 1, CODED + LENGTH, 400, "two-framings"),
        ("a length of zero beside chunked", 1, ZERO + CODED, 400, "two-framings"),
        ("a length beside an unknown coding", 1, LENGTH + b"Transfer-Encoding: cow\r\n", 400, "two-framings"),
        ("chunked in HTTP/1.0", 0, CODED, 400, "coding-in-1.0"),
        ("chunked twice", 1, CODED * 2, 400, "coding"),
        ("chunked not last", 1, b"Transfer-Encoding: chunked, gzip\r\n", 400, "coding"),
        ("another coding before chunked", 1, b"Transfer-Encoding: gzip, chunked\r\n", 400, "coding"),
        ("identity", 1, b"Transfer-Encoding: identity\r\n", 400, "coding"),
        ("no coding at all", 1, b"Transfer-Encoding:\r\n", 400, "coding"),
        ("an unknown coding", 1, b"Transfer-Encoding: xchunked\r\n", 501, "unknown-coding"),
        ("a coding with a parameter", 1, b"Transfer-Encoding: chunked;q=1\r\n", 501, "unknown-coding"),
        ("a coding in quotes", 1, b'Transfer-Encoding: "chunked"\r\n', 501, "unknown-coding"),
    ],
)
def test_refused_request(what: str, minor: int, raw: bytes, status: int, code: str) -> None:
    """Where two readers could disagree about a request's end, there is no request."""
    with pytest.raises(ProtocolViolation) as caught:
        request_framing(minor, fields(raw))
    assert (caught.value.status, caught.value.code) == (status, code), what


@pytest.mark.parametrize(
    ("what", "status", "method", "minor", "raw", "framing"),
    [
        ("a length", 200, b"GET", 1, LENGTH, 5),
        ("a length of zero", 200, b"GET", 1, ZERO, 0),
        ("chunked", 200, b"GET", 1, CODED, CHUNKED),
        ("neither", 200, b"GET", 1, b"", UNTIL_CLOSE),
        ("neither, in HTTP/1.0", 200, b"GET", 0, b"", UNTIL_CLOSE),
        ("HEAD with a length", 200, b"HEAD", 1, LENGTH, 0),
        ("HEAD, chunked", 200, b"HEAD", 1, CODED, 0),
        ("HEAD with neither", 200, b"HEAD", 1, b"", 0),
        ("204 with a length", 204, b"GET", 1, LENGTH, 0),
        ("304 with a length", 304, b"GET", 1, LENGTH, 0),
        ("304, chunked", 304, b"GET", 1, CODED, 0),
        ("103 with a length", 103, b"GET", 1, LENGTH, 0),
        ("101", 101, b"GET", 1, b"", 0),
        ("205 is like any other", 205, b"GET", 1, LENGTH, 5),
    ],
)
def test_response(what: str, status: int, method: bytes, minor: int, raw: bytes, framing: int) -> None:  # noqa: PLR0917 - an argument a column
    """Some responses never have content, whatever their fields say; one without framing ends with its connection."""
    assert response_framing(status, method, minor, fields(raw)) == framing, what


@pytest.mark.parametrize("status_and_method", [(200, b"GET"), (200, b"HEAD"), (204, b"GET"), (103, b"GET")])
@pytest.mark.parametrize(
    ("what", "minor", "raw", "code"),
    [
        ("both framings", 1, LENGTH + CODED, "two-framings"),
        ("a length of zero beside chunked", 1, ZERO + CODED, "two-framings"),
        ("chunked in HTTP/1.0", 0, CODED, "coding"),
        ("chunked twice", 1, CODED * 2, "coding"),
        ("a coding we cannot undo", 1, b"Transfer-Encoding: gzip, chunked\r\n", "coding"),
        ("identity", 1, b"Transfer-Encoding: identity\r\n", "coding"),
    ],
)
def test_refused_response(status_and_method: tuple[int, bytes], what: str, minor: int, raw: bytes, code: str) -> None:
    """An origin that contradicts itself is not believed, not even where no content follows."""
    with pytest.raises(ProtocolViolation) as caught:
        response_framing(*status_and_method, minor, fields(raw))
    assert caught.value.code == code, what
