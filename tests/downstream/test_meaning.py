"""
What fields come to, worked out once for equal ones.
"""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest

from tlsgate.errors import MalformedRequest
from tlsgate.sites import HSTS, Site

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n%b\r\n"
LOCAL = (ip_network("192.0.2.0/24"),)


def ask(
    bench: Any, client: Any, fields: bytes = b"", line: bytes = b"GET / HTTP/1.1", answer: bytes = OK % b""
) -> tuple[bytes, bytes]:
    """
    One exchange on a client's connection: what the origin saw, and what the client did.
    """
    client.say(line + b"\r\nHost: a.test\r\n" + fields + b"\r\n")
    if not hasattr(client, "origin"):
        client.origin = bench.origin()
    seen = client.origin.hears()
    client.origin.says(answer)
    return seen, client.hears()


def test_equal_fields_are_worked_out_once(bench: Any) -> None:
    """
    Until the routes change; each request has its own name all the same.
    """
    client = bench.client()
    first, _ = ask(bench, client)
    meaning = client.channel.reader._fields.memo
    second, _ = ask(bench, client)
    assert client.channel.reader._fields.memo is meaning
    assert first != second
    assert first.partition(b"X-Request-ID")[0] == second.partition(b"X-Request-ID")[0]
    bench.configure(Site(name="new", hosts=("*",), upstream="app", forwarded=True))
    third, _ = ask(bench, client)
    assert b"\r\nForwarded: for=192.0.2.1" in third
    assert client.channel.reader._fields.memo is not meaning


def test_trusted_peers(bench: Any, site: Any) -> None:
    """
    Are believed: the client, the scheme, the request's name.
    """
    bench.configure(site(trusted_peers=LOCAL))
    client = bench.client()
    seen, _ = ask(bench, client, b"X-Forwarded-For: 198.51.100.7\r\nX-Forwarded-Proto: https\r\nX-Request-ID: mine\r\n")
    assert b"\r\nX-Forwarded-For: 198.51.100.7, 192.0.2.1\r\n" in seen
    assert b"\r\nX-Forwarded-Proto: https\r\n" in seen
    assert seen.endswith(b"\r\nX-Request-ID: mine\r\n\r\n")
    meaning = client.channel.reader._fields.memo
    assert (meaning.client_ip, meaning.client_rule, meaning.secure) == ("198.51.100.7", "x-forwarded-for", True)


@pytest.mark.parametrize(
    ("method", "target", "expected"),
    [
        (b"GET", b"http://A.test:80", None),
        (b"GET", b"http://a.test", b"/"),
        (b"GET", b"HTTPS://A.TEST/x?y", b"/x?y"),
        (b"GET", b"http://a.test?y/z", b"/?y/z"),
        (b"OPTIONS", b"*", b"*"),
        (b"OPTIONS", b"http://a.test", b"*"),
        (b"OPTIONS", b"http://a.test/", b"/"),
        (b"GET", b"*", None),
        (b"GET", b"x", None),
        (b"GET", b"ftp://a.test/", None),
        (b"GET", b"http://user@a.test/", None),
        (b"GET", b"http:///x", None),
        (b"CONNECT", b"a.test:443", None),
    ],
)
def test_targets(bench: Any, method: bytes, target: bytes, expected: bytes | None) -> None:
    """
    RFC 9112 section 3.2: what goes up in origin-form or asterisk-form, and what is refused.
    """
    client = bench.client()
    ask(bench, client)
    meaning = client.channel.reader._fields.memo
    if expected is None:
        with pytest.raises(MalformedRequest):
            meaning.reduce_target(method, target)
    else:
        assert meaning.reduce_target(method, target) == expected


def test_what_is_hashed(bench: Any) -> None:
    """
    The client, the target, or a field.
    """
    client = bench.client()
    ask(bench, client, b"X-Key: k\r\n")
    meaning = client.channel.reader._fields.memo
    assert [meaning.hash_key(what, b"/t") for what in ("client_ip", "target", "field:X-Key", "field:X-None")] == [
        b"192.0.2.1",
        b"/t",
        b"k",
        b"",
    ]


