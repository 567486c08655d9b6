"""
Where channels come from.
"""

from __future__ import annotations

from typing import Any


def test_plain_on_tls(bench: Any) -> None:
    """
    Plain HTTP on an https port is sent to the https URL of the same port, once, whatever it asked for.
    """
    client = bench.client(plain=True)
    answer = client.say(b"GET /x?y HTTP/1.1\r\n", b"Host: A.test\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 308 ")
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"\r\nLocation: https://a.test:8443/x?y\r\n" in answer
    assert b"\r\nConnection: close\r\n" in answer
    assert client.transport.ended == "lost"
    assert bench.counters.refused["plain-on-tls"] == 1


def test_plain_on_tls_that_is_no_request(bench: Any) -> None:
    """
    Is ended without a word, and so is one that names no host.
    """
    for said in (b"SSH-2.0-x\r\n\r\n", b"GET / HTTP/1.0\r\n\r\n", b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"):
        client = bench.client(plain=True)
        assert client.say(said) == b""
        assert client.transport.ended == "lost"


def test_an_ipv6_peer(bench: Any) -> None:
    """
    Its zone means nothing to anybody else.
    """
    channel = bench.client().channel.binding.channel(("fe80::1%eth0", 1, 0, 2))
    assert channel.peer_ip == "fe80::1"
    assert bench.client().channel.binding.channel("").peer_ip == ""
