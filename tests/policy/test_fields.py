"""
What an upstream gets wrong behind TLS.
"""

from __future__ import annotations

from tlsgate.policy import downstream_fields, offload


def test_offload() -> None:
    """A Location to the own host and cookies without Secure are found and fixed, others never touched."""
    sent = [
        (b"Location", b"http://Own.example:80/x"),
        (b"Set-Cookie", b"a=1; secure"),
        (b"Set-Cookie", b"b=secure"),
        (b"Location", b"http://own.example@evil.com/"),
    ]
    fields, counts = offload(sent, {b"own.example"})
    assert [value for _, value in fields] == [
        b"https://Own.example/x",
        b"a=1; secure",
        b"b=secure; Secure",
        b"http://own.example@evil.com/",
    ]
    assert counts == {"location": 1, "cookie": 1}
    assert offload(sent, {b"own.example"}, fix=False) == (sent, counts)


def test_hsts_of_upstream_is_dropped() -> None:
    """The upstream's HSTS never reaches the client."""
    assert downstream_fields([(b"Strict-Transport-Security", b"x"), (b"A", b"1")], frozenset()) == [(b"A", b"1")]
