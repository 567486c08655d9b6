"""
Tests for L{tlsgate.downstream._access_lines}.
"""

import json
import re
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tlsgate.downstream._access_lines import FORMATS, combined_line, json_line

INSTANT = 1_700_000_000.25

EXCHANGE: dict[str, Any] = {
    "request_id": "r1",
    "peer_ip": "192.0.2.1",
    "client_ip": "198.51.100.7",
    "site": "shop",
    "host": b"shop.example",
    "method": b"GET",
    "target": b"/a?b=c",
    "version": b"HTTP/1.1",
    "status": 200,
    "bytes_in": 0,
    "bytes_out": 12,
    "duration": 0.0123456,
    "upstream": "http://127.0.0.1:9000",
    "upstream_duration": 0.01,
    "tls_version": "TLSv1.3",
    "cipher": "TLS_AES_128_GCM_SHA256",
    "sni": "shop.example",
    "user_agent": b"curl/8",
    "referer": b"",
    "client_ip_from": "x-forwarded-for",
}


def record(**more: Any) -> Any:
    return (*(EXCHANGE | more).values(), INSTANT)


def test_json_fields() -> None:
    """A JSON line has exactly the contract's fields, and which rule chose the client's address."""
    assert json.loads(json_line(record())) == {
        "ts": "2023-11-14T22:13:20.250Z",
        "request_id": "r1",
        "peer_ip": "192.0.2.1",
        "client_ip": "198.51.100.7",
        "site": "shop",
        "host": "shop.example",
        "method": "GET",
        "target": "/a?b=c",
        "version": "HTTP/1.1",
        "status": 200,
        "bytes_in": 0,
        "bytes_out": 12,
        "duration_ms": 12.346,
        "upstream": "http://127.0.0.1:9000",
        "upstream_ms": 10.0,
        "tls_version": "TLSv1.3",
        "cipher": "TLS_AES_128_GCM_SHA256",
        "sni": "shop.example",
        "user_agent": "curl/8",
        "referer": "",
        "client_ip_from": "x-forwarded-for",
    }
    assert json.loads(json_line(record(upstream="", upstream_duration=None)))["upstream_ms"] is None


def test_combined_line() -> None:
    """A combined line is what Apache's tools expect."""
    assert combined_line(record()) == (
        b'198.51.100.7 - - [14/Nov/2023:22:13:20 +0000] "GET /a?b=c HTTP/1.1" 200 12 "-" "curl/8"\n'
    )


COMBINED = re.compile(rb'\S+ - - \[[^\]]+\] "\S+ \S+ \S+" \d+ \d+ "[^"\n]+" "[^"\n]+"\n')


@given(st.binary(max_size=60), st.binary(max_size=60), st.binary(max_size=60), st.binary(max_size=60))
@settings(max_examples=200, deadline=None)
def test_no_client_forges_a_line(target: bytes, agent: bytes, referer: bytes, host: bytes) -> None:
    """Whatever a client sends, a line stays one line of its form, in ASCII without controls."""
    hostile = record(target=target, user_agent=agent, referer=referer, host=host, method=target)
    for form in FORMATS.values():
        line = form(hostile)
        assert line.endswith(b"\n")
        assert all(32 <= byte < 127 for byte in line[:-1])
    assert COMBINED.fullmatch(combined_line(hostile))
    parsed = json.loads(json_line(hostile))
    assert parsed["status"] == 200
    assert set(parsed) == set(json.loads(json_line(record())))


def test_hostile_user_agent() -> None:
    """Quotes, ends of line and terminal sequences are shown, not obeyed."""
    line = combined_line(record(user_agent=b'x" 200 1\r\n10.0.0.1 - - \x1b[2J\\'))
    assert rb'"x\x22 200 1\x0d\x0a10.0.0.1 - - \x1b[2J\x5c"' in line


def test_long_fields_are_cut() -> None:
    """A field of 64 KiB does not make a line of 64 KiB."""
    assert len(combined_line(record(user_agent=b"a" * 65536))) < 5000
    assert len(json_line(record(referer=b"a" * 65536))) < 5000
