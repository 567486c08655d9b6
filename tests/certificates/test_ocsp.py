"""
Questions to an OCSP responder, and which answers may be stapled.
"""

from __future__ import annotations

import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from tlsgate.certificates import OCSPRefused, question_of, read_certificate, read_response

NOW = 1_800_000_000.0
DAY = 86400.0

ACCESS = x509.AuthorityInformationAccess(
    [x509.AccessDescription(AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier("http://ocsp.test/"))]
)


@pytest.fixture(scope="module")
def issuer(make):
    return make("CA", ca=True)


@pytest.fixture(scope="module")
def leaf(make, issuer):
    return make("a.test", issuer, extensions=[(ACCESS, False)])


@pytest.fixture(scope="module")
def question(leaf, issuer):
    parts = {"certificate": [leaf.pem + issuer.pem], "key": [leaf.key_pem]}
    found = question_of(read_certificate(parts, name="a", now=NOW).certificate)
    # A self-signed issuer is a root, which a chain leaves out; what is asked needs it.
    return found or _ask(leaf, issuer)


def _ask(leaf, issuer):
    from tlsgate.certificates import Question

    request = ocsp.OCSPRequestBuilder().add_certificate(leaf.certificate, issuer.certificate, hashes.SHA1()).build()
    der = request.public_bytes(Encoding.DER)
    return Question(url="http://ocsp.test/", request=der, leaf=leaf.certificate, issuer=issuer.certificate)


def answer(leaf, issuer, signer=None, *, begin=-DAY, end=DAY, status=ocsp.OCSPCertStatus.GOOD) -> bytes:
    """
    What a responder says, at times in seconds from NOW.
    """
    signer = signer or issuer
    moment = lambda seconds: datetime.datetime.fromtimestamp(NOW + seconds, datetime.UTC)  # noqa: E731 - two uses
    revoked = status is ocsp.OCSPCertStatus.REVOKED
    builder = ocsp.OCSPResponseBuilder().add_response(
        cert=leaf.certificate,
        issuer=issuer.certificate,
        algorithm=hashes.SHA1(),
        cert_status=status,
        this_update=moment(begin),
        next_update=moment(end),
        revocation_time=moment(begin) if revoked else None,
        revocation_reason=None,
    )
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, signer.certificate)
    if signer is not issuer:
        builder = builder.certificates([signer.certificate])
    return builder.sign(signer.key, hashes.SHA256()).public_bytes(Encoding.DER)


def test_asks_the_named_responder(make, issuer) -> None:
    """
    A certificate with a responder and its issuer gives a question; one without gives none.
    """
    middle = make("Middle", issuer, ca=True)
    for extensions, url in (([(ACCESS, False)], "http://ocsp.test/"), ([], None)):
        leaf = make("a.test", middle, extensions=extensions)
        parts = {"certificate": [leaf.pem + middle.pem], "key": [leaf.key_pem]}
        found = question_of(read_certificate(parts, name="a", now=NOW).certificate)
        assert (None if found is None else found.url) == url


def test_takes_a_good_answer(question, leaf, issuer) -> None:
    """
    An answer of the issuer is refreshed at half of its life and ends with it.
    """
    der = answer(leaf, issuer)
    response = read_response(question, der, NOW)
    assert (response.der, response.refresh_at, response.ends_at) == (der, NOW, NOW + DAY)


def test_takes_a_delegate(question, leaf, issuer, make) -> None:
    """
    Whom the issuer delegated may sign; another of its certificates may not.
    """
    signing = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING])
    delegate = make("responder", issuer, extensions=[(signing, False)])
    assert read_response(question, answer(leaf, issuer, delegate), NOW).ends_at == NOW + DAY
    with pytest.raises(OCSPRefused, match="not signed"):
        read_response(question, answer(leaf, issuer, make("other", issuer)), NOW)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"begin": -3 * DAY, "end": -DAY}, "out of date"),
        ({"begin": DAY, "end": 2 * DAY}, "out of date"),
        ({"status": ocsp.OCSPCertStatus.REVOKED}, "revoked"),
        ({"status": ocsp.OCSPCertStatus.UNKNOWN}, "does not know"),
    ],
)
def test_refuses_bad_answers(question, leaf, issuer, changes, why) -> None:
    """
    What is out of date, or does not say good, is not stapled.
    """
    with pytest.raises(OCSPRefused, match=why) as caught:
        read_response(question, answer(leaf, issuer, **changes), NOW)
    assert caught.value.revoked == (why == "revoked")


def test_refuses_strange_answers(question, leaf, issuer, make) -> None:
    """
    Noise, an error of the responder, and an answer about another certificate are refused.
    """
    other = make("b.test", issuer)
    busy = ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER)
    for der in (b"", b"noise", busy.public_bytes(Encoding.DER), answer(other, issuer)):
        with pytest.raises(OCSPRefused):
            read_response(question, der, NOW)