def test_misdirected(bench: Any) -> None:
    """
    On a strict binding the name of the handshake and the host must lead to one site; without a name any may.
    """
    sites = (
        Site(name="a", hosts=("a.test", "c.test"), upstream="app"),
        Site(name="b", hosts=("b.test",), upstream="app"),
    )
    bench.configure(*sites)
    request = b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"
    for name, refused in (("a.test", False), ("c.test", False), ("b.test", True), ("x.test", True), ("", False)):
        client = bench.client(secure=True, strict=True, server_name=name)
        assert client.say(request).startswith(b"HTTP/1.1 421 ") is refused
        assert not bench.client(secure=True, server_name=name).say(request)


def test_responses_over_https(bench: Any, site: Any) -> None:
    """
    HSTS is the gate's alone, whatever the upstream says, and follows its changes; plain HTTP has none.
    """
    bench.configure(site(hsts=HSTS(enabled=True, max_age=7)))
    own = OK % b"Strict-Transport-Security: max-age=1\r\nDate: x\r\n"
    client = bench.client(secure=True)
    for _ in range(2):
        _, answer = ask(bench, client, answer=own)
        assert answer.count(b"Strict-Transport-Security") == 1
        assert b"\r\nStrict-Transport-Security: max-age=7\r\n" in answer
        assert answer.count(b"\r\nDate: ") == 1
    bench.configure(site(hsts=HSTS(enabled=True, max_age=8)))
    assert b"max-age=8\r\n" in ask(bench, client, answer=own)[1]
    refused = bench.client(secure=True).say(b"GET * HTTP/1.1\r\nHost: a\r\n\r\n")
    assert b"\r\nStrict-Transport-Security: max-age=8\r\n" in refused
    plain = bench.client()
    plain.origin = client.origin
    assert b"Strict-Transport" not in ask(bench, plain, answer=own)[1]


def test_what_tls_offload_gets_wrong(bench: Any, site: Any) -> None:
    """
    Counted each time, and rewritten where the site wants it: also for the site of all other hosts.
    """
    wrong = OK % b"Location: http://a.test/x\r\nSet-Cookie: a=1\r\n"
    client = bench.client(secure=True)
    for _ in range(2):
        assert b"\r\nLocation: http://a.test/x\r\n" in ask(bench, client, answer=wrong)[1]
    assert bench.counters.offload["default", "location"] == 2
    cookies = OK % b"Set-Cookie: a=1\r\nSet-Cookie: b=2; Secure\r\nStrict-Transport-Security: max-age=1\r\n"
    for _ in range(3):
        ask(bench, client, answer=cookies)
    assert bench.counters.offload == {("default", "location"): 2, ("default", "cookie"): 5, ("default", "hsts"): 3}
    bench.configure(site(tls_offload_fixes=True))
    answer = ask(bench, client, answer=wrong)[1]
    assert b"\r\nLocation: https://a.test/x\r\n" in answer
    assert b"\r\nSet-Cookie: a=1; Secure\r\n" in answer


def test_a_request_without_a_host(bench: Any) -> None:
    """
    HTTP/1.0 need not have one, HTTP/1.1 must: the origin is told where it came to.
    """
    client = bench.client()
    client.say(b"GET / HTTP/1.0\r\n\r\n")
    assert b"\r\nHost: 192.0.2.9:443\r\n" in bench.origin().hears()
    client = bench.client()
    client.transport.host = "/socket"
    client.say(b"GET / HTTP/1.0\r\n\r\n")
    assert b"\r\nHost: localhost\r\n" in bench.origin().hears()


def test_no_site(bench: Any) -> None:
    """
    404 for a host that nobody serves.
    """
    bench.configure(Site(name="a", hosts=("a.test",), upstream="app"))
    assert bench.client().say(b"GET / HTTP/1.1\r\nHost: b.test\r\n\r\n").startswith(b"HTTP/1.1 404 ")
    assert bench.counters.requests["-", "GET", 404] == 1
