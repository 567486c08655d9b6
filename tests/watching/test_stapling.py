"""
OCSP responses from a responder of the tests' own on loopback.
"""

from __future__ import annotations

import datetime
from types import SimpleNamespace
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID
from twisted.internet import reactor  # noqa: TID253 - a real server needs the real one
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase
from twisted.web.resource import Resource
from twisted.web.server import Site

from tlsgate.sites import ServerCertificate
from tlsgate.watching import Stapling
from tlsgate.watching._stapling import fetch_over_http

NOW = 1_800_000_000.0
DAY = 86400.0


def moment(seconds: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(NOW + seconds, datetime.UTC)


def certify(subject: str, issuer: Any, key: Any, signer: Any, *extensions: x509.ExtensionType) -> x509.Certificate:
    named = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(named)
        .issuer_name(named if issuer is None else issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment(-DAY))
        .not_valid_after(moment(90 * DAY))
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(signer, hashes.SHA256())


class Responder(Resource):
    """
    Says good, or what it is told to say, for a day from now on.
    """

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = certify("CA", None, self.key, self.key)
        self.status = ocsp.OCSPCertStatus.GOOD
        self.code = 200
        self.asked = 0
        self.now = 0.0

    def render_POST(self, request: Any) -> bytes:
        self.asked += 1
        request.setResponseCode(self.code)
        asked = ocsp.load_der_ocsp_request(request.content.read())
        revoked = self.status is ocsp.OCSPCertStatus.REVOKED
        response = (
            ocsp.OCSPResponseBuilder()
            .add_response_by_hash(
                asked.issuer_name_hash,
                asked.issuer_key_hash,
                asked.serial_number,
                asked.hash_algorithm,
                self.status,
                moment(self.now),
                moment(self.now + DAY),
                moment(self.now) if revoked else None,
                None,
            )
            .responder_id(ocsp.OCSPResponderEncoding.HASH, self.certificate)
            .sign(self.key, hashes.SHA256())
        )
        return response.public_bytes(Encoding.DER)


class StaplingTests(TestCase):
    """
    L{Stapling}.
    """

    def setUp(self) -> None:
        self.responder = Responder()
        port = reactor.listenTCP(0, Site(self.responder), interface="127.0.0.1")  # type: ignore[attr-defined]
        self.addCleanup(port.stopListening)
        self.stapling = Stapling(
            wall=lambda: NOW + self.responder.now, fetch=fetch_over_http(reactor), in_thread=deferToThread
        )
        self.published: list[Any] = []
        url = x509.UniformResourceIdentifier(f"http://127.0.0.1:{port.getHost().port}/")
        access = x509.AuthorityInformationAccess([x509.AccessDescription(AuthorityInformationAccessOID.OCSP, url)])
        leaf = certify(
            "a.test", self.responder.certificate, ec.generate_private_key(ec.SECP256R1()), self.responder.key, access
        )
        chain = b"".join(one.public_bytes(Encoding.PEM) for one in (leaf, self.responder.certificate))
        one = ServerCertificate(
            name="a",
            chain=chain,
            key=b"",
            names=(),
            not_before=0,
            not_after=NOW + 90 * DAY,
            key_type="",
            fingerprint="f",
        )
        self.changes: Any = SimpleNamespace(snapshot=SimpleNamespace(certificates={"a": one}), staple=self.staple)

    async def staple(self, staples: Any) -> None:
        self.published.append(staples)

    async def test_refreshes_at_half_life(self) -> None:
        """
        A response is asked for once, again after half of its life, and then served anew.
        """
        for hours, asked in ((0, 1), (1, 1), (11.9, 1), (12.1, 2)):
            self.responder.now = hours * 3600.0
            await self.stapling.round(self.changes)
            self.assertEqual(self.responder.asked, asked)
        self.assertEqual([list(staples) for staples in self.published], [["f"], ["f"]])
        self.assertEqual(list(self.stapling.findings()), [])

    async def test_a_silent_responder(self) -> None:
        """
        While the responder fails the old response goes on until its end, and is then no longer sent.
        """
        await self.stapling.round(self.changes)
        self.responder.code = 500
        for hours in (13, 20, 25):
            self.responder.now = hours * 3600.0
            await self.stapling.round(self.changes)
        self.assertEqual([list(staples) for staples in self.published], [["f"], []])

    async def test_a_revoked_certificate(self) -> None:
        """
        A revocation is never stapled, and told.
        """
        self.responder.status = ocsp.OCSPCertStatus.REVOKED
        await self.stapling.round(self.changes)
        self.assertEqual(self.published, [])
        self.assertEqual([finding.code for finding in self.stapling.findings()], ["certificate-revoked"])
