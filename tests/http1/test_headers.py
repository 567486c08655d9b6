"""
What a field section means, and which ones mean nothing.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlsgate.http1 import Fields, ProtocolViolation, parse_fields
from tlsgate.http1._headers import host_name, parse_lines


def fields(*lines: bytes) -> Fields:
    return parse_fields(b"".join(line + b"\r\n" for line in lines), 200)


def test_lines_keep_order_case_and_repetition() -> None:
    """Lines are as sent, but for the whitespace around the value; C{get} gives the first, by its lower-case name."""
    section = fields(b"X-B: 1", b"x-a:\t 2 \t", b"X-b:3", b"Empty:")
    assert section.lines == [(b"X-B", b"1"), (b"x-a", b"2"), (b"X-b", b"3"), (b"Empty", b"")]
    assert (section.get(b"x-b"), section.get(b"empty"), section.get(b"none")) == (b"1", b"", None)


def test_whitespace_inside_a_value_stays() -> None:
    """Only a value's ends are trimmed, and of spaces and tabs only: obs-text such as NEL and NBSP is no whitespace."""
    assert fields(b"a:  b \t c\xa0 \x85 ").lines == [(b"a", b"b \t c\xa0 \x85")]


@pytest.mark.parametrize(
    ("what", "raw", "code"),
    [
        ("whitespace before the colon", b"Host : a\r\n", "field-name"),
        ("a tab before the colon", b"Transfer-Encoding\t: chunked\r\n", "field-name"),
        ("an empty name", b": a\r\n", "field-name"),
        ("no colon", b"Host\r\n", "field-name"),
        ("obs-text in a name", b"H\xf6st: a\r\n", "field-name"),
        ("UTF-8 in a name", "Hö: a\r\n".encode(), "field-name"),
        ("NUL in a name", b"Ho\0st: a\r\n", "field-name"),
        ("a separator in a name", b"Ho(st: a\r\n", "field-name"),
        ("a folded line", b"A: b\r\n c\r\n", "obs-fold"),
        ("a folded line with a tab", b"A: b\r\n\tc: d\r\n", "obs-fold"),
        ("a first line that is folded", b" A: b\r\n", "obs-fold"),
        ("NUL in a value", b"A: b\0c\r\n", "field-value"),
        ("a vertical tab in a value", b"Transfer-Encoding: \x0bchunked\r\n", "field-value"),
        ("DEL in a value", b"A: \x7f\r\n", "field-value"),
        ("a bare CR in a value", b"A: b\rc\r\n", "bare-line-end"),
        ("a bare LF in a value", b"A: b\nC: d\r\n", "bare-line-end"),
        ("CR CR LF", b"A: b\r\r\n", "bare-line-end"),
        ("a first bare LF", b"\nA: b\r\n", "bare-line-end"),
    ],
)
def test_malformed_lines(what: str, raw: bytes, code: str) -> None:
    """Each is refused and says why, wherever it stands in the section."""
    for section in (raw, b"Before: 1\r\n" + raw, raw + b"After: 1\r\n"):
        with pytest.raises(ProtocolViolation) as caught:
            parse_fields(section, 200)
        assert (caught.value.status, caught.value.code) == (400, code), what


def test_lines_are_counted() -> None:
    """As many lines as allowed are read; one more is a 431."""
    assert len(parse_fields(b"a:\r\n" * 200, 200).lines) == 200
    with pytest.raises(ProtocolViolation) as caught:
        parse_fields(b"a:\r\n" * 201, 200)
    assert (caught.value.status, caught.value.code) == (431, "too-many-fields")


@pytest.mark.parametrize(
    ("values", "length"),
    [([], -1), ([b"0"], 0), ([b"42"], 42), ([b"007"], 7), ([b"5", b"5"], 5), ([b"9" * 18], 10**18 - 1)],
)
def test_content_length(values: list[bytes], length: int) -> None:
    """One number, or the same one in each line."""
    assert fields(*(b"Content-Length: " + value for value in values)).content_length == length


@pytest.mark.parametrize(
    "values",
    [
        [b""],
        [b"+5"],
        [b"-5"],
        [b"5_0"],
        [b"5 5"],
        [b"0x5"],
        [b"5.0"],
        [b"1e3"],
        [b"five"],
        [b"5,5"],
        [b"5, 6"],
        [b"5,"],
        [b"5", b"6"],
        [b"5", b"05"],
        [b"5", b""],
        [b"\xb2"],
        [b"9223372036854775808"],
        [b"18446744073709551616"],
        [b"1" * 4000],
    ],
)
def test_refused_content_lengths(values: list[bytes]) -> None:
    """Lists, signs, other bases, 2**63 and what differs from another line are refused."""
    with pytest.raises(ProtocolViolation) as caught:
        fields(*(b"Content-Length: " + value for value in values))
    assert (caught.value.status, caught.value.code) == (400, "content-length")


