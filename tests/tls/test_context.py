"""
Contexts, shown by real handshakes in memory.
"""

from __future__ import annotations

import subprocess

import attrs
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509 import ocsp
from OpenSSL import SSL

from tlsgate.tls import ACME_TLS, CertificateRefused, challenge_context, check_taken, server_context

# OpenSSL 4 sends nothing that it cannot parse.
STAPLE = ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER).public_bytes(Encoding.DER)

RSA_ONLY = b"ECDHE-RSA-AES128-GCM-SHA256"
ECDSA_ONLY = b"ECDHE-ECDSA-AES128-GCM-SHA256"


def serve(*certificates, profile="intermediate", **arguments) -> SSL.Context:
    return server_context(certificates, profile=profile, **arguments)


def test_each_client_gets_what_it_can_verify_with_its_own_chain(certificate, handshake, client) -> None:
    """
    RSA and ECDSA certificates serve side by side, each with its own issuers.
    """
    one, two = certificate("r", kind="rsa-2048", issuers=2), certificate("e", issuers=1)
    context = serve(one, two)
    for ciphers, expected, length in ((RSA_ONLY, one, 3), (ECDSA_ONLY, two, 2)):
        shaken = handshake(context, client(version=SSL.TLS1_2_VERSION, ciphers=ciphers)).run()
        chain = shaken.client.get_peer_cert_chain(as_cryptography=True)
        assert (shaken.error, shaken.served, len(chain)) == (None, expected.fingerprint, length)


def test_versions_of_the_profiles(certificate, handshake, client) -> None:
    """
    Intermediate speaks TLS 1.2 and 1.3, modern 1.3 only; neither speaks 1.1.
    """
    for profile, version, works in (
        ("intermediate", SSL.TLS1_2_VERSION, True),
        ("intermediate", SSL.TLS1_3_VERSION, True),
        ("modern", SSL.TLS1_2_VERSION, False),
        ("modern", SSL.TLS1_3_VERSION, True),
        ("intermediate", SSL.TLS1_1_VERSION, False),
    ):
        context = serve(certificate("e"), profile=profile)
        shaken = handshake(context, client(version=version, ciphers=b"ALL:@SECLEVEL=0")).run()
        assert (shaken.error is None) is works, (profile, version)


def test_only_forward_secret_authenticated_ciphers(certificate, handshake, client) -> None:
    """
    Under TLS 1.2 neither CBC nor RSA key exchange is spoken.
    """
    for ciphers in (b"AES128-GCM-SHA256", b"ECDHE-RSA-AES128-SHA", b"ECDHE-RSA-AES128-SHA256"):
        context = serve(certificate("r", kind="rsa-2048"))
        assert handshake(context, client(version=SSL.TLS1_2_VERSION, ciphers=ciphers)).run().error is not None


def test_post_quantum_group_first(certificate, handshake, client) -> None:
    """
    Where OpenSSL has X25519MLKEM768, that is what two of them agree on.
    """
    shaken = handshake(serve(certificate("e")), client(version=SSL.TLS1_3_VERSION)).run()
    assert shaken.client.get_group_name() in ("X25519MLKEM768", "x25519")
    if SSL.OPENSSL_VERSION_NUMBER >= 0x30500000:
        assert shaken.client.get_group_name() == "X25519MLKEM768"


@pytest.mark.parametrize(
    ("offered", "agreed"),
    [([], b""), ([b"http/1.1"], b"http/1.1"), ([b"h2", b"http/1.1"], b"http/1.1"), ([b"h2"], b""), ([ACME_TLS], b"")],
)
def test_protocols(certificate, handshake, client, offered, agreed) -> None:
    """
    A client with nothing in common is served without ALPN, not refused.
    """
    shaken = handshake(serve(certificate("e")), client(alpn=offered)).run()
    assert (shaken.error, shaken.client.get_alpn_proto_negotiated()) == (None, agreed)


