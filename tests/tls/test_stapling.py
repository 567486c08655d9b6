"""
OCSP responses in the handshake.

OpenSSL 4 reads the response that it is given and sends it only if it is one about the certificate that is served: what
is no OCSP response is dropped without a word.  These are therefore real.
"""

from __future__ import annotations

import datetime

import attrs
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from OpenSSL import SSL

from tlsgate.sites import ServerCertificate
from tlsgate.tls import CertificateSelector, Terminator


def stapled(certificate: ServerCertificate) -> ServerCertificate:
    """
    The same with a response about it.  Who signed it is the client's to ask.
    """
    leaf, issuer = x509.load_pem_x509_certificates(certificate.chain)
    now = datetime.datetime.now(datetime.UTC)
    key = ec.generate_private_key(ec.SECP256R1())
    responder = (
        x509.CertificateBuilder()
        .subject_name(issuer.subject)
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(1))
        .sign(key, hashes.SHA256())
    )
    response = (
        ocsp.OCSPResponseBuilder()
        .add_response(
            leaf, issuer, hashes.SHA1(), ocsp.OCSPCertStatus.GOOD, now, now + datetime.timedelta(1), None, None
        )
        .responder_id(ocsp.OCSPResponderEncoding.HASH, responder)
        .sign(key, hashes.SHA256())
    )
    return attrs.evolve(certificate, staple=response.public_bytes(Encoding.DER))


@pytest.mark.parametrize("version", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION])
def test_a_response_is_sent(certificate, handshake, client, version) -> None:
    """
    A client that asks is sent the response of the certificate that it is shown, in both versions, through the context
    that its server name selects.
    """
    one = stapled(certificate("one", ["one.test"], issuers=1))
    other = certificate("other", ["other.test"], issuers=1)
    terminator = Terminator(CertificateSelector({"one": one, "other": other}, default="other"))
    for name, expected in ((b"one.test", one.staple), (b"other.test", b"")):
        seen: list[bytes] = []
        asking = client(version=version)
        asking.set_ocsp_client_callback(lambda _connection, response, _data, seen=seen: not seen.append(response))
        shaken = handshake(terminator.context, asking, name)
        shaken.client.request_ocsp()
        assert shaken.run().error is None
        assert seen == [expected]
