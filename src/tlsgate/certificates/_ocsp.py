"""
OCSP (RFC 6960): the question about a certificate, and whether an answer may be stapled.
"""

from __future__ import annotations

import warnings
from typing import Final

import attrs
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from ..sites import ServerCertificate
from ._material import ODD

__all__ = ["OCSPRefused", "Question", "Response", "question_of", "read_response"]

#: Seconds that the responder's clock may be ahead.
SKEW: Final = 300.0

#: Seconds after which an answer without an end is asked for again.
UNDATED: Final = 86400.0


class OCSPRefused(Exception):
    """
    An answer that must not be stapled; the message says why, as part of a sentence.

    @ivar revoked: because it says that the certificate was revoked.
    """

    def __init__(self, why: str, *, revoked: bool = False) -> None:
        super().__init__(why)
        self.revoked = revoked


@attrs.frozen(kw_only=True)
class Question:
    """
    What to ask of whom.

    @ivar url: of the responder; http only, as the answer is signed.
    @ivar request: DER.
    """

    url: str
    request: bytes
    leaf: x509.Certificate = attrs.field(repr=False)
    issuer: x509.Certificate = attrs.field(repr=False)


@attrs.frozen(kw_only=True)
class Response:
    """
    An answer that may be stapled.

    @ivar der: as it is sent in handshakes.
    @ivar refresh_at: when half of its life is over, Unix time.
    @ivar ends_at: when it must not be sent any more, Unix time.
    """

    der: bytes = attrs.field(repr=False)
    refresh_at: float
    ends_at: float


def question_of(certificate: ServerCertificate) -> Question | None:
    """
    The question about a certificate.

    @return: C{None} if it names no responder, or comes without its issuer.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            leaf, *issuers = x509.load_pem_x509_certificates(certificate.chain)
            access = leaf.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
            urls = [
                each.access_location.value
                for each in access
                if each.access_method == AuthorityInformationAccessOID.OCSP
                and isinstance(each.access_location, x509.UniformResourceIdentifier)
            ]
            url = next((url for url in urls if url.startswith("http://") and url.isprintable()), "")
            if not url or not issuers:
                return None
            # RFC 5019 §2.1.1: SHA-1 names the issuer here and protects nothing; many responders know no other.
            builder = ocsp.OCSPRequestBuilder().add_certificate(leaf, issuers[0], hashes.SHA1())  # noqa: S303 - as said
            request = builder.build().public_bytes(Encoding.DER)
        except (x509.ExtensionNotFound, *ODD):
            return None
    return Question(url=url, request=request, leaf=leaf, issuer=issuers[0])


def read_response(question: Question, der: bytes, now: float) -> Response:
    """
    Check an answer from every side.

    @param der: what the responder sent.
    @param now: Unix time.

    @raise OCSPRefused: it must not be stapled.
    """
    try:
        answer = ocsp.load_der_ocsp_response(der)
        if answer.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            raise OCSPRefused(f"the responder says {answer.response_status.name.lower()}")
        if answer.serial_number != question.leaf.serial_number:
            raise OCSPRefused("it is about another certificate")
        _check_signature(question.issuer, answer)
        begins = answer.this_update_utc.timestamp()
        ends = begins + UNDATED if answer.next_update_utc is None else answer.next_update_utc.timestamp()
        status = answer.certificate_status
    except OCSPRefused:
        raise
    except ODD as error:
        raise OCSPRefused("it cannot be read") from error
    if begins > now + SKEW or ends <= now:
        raise OCSPRefused("it is out of date")
    if status is ocsp.OCSPCertStatus.REVOKED:
        raise OCSPRefused("it says that the certificate was revoked", revoked=True)
    if status is not ocsp.OCSPCertStatus.GOOD:
        raise OCSPRefused("the responder does not know the certificate")
    return Response(der=der, refresh_at=max(now, (begins + ends) / 2), ends_at=ends)


def _check_signature(issuer: x509.Certificate, answer: ocsp.OCSPResponse) -> None:
    """
    RFC 6960 §4.2.2.2: signed by the issuer, or by one to whom the issuer delegated it.

    @raise OCSPRefused: by neither.
    """
    for signer in (issuer, *answer.certificates):
        if signer != issuer and not _is_delegate(issuer, signer):
            continue
        try:
            _verify(signer, answer)
        except InvalidSignature:
            continue
        return
    raise OCSPRefused("it is not signed by the issuer of the certificate")


def _is_delegate(issuer: x509.Certificate, signer: x509.Certificate) -> bool:
    try:
        signer.verify_directly_issued_by(issuer)
        usage = signer.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (InvalidSignature, x509.ExtensionNotFound, *ODD):
        return False
    return ExtendedKeyUsageOID.OCSP_SIGNING in usage


def _verify(signer: x509.Certificate, answer: ocsp.OCSPResponse) -> None:
    key = signer.public_key()
    algorithm = answer.signature_hash_algorithm
    if isinstance(key, rsa.RSAPublicKey) and algorithm is not None:
        key.verify(answer.signature, answer.tbs_response_bytes, padding.PKCS1v15(), algorithm)
    elif isinstance(key, ec.EllipticCurvePublicKey) and algorithm is not None:
        key.verify(answer.signature, answer.tbs_response_bytes, ec.ECDSA(algorithm))
    else:
        raise InvalidSignature
