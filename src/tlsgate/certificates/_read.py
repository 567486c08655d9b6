"""
An upload becomes a certificate that can serve, or a problem that says what to send instead.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Final, Literal

import attrs
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes

from ..problems import Finding, Problem, Severity
from ..sites import ServerCertificate
from ..tls import CertificateRefused, check_taken
from ._chain import Roots, build_chain, is_self_signed, system_roots
from ._extensions import is_authority, names_of
from ._keys import ServerKey, check_key, fits, key_type, read_key, same_public_key
from ._material import ODD, Material, gather
from ._pkcs12 import open_pkcs12
from ._value import server_certificate

__all__ = ["LARGEST", "ReadResult", "pair", "read_certificate"]

#: Bytes of all parts together.
LARGEST: Final = 1024 * 1024

# Keys of one upload that are tried: a PFX may hold several, a folder too.
MAX_KEYS: Final = 8


@attrs.frozen
class ReadResult:
    """
    A certificate that was read.

    @ivar findings: about the upload itself (parts exchanged, certificates that were not needed, a chain completed);
        what there is to say about the certificate is told by L{inspect}.
    """

    certificate: ServerCertificate
    findings: tuple[Finding, ...]
    source: Literal["upload", "pfx"]


def read_certificate(
    parts: Mapping[str, Sequence[bytes]],
    *,
    name: str,
    password: bytes | None = None,
    now: float,
    intermediates: Sequence[x509.Certificate] = (),
    roots: Roots | None = None,
) -> ReadResult:
    """
    Read a certificate, its key and its chain from any of the forms that people have.

    @param parts: the contents by the name of their part: C{certificate}, C{key}, C{chain}, C{pfx}.  What is in them
        is recognised by content, wherever it stands.
    @param name: of the certificate to make.
    @param password: of the key or the PFX; never kept.
    @param now: Unix time.
    @param intermediates: that are known already (see L{known_issuers}) and may complete the chain.
    @param roots: to complete the chain towards; the system's by default.

    @raise Problem: C{missing-part}, C{too-large}, C{certificate-unreadable}, C{key-unreadable}, C{key-mismatch},
        C{key-encrypted}, C{wrong-password}, C{key-too-weak}, C{certificate-expired} or C{no-leaf}.
    """
    if sum(len(content) for contents in parts.values() for content in contents) > LARGEST:
        raise Problem("too-large", "A certificate with its key and chain is at most 1 MiB; this is more.")
    material = Material()
    for part, contents in parts.items():
        for content in contents:
            gather(content, part, material)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        keys = _open(material, password or None)
        _complain_of_certificates(parts, material, bool(keys))
        if not keys:
            keys = _keys(parts, material, password or None)
        leaf, key = pair([found for found, _ in material.certificates], keys)
        sent = [found for found, _ in material.certificates]
        certificate, findings = _assemble(
            name=name,
            leaf=leaf,
            key=check_key(key),
            sent=sent,
            intermediates=intermediates,
            roots=roots or system_roots(),
            now=now,
        )
    exchanged = _exchanged(parts, material)
    source: Literal["upload", "pfx"] = "pfx" if material.containers else "upload"
    return ReadResult(certificate, (*exchanged, *findings), source)


def _open(material: Material, password: bytes | None) -> list[PrivateKeyTypes]:
    """
    Open the PKCS#12 files, add their certificates, and give their keys.
    """
    keys = []
    for der, part in material.containers[:MAX_KEYS]:
        opened = open_pkcs12(der, password)
        for certificate in opened.certificates:
            material.add_certificate(certificate, part)
        if opened.key is not None:
            keys.append(opened.key)
    if material.containers and not keys and not material.keys:
        raise Problem(
            "key-unreadable",
            "The PFX file holds no private key; export it again with “Yes, export the private key”.",
        )
    return keys


def _complain_of_certificates(parts: Mapping[str, Sequence[bytes]], material: Material, opened: bool) -> None:
    """
    Say why there is no certificate.

    @raise Problem: C{missing-part} or C{certificate-unreadable}.
    """
    given = [part for part in ("certificate", "pfx") if parts.get(part)]
    for part in given:
        if part in material.faults and not material.has_certificate(part) and not material.has_key(part):
            raise Problem("certificate-unreadable", f"The part “{part}” cannot be read: {material.why_not(part)}.")
    if material.certificates:
        for part in (*given, "chain"):
            if material.faults.get(part, "").startswith(("a certificate", "the PKCS#7", "the block “CERT")):
                raise Problem("certificate-unreadable", f"The part “{part}” cannot be read: {material.faults[part]}.")
        return
    if opened:
        raise Problem("no-leaf", "The PFX file holds a private key but no certificate; export both together.")
    if not given:
        raise Problem("missing-part", "Send the certificate, in the part “certificate”.")
    part = given[0]
    why = "it holds a private key only" if material.has_key(part) else material.why_not(part)
    raise Problem("certificate-unreadable", f"The part “{part}” holds no certificate: {why}.")


def _keys(parts: Mapping[str, Sequence[bytes]], material: Material, password: bytes | None) -> list[PrivateKeyTypes]:
    """
    Read the keys that stand by themselves.

    @raise Problem: there is none, or none can be read.
    """
    if not material.keys:
        if not parts.get("key"):
            raise Problem("missing-part", "Send the private key that belongs to the certificate, in the part “key”.")
        why = "it holds a certificate" if material.has_certificate("key") else material.why_not("key")
        raise Problem("key-unreadable", f"The part “key” holds no private key: {why}.")
    keys: list[PrivateKeyTypes] = []
    first: Problem | None = None
    for block, _ in material.keys[:MAX_KEYS]:
        try:
            keys.append(read_key(block, password))
        except Problem as problem:
            first = first or problem
    if first is not None and not keys:
        raise first
    return keys


def pair(
    certificates: Sequence[x509.Certificate], keys: Sequence[PrivateKeyTypes]
) -> tuple[x509.Certificate, PrivateKeyTypes]:
    """
    Find the leaf: the certificate with the public key of one of the keys; of several, the one that lives longest.

    @raise Problem: C{key-mismatch}, or C{no-leaf} if there are only certificates of CAs, or C{key-too-weak}.
    """
    fitting = []
    unreadable = 0
    for certificate in certificates:
        try:
            public = certificate.public_key()
        except ODD:
            unreadable += 1
            continue
        for key in keys:
            if _is_pair(public, key):
                fitting.append((certificate, key))
    if not fitting:
        raise _no_pair(certificates, keys, unreadable)
    # A renewed certificate may stand beside the old one, with the same key.
    leaf, key = max(fitting, key=lambda one: (not is_authority(one[0]), one[0].not_valid_after_utc))
    check_key(key)
    if not fits(key, leaf.public_key()):  # type: ignore[arg-type]  # check_key narrows it
        raise Problem("key-unreadable", "The private key is damaged: what it signs cannot be verified.")
    return leaf, key


def _is_pair(public: PublicKeyTypes, key: PrivateKeyTypes) -> bool:
    try:
        return same_public_key(public, key.public_key())
    except ODD:
        return False


def _no_pair(certificates: Sequence[x509.Certificate], keys: Sequence[PrivateKeyTypes], unreadable: int) -> Problem:
    if unreadable == len(certificates):
        return Problem(
            "certificate-unreadable",
            "The public key in the certificate is of a kind that cannot be read here; use a certificate with RSA, "
            "P-256, P-384, P-521 or Ed25519.",
        )
    # `openssl req -x509` marks every certificate as a CA's; one that names hosts, or comes alone, was meant for a
    # server all the same.
    alone = len(certificates) == 1 and is_self_signed(certificates[0])
    if not alone and all(is_authority(one) and not names_of(one) for one in certificates):
        return Problem(
            "no-leaf",
            "There are only certificates of CAs here, and none belongs to the private key; add the certificate that "
            "was issued for the server.",
        )
    return Problem(
        "key-mismatch",
        f"The private key ({key_type(keys[0])}) does not belong to the certificate; send the key that its request was "
        "made with.",
    )


def _assemble(
    *,
    name: str,
    leaf: x509.Certificate,
    key: ServerKey,
    sent: Sequence[x509.Certificate],
    intermediates: Sequence[x509.Certificate],
    roots: Roots,
    now: float,
) -> tuple[ServerCertificate, list[Finding]]:
    """
    Put the chain in order and make the value.

    @raise Problem: C{certificate-expired} or C{certificate-unreadable}.
    """
    try:
        ends = leaf.not_valid_after_utc
        if now >= ends.timestamp():
            raise Problem(
                "certificate-expired",
                f"The certificate expired on {ends:%Y-%m-%d %H:%M} UTC; renew it and send the new one.",
            )
        chain = build_chain(leaf, sent, intermediates, roots)
        certificate = server_certificate(name, chain.certificates, key)
        check_taken(certificate, key)
    except (CertificateRefused, *ODD) as error:
        raise Problem("certificate-unreadable", f"The certificate cannot be served: {error}.") from error
    findings = []
    if chain.added:
        findings.append(
            Finding(
                "chain-completed",
                Severity.INFO,
                f"{chain.added} intermediate certificates that were not sent are known here; they complete the chain.",
            )
        )
    strangers = [one for one in chain.unused if one != leaf and not is_self_signed(one)]
    if strangers:
        findings.append(
            Finding(
                "unused-certificate",
                Severity.INFO,
                f"{len(strangers)} of the certificates that were sent are not part of the chain and were left out.",
            )
        )
    return certificate, findings


def _exchanged(parts: Mapping[str, Sequence[bytes]], material: Material) -> list[Finding]:
    """
    Tell that the parts held each other's content.
    """
    if "key" not in parts or "certificate" not in parts:
        return []
    if material.has_key("key") or not material.has_key("certificate"):
        return []
    return [
        Finding(
            "parts-exchanged",
            Severity.INFO,
            "The private key was found in the part “certificate”, and not in “key”; it was accepted all the same.",
        )
    ]
