"""
Who gets through the handshake of the admin listener, and what it shows.
"""

import datetime
from pathlib import Path
from typing import Any

import attrs
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from OpenSSL import SSL

from tlsgate.admin import AdminTLS
from tlsgate.admin._admin_tls import RENEWED_BEFORE, client_authorities
from tlsgate.certificates import LocalAuthority
from tlsgate.problems import Problem
from tlsgate.settings import AdminSettings

NOW = datetime.datetime.now(datetime.UTC)

Key = ec.EllipticCurvePrivateKey


def certificate(
    name: str, *, signer: tuple[x509.Certificate, Key] | None = None, ca: bool = False
) -> tuple[x509.Certificate, Key]:
    """
    A certificate and its key.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if signer is None else signer[0].subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - datetime.timedelta(1))
        .not_valid_after(NOW + datetime.timedelta(100))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .sign(key if signer is None else signer[1], hashes.SHA256())
    )
    return made, key


def write(path: Path, *certificates: x509.Certificate) -> str:
    """
    A PEM file.
    """
    from cryptography.hazmat.primitives.serialization import Encoding

    path.write_bytes(b"".join(one.public_bytes(Encoding.PEM) for one in certificates))
    return str(path)


class Bench:
    """
    The listener's TLS with settings and a time of the test.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = AdminSettings()
        self.now = NOW.timestamp()
        self.authority = LocalAuthority.load_or_create(folder)
        self.tls = AdminTLS(self.authority, lambda: self.settings, wall=lambda: self.now)

    def set(self, **settings: Any) -> None:
        self.settings = AdminSettings(**settings)
        self.tls.refresh()

    def shake(self, identity: tuple[x509.Certificate, Key] | None = None) -> Any:
        """
        A handshake, until both sides are done.

        @return: the client's and the server's connection.

        @raise SSL.Error: one side refuses.
        """
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        if identity is not None:
            context.use_certificate(identity[0])
            context.use_privatekey(identity[1])
        client = SSL.Connection(context, None)
        client.set_connect_state()
        server = self.tls.serverConnectionForTLS(None)  # type: ignore[arg-type]  # not looked at
        server.set_accept_state()
        for _ in range(6):
            for one, other in ((client, server), (server, client)):
                try:
                    one.do_handshake()
                except SSL.WantReadError:
                    pass
                try:
                    other.bio_write(one.bio_read(65536))
                except SSL.WantReadError:
                    pass
        return client, server


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_asks_for_nothing(bench: Bench) -> None:
    """
    Without a file of CAs no certificate is asked for, and one that is sent means nothing.
    """
    assert bench.shake(certificate("ada"))[1].get_peer_certificate(as_cryptography=True) is None


def test_required(bench: Bench, tmp_path: Path) -> None:
    """
    Only a certificate that the named CAs signed gets through.
    """
    ca, other = certificate("ca", ca=True), certificate("other", ca=True)
    bench.set(client_ca_file=write(tmp_path / "ca.pem", ca[0]))
    _, server = bench.shake(certificate("ada", signer=ca))
    assert server.get_peer_certificate(as_cryptography=True).subject.rfc4514_string() == "CN=ada"
    for wrong in (None, certificate("eve", signer=other), certificate("eve")):
        with pytest.raises(SSL.Error):
            bench.shake(wrong)


def test_an_intermediate_is_enough(bench: Bench, tmp_path: Path) -> None:
    """
    A CA that is no root is trusted where the file names it, and its root's other certificates are not.
    """
    root = certificate("root", ca=True)
    team = certificate("team", signer=root, ca=True)
    bench.set(client_ca_file=write(tmp_path / "ca.pem", team[0]))
    bench.shake(certificate("ada", signer=team))
    with pytest.raises(SSL.Error):
        bench.shake(certificate("eve", signer=root))


def test_optional(bench: Bench, tmp_path: Path) -> None:
    """
    Where it is optional, nothing gets through as well, but not a wrong one.
    """
    ca = certificate("ca", ca=True)
    bench.set(client_ca_file=write(tmp_path / "ca.pem", ca[0]), client_certificate="optional")
    assert bench.shake()[1].get_peer_certificate(as_cryptography=True) is None
    assert bench.shake(certificate("ada", signer=ca))[1].get_peer_certificate(as_cryptography=True) is not None
    with pytest.raises(SSL.Error):
        bench.shake(certificate("eve"))