def test_the_answer_to_a_challenge(certificate, handshake, client) -> None:
    """
    A challenge context agrees on acme-tls/1.
    """
    proof = certificate("proof")
    shaken = handshake(challenge_context(proof), client(alpn=[ACME_TLS])).run()
    assert (shaken.client.get_alpn_proto_negotiated(), shaken.served) == (ACME_TLS, proof.fingerprint)


def test_staples_no_response_of_another_certificate(certificate, handshake, client) -> None:
    """
    A client that asks is sent no OCSP response but that of the certificate that it was shown, and is served in any case.
    """
    context = serve(certificate("r", kind="rsa-2048", staple=STAPLE), certificate("e"))
    for ciphers, expected in ((RSA_ONLY, STAPLE), (ECDSA_ONLY, b"")):
        seen: list[bytes] = []
        asking = client(version=SSL.TLS1_2_VERSION, ciphers=ciphers)
        asking.set_ocsp_client_callback(lambda _connection, response, _data, seen=seen: not seen.append(response))
        shaken = handshake(context, asking)
        shaken.client.request_ocsp()
        assert shaken.run().error is None
        # OpenSSL 4 drops what is no OCSP response; test_stapling has real ones.
        assert seen in ([expected], [b""])


def test_no_renegotiation(certificate, handshake, client) -> None:
    """
    A client that wants to renegotiate is not followed.
    """
    shaken = handshake(serve(certificate("e")), client(version=SSL.TLS1_2_VERSION)).run()
    shaken.client.renegotiate()
    with pytest.raises((SSL.WantReadError, SSL.Error)):
        shaken.client.do_handshake()
    shaken.server.bio_write(shaken.client.bio_read(65536))
    with pytest.raises((SSL.WantReadError, SSL.Error)):
        shaken.server.recv(10)
    assert shaken.server.total_renegotiations() == 0


def test_serves_a_sha1_signature(certificate, handshake, client, tmp_path) -> None:
    """
    A certificate that is signed with SHA-1 is served: whoever uploaded it was warned.
    """

    def run(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=tmp_path, capture_output=True, check=True)

    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    run("req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=ca")
    run("req", *curve, "-keyout", "k", "-out", "r", "-subj", "/CN=a.test")
    run("x509", "-req", "-in", "r", "-CA", "ca.pem", "-CAkey", "ca.key", "-sha1", "-CAcreateserial", "-out", "c")
    old = attrs.evolve(certificate("old"), chain=(tmp_path / "c").read_bytes(), key=(tmp_path / "k").read_bytes())
    assert handshake(serve(old), client()).run().error is None


def test_what_openssl_does_not_take(certificate) -> None:
    """
    A certificate without its own key is refused by name.
    """
    mixed = attrs.evolve(certificate("mixed"), key=certificate("other", kind="rsa-2048").key)
    for broken in (mixed, attrs.evolve(mixed, key=b"nonsense"), attrs.evolve(mixed, chain=b"")):
        with pytest.raises(CertificateRefused, match="mixed"):
            serve(broken)


def test_without_memory_files(certificate, handshake, client, monkeypatch) -> None:
    """
    Where there are no memory files, the chain is as whole.
    """
    monkeypatch.delattr("os.memfd_create")
    shaken = handshake(serve(certificate("e", issuers=1)), client()).run()
    assert len(shaken.client.get_peer_cert_chain(as_cryptography=True)) == 2


def test_what_openssl_takes_is_known_before_it_serves(certificate) -> None:
    """
    The check says the same of each of many, of every kind of key and after a refusal.
    """

    def check(one) -> None:
        check_taken(one, load_pem_private_key(one.key, None))

    good = [certificate("ec", issuers=1), certificate("rsa", kind="rsa-2048"), certificate("again")]
    for one in good:
        check(one)
    for broken in (
        attrs.evolve(good[0], chain=b""),
        attrs.evolve(good[0], chain=good[0].chain[:400]),
        attrs.evolve(good[0], key=certificate("other", kind="rsa-3072").key),
    ):
        with pytest.raises(CertificateRefused, match="OpenSSL does not take ec: "):
            check(broken)
        for one in good:
            check(one)
