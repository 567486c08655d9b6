"""
What a client says first, cut and spoilt in every way.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from OpenSSL import SSL

from tlsgate.tls import ClientHello, Peeked, read_client_hello


@pytest.fixture(scope="module")
def hello(client) -> bytes:
    """
    What OpenSSL says for a name and two protocols.
    """
    connection = SSL.Connection(client(alpn=[b"h2", b"http/1.1"]), None)
    connection.set_connect_state()
    connection.set_tlsext_host_name(b"Shop.example")
    with pytest.raises(SSL.WantReadError):
        connection.do_handshake()
    return connection.bio_read(65536)


def records(hello: bytes, size: int) -> bytes:
    """
    The same message in records of another size.
    """
    message = hello[5:]
    parts = [message[at : at + size] for at in range(0, len(message), size)]
    return b"".join(hello[:3] + len(part).to_bytes(2, "big") + part for part in parts)


def test_reads_openssl(hello) -> None:
    """
    Name, protocols and signature algorithms are read; what follows the message does not matter.
    """
    found = read_client_hello(hello)
    assert isinstance(found, ClientHello)
    assert (found.server_name, found.name, found.alpn) == (b"Shop.example", "shop.example", (b"h2", b"http/1.1"))
    assert 0x0403 in found.signature_algorithms
    assert read_client_hello(hello + b"more") == found


@pytest.mark.parametrize("size", [1, 3, 4, 100, 700])
def test_reads_over_several_records(hello, size) -> None:
    """
    A message in many records is the same message.
    """
    assert read_client_hello(records(hello, size)) == read_client_hello(hello)


@pytest.mark.parametrize("size", [7, 10_000])
def test_cut_anywhere_needs_more(hello, size) -> None:
    """
    Cut at each byte, more is needed.
    """
    whole = records(hello, size)
    assert {read_client_hello(whole[:cut]) for cut in range(len(whole))} == {Peeked.NEED_MORE}


@pytest.mark.parametrize(
    ("first", "found"),
    [
        (b"", Peeked.NEED_MORE),
        (b"G", Peeked.PLAIN_HTTP),
        (b"GET / HTTP/1.1\r\n", Peeked.PLAIN_HTTP),
        (b"\r\nPOST /", Peeked.PLAIN_HTTP),
        (b"\r\n", Peeked.NEED_MORE),
        (b"\r\n\r\n\r\n", Peeked.NOT_TLS),
        (b"\x80\x2e\x01\x00\x02", Peeked.NOT_TLS),
        (b"\x00", Peeked.NOT_TLS),
        (b"\x16\x02", Peeked.NOT_TLS),
        (b"\x15\x03\x01\x00\x02\x02\x70", Peeked.NOT_TLS),
        (b"\x16\x03\x01\x00\x00", Peeked.NOT_TLS),
        (b"\x16\x03\x01\xff\xff", Peeked.NOT_TLS),
        (b"\x16\x03\x01\x00\x04\x02\x00\x00\x00", Peeked.NOT_TLS),
        (b"\x16\x03\x01\x00\x04\x01\xff\xff\xff", Peeked.NOT_TLS),
        (b"\x16\x03\x01\x00\x04\x01\x00\x00\x00", Peeked.NOT_TLS),
    ],
)
def test_what_is_no_client_hello(first, found) -> None:
    """
    Plain HTTP, SSLv2, alerts, empty and oversized records are told apart from what needs more.
    """
    assert read_client_hello(first) is found


def test_records_of_one_byte_are_bounded() -> None:
    """
    A message that never ends is given up.
    """
    endless = b"\x16\x03\x01\x00\x04\x01\x00\x7f\x00" + b"\x16\x03\x01\x00\x01x" * 20_000
    assert read_client_hello(endless) is Peeked.NOT_TLS


@settings(deadline=None, max_examples=300)
@given(
    st.binary(max_size=200), st.sampled_from([b"", b"\x16\x03\x01", b"\x16\x03\x01\x00\x40\x01\x00\x00\x3c\x03\x03"])
)
def test_any_bytes(rest, prefix) -> None:
    """
    Any bytes have an answer.
    """
    assert isinstance(read_client_hello(prefix + rest), (ClientHello, Peeked))


def test_spoilt_hellos(hello) -> None:
    """
    With any one byte changed a real message still has an answer, and its names stay bytes.
    """
    for at in range(len(hello)):
        for value in (0, 0x7F, 0xFF, hello[at] ^ 1):
            found = read_client_hello(hello[:at] + bytes([value]) + hello[at + 1 :])
            assert isinstance(found, Peeked) or isinstance(found.name, str)