def test_a_file_that_went_bad(bench: Bench, tmp_path: Path) -> None:
    """
    When the file cannot be used anymore nobody gets in, which is told; when it is right again, they do.
    """
    ca = certificate("ca", ca=True)
    path = tmp_path / "ca.pem"
    bench.set(client_ca_file=write(path, ca[0]), client_certificate="optional")
    path.unlink()
    bench.tls.refresh()
    for identity in (None, certificate("ada", signer=ca)):
        with pytest.raises(SSL.Error):
            bench.shake(identity)
    [finding] = bench.tls.findings()
    assert (finding.code, finding.pointer) == ("client-ca-unusable", "/admin/client_ca_file")
    write(path, ca[0])
    bench.tls.refresh()
    assert bench.tls.findings() == ()
    bench.shake()


def test_a_replaced_file(bench: Bench, tmp_path: Path) -> None:
    """
    A file that holds another CA counts from the next refresh on.
    """
    old, new = certificate("old", ca=True), certificate("new", ca=True)
    bench.set(client_ca_file=write(tmp_path / "ca.pem", old[0]))
    bench.shake(certificate("ada", signer=old))
    write(tmp_path / "ca.pem", new[0])
    bench.tls.refresh()
    bench.shake(certificate("ada", signer=new))
    with pytest.raises(SSL.Error):
        bench.shake(certificate("ada", signer=old))


def shown(bench: Bench) -> x509.Certificate:
    """
    The certificate that a client is shown.
    """
    found: x509.Certificate = bench.shake()[0].get_peer_certificate(as_cryptography=True)
    return found


def names(found: x509.Certificate) -> list[str]:
    """
    The host names in a certificate.
    """
    return found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)


def test_its_own_certificate(bench: Bench) -> None:
    """
    It stays while nothing asks for another; new names and the end of its life do.
    """
    first = shown(bench)
    bench.tls.refresh()
    assert shown(bench) == first
    bench.set(names=("gate.example",))
    second = shown(bench)
    assert "gate.example" in names(second)
    assert "gate.example" not in names(first)
    bench.now = second.not_valid_after_utc.timestamp() - RENEWED_BEFORE + 1
    bench.tls.refresh()
    assert shown(bench) != second


def test_what_is_no_ca(tmp_path: Path) -> None:
    """
    A file that is not there, holds nothing, or holds certificates that sign nothing, is told apart.
    """
    (tmp_path / "empty").write_bytes(b"")
    write(tmp_path / "leaf", certificate("leaf")[0])
    for name, why in (("none", "cannot be read"), ("empty", "no PEM certificates"), ("leaf", "no CA: CN=leaf")):
        with pytest.raises(Problem, match=why) as caught:
            client_authorities(str(tmp_path / name))
        assert caught.value.errors[0].pointer == "/admin/client_ca_file"


def test_changes_that_lock_out(gate, tmp_path: Path) -> None:
    """
    Whoever shows no certificate cannot make one necessary, unless it is undone by itself, forced, or done on the socket.
    """
    token = gate.token("admin")
    file = write(tmp_path / "ca.pem", certificate("ca", ca=True)[0])
    wanted = {"admin": {"client_ca_file": file}}

    def patch(document: Any, query: str = "", **more: Any) -> Any:
        return gate.call("PATCH", f"/api/v1/settings?dry_run=true{query}", document, **more)

    over_tcp = {"token": token, "peer": "127.0.0.1"}
    assert patch({"admin": {"client_ca_file": "/nonexistent"}}).json["errors"][0]["pointer"] == "/admin/client_ca_file"
    assert patch(wanted, **over_tcp).code == "would-lock-out"
    assert patch(wanted, "&confirm_within=60", **over_tcp).status == 200
    assert patch(wanted, "&force=admin", **over_tcp).status == 200
    assert patch(wanted).status == 200
    assert patch({"admin": {"client_ca_file": file, "client_certificate": "optional"}}, **over_tcp).status == 200
    assert patch({"admin": {"client_certificate": "maybe"}}, **over_tcp).code == "invalid-settings"


def test_names_of_the_settings(gate) -> None:
    """
    A name that the settings add is taken as Host at once.
    """
    request = b"GET /healthz HTTP/1.1\r\nHost: gate.example:8444\r\n\r\n"
    assert gate.raw(request).code == "host-refused"
    assert gate.call("PATCH", "/api/v1/settings", {"admin": {"names": ["Gate.Example"]}}).status == 200
    assert gate.raw(request).status == 200


def test_the_certificate_is_in_the_audit_log(gate) -> None:
    """
    A record says which client certificate was shown; without one it is empty.
    """
    secret = gate.token("admin")
    channel, _ = gate.connect()
    channel.peer = attrs.evolve(channel.peer, certificate="CN=ada")
    head = f"PUT /api/v1/sites/default/hsts HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {secret}\r\n"
    channel.dataReceived(f"{head}Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}".encode())
    gate.call("PUT", "/api/v1/sites/default/hsts", {})
    rows = gate.call("GET", "/api/v1/audit?limit=2").json["records"]
    assert [row["certificate"] for row in rows] == ["", "CN=ada"]
