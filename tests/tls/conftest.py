"""
Certificates and in-memory handshakes for the tests of this room.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Sequence
from functools import cache
from ipaddress import ip_address
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from OpenSSL import SSL

from tlsgate.sites import ServerCertificate

DAY = 86400.0


@cache
def new_key(kind: str, number: int = 0) -> Any:
    """
    A key of a kind, made once.
    """
    if kind.startswith("rsa-"):
        return rsa.generate_private_key(65537, int(kind[4:]))
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    return ec.generate_private_key({"ec-p256": ec.SECP256R1(), "ec-p384": ec.SECP384R1()}[kind])


def san(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def build(
    names: Sequence[str],
    key: Any,
    *,
    issuer: str = "",
    signer: Any = None,
    ca: bool = False,
    subject: str = "",
    not_before: float,
    not_after: float,
) -> x509.Certificate:
    subject = subject or names[0]
    utc = datetime.UTC
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer or subject)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.datetime.fromtimestamp(not_before, utc))
        .not_valid_after(datetime.datetime.fromtimestamp(not_after, utc))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([san(name) for name in names]), critical=False)
    signer = signer or key
    return builder.sign(signer, None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashes.SHA256())


def server_certificate(
    name: str,
    names: Sequence[str] = ("a.test",),
    *,
    kind: str = "ec-p256",
    begin: float = -DAY,
    end: float = 30 * DAY,
    issuers: int = 0,
    staple: bytes = b"",
) -> ServerCertificate:
    """
    A server certificate with a chain of that many issuers; dates in seconds from now.
    """
    now = float(int(time.time()))
    dates = {"not_before": now + begin, "not_after": now + end}
    key = new_key(kind)
    chain = []
    issuer, signer = "", None
    for level in range(issuers, 0, -1):
        above, issuer_key = issuer, new_key("ec-p256", level)
        issuer = f"{name} issuer {level}"
        chain.insert(0, build((), issuer_key, issuer=above, signer=signer, ca=True, subject=issuer, **dates))
        signer = issuer_key
    leaf = build(names, key, issuer=issuer, signer=signer, **dates)
    return ServerCertificate(
        name=name,
        chain=b"".join(one.public_bytes(Encoding.PEM) for one in [leaf, *chain]),
        key=key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        names=tuple(names),
        key_type=kind,
        fingerprint=leaf.fingerprint(hashes.SHA256()).hex(),
        staple=staple,
        **dates,
    )


@pytest.fixture(scope="session")
def certificate() -> Callable[..., ServerCertificate]:
    return server_certificate


class Handshake:
    """
    Two ends in memory, shaken or failed.

    @ivar error: what the server raised, or None.
    """

    def __init__(
        self, server: SSL.Context, client: SSL.Context, server_name: bytes | None = None, session: Any = None
    ) -> None:
        self.server = SSL.Connection(server, None)
        self.server.set_accept_state()
        self.client = SSL.Connection(client, None)
        self.client.set_connect_state()
        if server_name is not None:
            self.client.set_tlsext_host_name(server_name)
        if session is not None:
            self.client.set_session(session)
        self.error: SSL.Error | None = None
        self.client_error: SSL.Error | None = None

    def first_bytes(self) -> bytes:
        """
        The client's first flight.
        """
        self._step(self.client)
        return self._carry(self.client, self.server)

    def run(self) -> Handshake:
        for _ in range(10):
            try:
                self._step(self.client)
            except SSL.Error as error:
                self.client_error = self.client_error or error
            self._carry(self.client, self.server)
            if self.error is None:
                try:
                    self._step(self.server)
                except SSL.Error as error:
                    self.error = error
            self._carry(self.server, self.client)
        if self.error is None and self.client_error is None:
            self.server.send(b"x")
            self._carry(self.server, self.client)
            assert self.client.recv(1) == b"x"
        return self

    @staticmethod
    def _step(end: SSL.Connection) -> None:
        try:
            end.do_handshake()
        except SSL.WantReadError:
            pass

    @staticmethod
    def _carry(source: SSL.Connection, sink: SSL.Connection) -> bytes:
        moved = b""
        while True:
            try:
                part = source.bio_read(65536)
            except SSL.WantReadError:
                return moved
            moved += part
            sink.bio_write(part)

    @property
    def served(self) -> str:
        """
        The fingerprint of what the client was shown.
        """
        leaf = self.client.get_peer_certificate(as_cryptography=True)
        assert leaf is not None
        return leaf.fingerprint(hashes.SHA256()).hex()


@pytest.fixture(scope="session")
def handshake() -> type[Handshake]:
    return Handshake


def plain_client(
    *, version: int = 0, ciphers: bytes = b"", alpn: Sequence[bytes] = (), verify: bool = False
) -> SSL.Context:
    """
    A client that trusts everybody.
    """
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    if version:
        context.set_min_proto_version(version)
        context.set_max_proto_version(version)
    if ciphers:
        context.set_cipher_list(ciphers)
    if alpn:
        context.set_alpn_protos(list(alpn))
    return context


@pytest.fixture(scope="session")
def client() -> Callable[..., SSL.Context]:
    return plain_client
