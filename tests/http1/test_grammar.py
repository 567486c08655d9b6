"""
Productions of RFC 9110 and 9112: what they take, what they refuse, and that no input makes them slow.
"""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlsgate.http1 import _grammar as grammar

TCHARS = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
VALUE_BYTES = bytes([9, *range(0x20, 0x7F), *range(0x80, 0x100)])


def taken(pattern: re.Pattern[bytes], before: bytes, after: bytes) -> bytes:
    """
    Each single byte that the pattern takes between two others.
    """
    return bytes(byte for byte in range(256) if pattern.fullmatch(before + bytes([byte]) + after))


@pytest.mark.parametrize(
    ("what", "pattern", "before", "after", "expected"),
    [
        ("a token", grammar.TOKEN, b"a", b"z", TCHARS),
        ("a method", grammar.REQUEST_LINE, b"A", b"Z / HTTP/1.1", TCHARS),
        ("a target", grammar.REQUEST_LINE, b"GET /", b" HTTP/1.1", bytes(b for b in range(0x21, 0x7F) if b != 0x23)),
        ("a field name", grammar.FIELD_LINE, b"a", b"z:", TCHARS + b":"),
        ("a field value", grammar.FIELD_LINE, b"a:b", b"c", VALUE_BYTES),
        ("a field section's name", grammar.FIELD_SECTION, b"a", b"z:\r\n", TCHARS + b":"),
        ("a field section's value", grammar.FIELD_SECTION, b"a:b", b"c\r\n", VALUE_BYTES),
        ("a reason", grammar.STATUS_LINE, b"HTTP/1.1 200 O", b"K", VALUE_BYTES),
        ("a chunk extension", grammar.CHUNK_LINE, b"5;", b"", VALUE_BYTES),
        ("a chunk size", grammar.CHUNK_LINE, b"5", b"5", b"0123456789ABCDEFabcdef;"),
        ("a length", grammar.CONTENT_LENGTH, b"1", b"2", b"0123456789"),
        ("a host", grammar.HOST, b"a", b"z", b"-.0123456789_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"),
    ],
)
def test_bytes_of(what: str, pattern: re.Pattern[bytes], before: bytes, after: bytes, expected: bytes) -> None:
    """Of 256 bytes exactly those are taken that the production names."""
    assert set(taken(pattern, before, after)) == set(expected), what


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"HTTP/1.1 200 OK", b"200"),
        (b"HTTP/1.0 404 Not Found", b"404"),
        (b"HTTP/1.1 200 ", b"200"),
        (b"HTTP/1.1 200", b"200"),
        (b"HTTP/1.1 599 ", b"599"),
        (b"HTTP/1.1 099 Low", None),
        (b"HTTP/1.1 99 Low", None),
        (b"HTTP/1.1 600 High", None),
        (b"HTTP/1.1 1000 Long", None),
        (b"HTTP/1.1 +20 Signed", None),
        (b"HTTP/1.1  200 Spaced", None),
        (b"HTTP/1.2 200 OK", None),
        (b"HTTP/2 200", None),
        (b"http/1.1 200 OK", None),
        (b"HTTP/1.1 200OK", None),
        (b"HTTP/1.1 200 O\rK", None),
        (b"HTTP/1.1 200 O\nK", None),
        (b"HTTP/1.1 200 O\0K", None),
        (b"<html>", None),
    ],
)
def test_status_line(line: bytes, status: bytes | None) -> None:
    """Three digits of a class that exists; the reason may be missing, and can hold no line end."""
    match = grammar.STATUS_LINE.fullmatch(line)
    assert (match and match[2]) == status


@pytest.mark.parametrize(
    ("line", "strict", "padded"),
    [
        (b"5", True, True),
        (b"0", True, True),
        (b"0005", True, True),
        (b"aF", True, True),
        (b"5;a=b", True, True),
        (b"5 ;a=b", True, True),
        (b"5;", True, True),
        (b"ffffffffffffffff", True, True),
        (b"5  ", False, True),
        (b"5\t", False, True),
        (b"5;a \t", True, True),
        (b"10000000000000000", False, False),
        (b"", False, False),
        (b";a", False, False),
        (b"0x5", False, False),
        (b"+5", False, False),
        (b"-5", False, False),
        (b"5_0", False, False),
        (b" 5", False, False),
        (b"5;a\rb", False, False),
        (b"5;a\nb", False, False),
        (b"5\r", False, False),
        (b"5 a", False, False),
    ],
)
def test_chunk_line(line: bytes, strict: bool, padded: bool) -> None:
    """Hexadecimal digits and an extension that is not looked at; only an origin may pad the size."""
    assert (grammar.CHUNK_LINE.fullmatch(line) is not None) is strict
    assert (grammar.CHUNK_LINE_PADDED.fullmatch(line) is not None) is padded


@pytest.mark.parametrize(
    ("text", "stray"),
    [
        (b"a\r\nb\r\n", False),
        (b"a\r", False),
        (b"a\r\n\r", False),
        (b"a\nb", True),
        (b"\n", True),
        (b"a\rb", True),
        (b"a\r\r\n", True),
        (b"a\n\r", True),
    ],
)
def test_stray_line_end(text: bytes, stray: bool) -> None:
    """A CR or LF on its own is one; a CR at the end may yet get its LF."""
    assert (grammar.STRAY_LINE_END.search(text) is not None) is stray


@given(st.lists(st.sampled_from([b"a", b":", b" ", b"\t", b"\r\n", b"\x80", b"\0", b"\r", b"\n", b"(", b"a:b\r\n"])))
def test_a_section_is_its_lines(parts: list[bytes]) -> None:
    """The pattern of a whole section takes exactly what the pattern of a line takes line by line."""
    raw = b"".join(parts)
    *lines, rest = raw.split(b"\r\n")
    by_line = rest == b"" and all(grammar.FIELD_LINE.fullmatch(line) for line in lines)
    assert (grammar.FIELD_SECTION.fullmatch(raw) is not None) is by_line


@pytest.mark.parametrize(
    ("what", "pattern", "hostile"),
    [
        ("a value of spaces", grammar.FIELD_LINE, b"a:" + b" " * 64_000 + b"\0"),
        ("many values of spaces", grammar.FIELD_SECTION, (b"a:" + b" " * 300 + b"\r\n") * 200 + b"a:\0\r\n"),
        ("a name without end", grammar.FIELD_SECTION, b"a" * 64_000),
        ("many lines", grammar.FIELD_SECTION, b"a:\r\n" * 16_000 + b"\0"),
        ("a long method", grammar.REQUEST_LINE_OF_ANY, b"A" * 64_000),
        ("a long target", grammar.REQUEST_LINE, b"GET " + b"/" * 64_000 + b"\0"),
        ("a long reason", grammar.STATUS_LINE, b"HTTP/1.1 200 " + b" " * 64_000 + b"\0"),
        ("an extension of spaces", grammar.CHUNK_LINE_PADDED, b"5;" + b" " * 64_000 + b"\0"),
        ("a padded size", grammar.CHUNK_LINE_PADDED, b"5" + b" " * 64_000 + b"\0"),
        ("a padded size of a client", grammar.CHUNK_LINE, b"5" + b" " * 64_000 + b"\0"),
        ("a host of dots", grammar.HOST, b"a" + b"." * 64_000),
    ],
)
def test_refusing_takes_linear_time(what: str, pattern: re.Pattern[bytes], hostile: bytes) -> None:
    """A pattern that tried again at each byte would take ten seconds and more; these take a millisecond."""
    begun = time.process_time()
    assert pattern.fullmatch(hostile) is None
    assert time.process_time() - begun < 1.0, what
