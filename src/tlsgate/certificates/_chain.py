"""
From a leaf to a root: chains put in order and completed, and the roots that this machine trusts.
"""

from __future__ import annotations

import datetime
import os
import ssl
import warnings
from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path
from typing import Final

import attrs
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.x509 import verification

from ..sites import ServerCertificate
from ._material import ODD

__all__ = ["Chain", "Roots", "build_chain", "is_self_signed", "issued_by", "known_issuers", "system_roots"]

# Longer ones are loops or attacks; the web's have two or three.
LONGEST: Final = 16

END: Final = b"-----END CERTIFICATE-----"

# Where distributions keep their bundle, the likeliest first; after SSL_CERT_FILE and OpenSSL's own setting.
BUNDLES: Final = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/opt/homebrew/etc/ca-certificates/cert.pem",
)


def _subject(certificate: x509.Certificate) -> bytes:
    """
    The subject's DER; empty if it cannot be read.
    """
    try:
        return certificate.subject.public_bytes()
    except ODD:
        return b""


def _issuer(certificate: x509.Certificate) -> bytes:
    try:
        return certificate.issuer.public_bytes()
    except ODD:
        return b""


def issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """
    Did this issuer sign this certificate?
    """
    try:
        certificate.verify_directly_issued_by(issuer)
    except UnsupportedAlgorithm:
        # A hash that is too old to be computed here; the names agree (the caller looked), so believe them.
        return _issuer(certificate) == _subject(issuer)
    except (InvalidSignature, *ODD):
        return False
    return True


def is_self_signed(certificate: x509.Certificate) -> bool:
    """
    Is this certificate its own issuer?
    """
    subject = _subject(certificate)
    return subject == _issuer(certificate) and issued_by(certificate, certificate)


class Roots:
    """
    Certificates that are trusted.
    """

    def __init__(self, certificates: Iterable[x509.Certificate]) -> None:
        self.certificates = tuple(certificates)
        self._by_subject = _by_subject(self.certificates)
        self._store = verification.Store(list(self.certificates)) if self.certificates else None

    def __contains__(self, certificate: x509.Certificate) -> bool:
        return certificate in self._by_subject.get(_subject(certificate), ())

    def issuer_of(self, certificate: x509.Certificate) -> x509.Certificate | None:
        """
        The root that signed this certificate.
        """
        for root in self._by_subject.get(_issuer(certificate), ()):
            if issued_by(certificate, root):
                return root
        return None

    def trust(
        self, leaf: x509.Certificate, issuers: Sequence[x509.Certificate], name: str, at: datetime.datetime
    ) -> str:
        """
        Verify a chain as a browser would (RFC 5280, and the rules of the web's PKI).

        @param name: a DNS name that the leaf covers, without a wildcard, or an address.
        @param at: the time to verify for.

        @return: why it is not trusted; empty if it is.
        """
        if self._store is None:
            return "no trusted roots are known on this machine"
        try:
            subject = _verification_subject(name)
            builder = verification.PolicyBuilder().store(self._store).time(at.replace(tzinfo=None))
            builder.build_server_verifier(subject).verify(leaf, list(issuers))
        except (verification.VerificationError, *ODD) as error:
            return str(error) or type(error).__name__
        return ""


def _verification_subject(name: str) -> x509.DNSName | x509.IPAddress:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _by_subject(certificates: Iterable[x509.Certificate]) -> dict[bytes, list[x509.Certificate]]:
    found: dict[bytes, list[x509.Certificate]] = {}
    for certificate in certificates:
        subject = _subject(certificate)
        if subject:
            found.setdefault(subject, []).append(certificate)
    return found


def system_roots() -> Roots:
    """
    The roots that this machine trusts; read once, and again when the bundle changes.  SSL_CERT_FILE names another
    bundle, as it does for OpenSSL.
    """
    candidates = (os.environ.get("SSL_CERT_FILE"), *BUNDLES, ssl.get_default_verify_paths().cafile)
    for path in candidates:
        if path:
            try:
                changed = Path(path).stat().st_mtime_ns
            except OSError:
                continue
            return _read_roots(path, changed)
    return Roots(())


@lru_cache(maxsize=2)
def _read_roots(path: str, changed: int) -> Roots:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return Roots(x509.load_pem_x509_certificates(Path(path).read_bytes()))
    except (OSError, *ODD):
        return Roots(())


@attrs.frozen
class Chain:
    """
    A leaf and its issuers in order, without the root.

    @ivar complete: a trusted or a self-signed certificate issued the last of them, or the leaf itself is self-signed.
    @ivar added: how many of them were not sent but known already.
    @ivar unused: certificates that were sent and do not belong to it.
    """

    certificates: tuple[x509.Certificate, ...]
    complete: bool
    added: int = 0
    unused: tuple[x509.Certificate, ...] = ()


def build_chain(
    leaf: x509.Certificate, sent: Sequence[x509.Certificate], known: Sequence[x509.Certificate], roots: Roots
) -> Chain:
    """
    Put a chain in order: what was sent comes first, then what is known, until a root.

    @param sent: in any order, with duplicates, strangers or the leaf itself among them.
    @param known: intermediates from elsewhere.
    """
    sent_by, known_by = _by_subject(sent), _by_subject(known)
    chain = [leaf]
    added = 0
    complete = is_self_signed(leaf)
    root: x509.Certificate | None = None
    while not complete and len(chain) < LONGEST:
        below = chain[-1]
        found = _issuer_among(below, sent_by, chain)
        if found is None:
            root = roots.issuer_of(below)
            if root is not None:
                complete = True
                break
            found = _issuer_among(below, known_by, chain)
            added += found is not None
        if found is None:
            break
        if is_self_signed(found):
            complete, root = True, found
        else:
            chain.append(found)
    used = {*chain, root}
    return Chain(tuple(chain), complete, added, tuple(one for one in sent if one not in used))


def _issuer_among(
    below: x509.Certificate, by_subject: dict[bytes, list[x509.Certificate]], chain: list[x509.Certificate]
) -> x509.Certificate | None:
    # Of several with the same name and key (cross-signed, renewed), the one that lives longest.
    candidates = [one for one in by_subject.get(_issuer(below), ()) if one not in chain]
    for candidate in sorted(candidates, key=lambda one: one.not_valid_after_utc, reverse=True):
        if issued_by(below, candidate):
            return candidate
    return None


def known_issuers(certificates: Iterable[ServerCertificate]) -> tuple[x509.Certificate, ...]:
    """
    The intermediates of certificates that are already here; they complete the chains of others.
    """
    # Most certificates share their chain with others: each text is read once.
    texts = {certificate.chain.partition(END)[2] for certificate in certificates}
    found: dict[x509.Certificate, None] = {}
    for text in sorted(texts):
        if text.strip():
            found.update(dict.fromkeys(x509.load_pem_x509_certificates(text)))
    return tuple(found)