@pytest.mark.parametrize(
    ("values", "chunked", "known"),
    [
        ([b"chunked"], True, True),
        ([b"Chunked"], True, True),
        ([b"\tchunked "], True, True),
        ([b""], False, True),
        ([b"identity"], False, True),
        ([b"gzip"], False, True),
        ([b"gzip, chunked"], False, True),
        ([b"chunked, gzip"], False, True),
        ([b"chunked, chunked"], False, True),
        ([b"chunked", b"chunked"], False, True),
        ([b"chunked", b"identity"], False, True),
        ([b",chunked"], False, True),
        ([b"chunked,"], False, True),
        ([b"xchunked"], False, False),
        ([b"chunked;q=1"], False, False),
        ([b'"chunked"'], False, False),
        ([b"chunked chunked"], False, False),
        ([b"chunked\x85"], False, False),
        ([b"cow", b"chunked"], False, False),
    ],
)
def test_transfer_codings(values: list[bytes], chunked: bool, known: bool) -> None:
    """Only one final C{chunked} is chunked; what RFC 9112 never named is unknown."""
    section = fields(*(b"Transfer-Encoding: " + value for value in values))
    assert (section.coded, section.chunked, section.coding_known) == (True, chunked, known)


def test_no_transfer_coding() -> None:
    """Without the field nothing is coded; TE is another field."""
    section = fields(b"TE: chunked", b"Transfer_Encoding: chunked")
    assert (section.coded, section.chunked) == (False, False)


def test_connection_options() -> None:
    """Options of all lines, lower case, without empty ones."""
    section = fields(b"Connection: Close, ,X-Hop", b"connection:\tUpgrade,")
    assert section.connection == {b"close", b"x-hop", b"upgrade"}


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (b"Example.COM", b"example.com"),
        (b"example.com:8443", b"example.com"),
        (b"example.com:", b"example.com"),
        (b"example.com.", b"example.com"),
        (b"example.com.:443", b"example.com"),
        (b"a", b"a"),
        (b"my_host", b"my_host"),
        (b"192.0.2.1:65535", b"192.0.2.1"),
        (b"[2001:DB8::1]:443", b"[2001:db8::1]"),
        (b"[::1]", b"[::1]"),
        (b"xn--bcher-kva.example", b"xn--bcher-kva.example"),
    ],
)
def test_host_names(value: bytes, name: bytes) -> None:
    """Lower case, without port and trailing dot."""
    assert host_name(value) == name
    assert fields(b"Host: " + value).host == name


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b".",
        b"..",
        b"a..b",
        b"a..",
        b".a",
        b"-a",
        b"a-",
        b"a b",
        b"a,b",
        b"a/b",
        b"a?b",
        b"a#b",
        b"a@b",
        b"user:pass@a",
        b"a\\b",
        b"a%2eb",
        b"a%00",
        b"http://a",
        b"a:b",
        b"a:65536",
        b"a:-1",
        b"a:999999",
        b"a:80:80",
        b":80",
        b"::1",
        b"[::1",
        b"::1]",
        b"[]",
        b"[::1]x",
        b"[fe80::1%25eth0]",
        b"[v1.a]",
        "bücher.example".encode(),
        b"a" * 256,
    ],
)
def test_refused_hosts(value: bytes) -> None:
    """No userinfo, path, list, percent-encoding, empty label or impossible port; fields have no host then."""
    with pytest.raises(ProtocolViolation) as caught:
        host_name(value)
    assert (caught.value.status, caught.value.code) == (400, "host")
    assert fields(b"Host: " + value).host == b""


def test_two_hosts_are_none() -> None:
    """Two C{Host} lines name no host, not even if they are equal."""
    section = fields(b"Host: a", b"HOST: a")
    assert (section.hosts, section.host) == ([b"a", b"a"], b"")


def test_lines_alone_mean_nothing() -> None:
    """In a trailer section even a malformed length or host is only a line."""
    assert parse_lines(b"Content-Length: x\r\nHost: a/b\r\n", 2) == [(b"Content-Length", b"x"), (b"Host", b"a/b")]


NAMES = st.text("abcXYZ-_09!", min_size=1, max_size=12).map(str.encode)
VALUES = st.binary(max_size=20).filter(lambda value: not set(value) & {*range(9), *range(10, 32), 127})


@given(st.lists(st.tuples(NAMES, VALUES), max_size=12))
def test_sections_read_back(lines: list[tuple[bytes, bytes]]) -> None:
    """Whatever can be written as lines is read as the same lines."""
    raw = b"".join(b"%b: %b\r\n" % line for line in lines)
    section = parse_fields(raw, 200)
    assert section.raw == raw
    assert section.lines == [(name, value.strip(b" \t")) for name, value in lines]
    for name, _ in lines:
        assert section.get(name.lower()) == next(v for n, v in section.lines if n.lower() == name.lower())
