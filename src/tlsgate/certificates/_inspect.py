"""
Everything there is to say about a certificate, as data: the object of the admin API, and findings that say what to do.

The upload, a dry run, the command line, the status and the alerts all ask L{inspect}, so that they agree.
"""

from __future__ import annotations

import datetime
import warnings
from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache
from typing import Any, Final, Literal, TypeAlias

import attrs
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from ..problems import Finding, Severity
from ..sites import ServerCertificate
from ..tls import is_address, matches, normalise
from ._chain import Roots, build_chain, is_self_signed, system_roots
from ._extensions import is_authority, names_of, serves_tls, signs
from ._material import ODD

__all__ = ["EXPIRING", "Inspection", "State", "inspect", "state_of", "timestamp"]

State: TypeAlias = Literal["valid", "expiring", "expired", "not_yet_valid"]

DAY: Final = 86400.0

#: Seconds before its end from which a certificate counts as expiring.
EXPIRING: Final = 30 * DAY

# Hosts listed in one sentence.
LISTED: Final = 5


@attrs.frozen(kw_only=True)
class Inspection:
    """
    The certificate object of the admin API.

    @ivar names: DNS names and addresses that it covers.
    @ivar not_before: Unix time.
    @ivar not_after: Unix time.
    @ivar days_left: whole days until C{not_after}; negative once it has passed.
    @ivar trusted: a client with this machine's roots would accept the chain.
    @ivar chain: leaf first, as it is served.
    @ivar used_by: what would miss it, as C{binding https} or C{site shop}.
    """

    name: str
    subject: str
    issuer: str
    names: tuple[str, ...]
    not_before: float
    not_after: float
    days_left: int
    state: State
    key_type: str
    fingerprint: str
    self_signed: bool
    trusted: bool
    chain: tuple[dict[str, str], ...]
    source: str
    used_by: tuple[str, ...]
    findings: tuple[Finding, ...]

    def as_json(self) -> dict[str, Any]:
        """
        The object as the admin API shows it; never a key.
        """
        shown = {field.name: getattr(self, field.name) for field in attrs.fields(Inspection)}
        shown["not_before"] = timestamp(self.not_before)
        shown["not_after"] = timestamp(self.not_after)
        shown["findings"] = [finding.as_json() for finding in self.findings]
        return {key: list(value) if isinstance(value, tuple) else value for key, value in shown.items()}


def timestamp(moment: float) -> str:
    """
    A Unix time as the admin API shows it (RFC 3339, UTC).
    """
    return _utc(moment).strftime("%Y-%m-%dT%H:%M:%SZ")


def _utc(moment: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(0, datetime.UTC) + datetime.timedelta(seconds=moment)


def state_of(certificate: ServerCertificate, now: float) -> State:
    """
    Where a certificate is in its life.

    @param now: Unix time.
    """
    if now < certificate.not_before:
        return "not_yet_valid"
    if now >= certificate.not_after:
        return "expired"
    return "expiring" if now >= certificate.not_after - EXPIRING else "valid"


def inspect(
    certificate: ServerCertificate,
    *,
    now: float,
    hosts: Collection[str] = (),
    roots: Roots | None = None,
    used_by: Sequence[str] = (),
    source: str = "upload",
) -> Inspection:
    """
    Look at a certificate from every side.

    @param now: Unix time.
    @param hosts: the names that it is meant to serve; wildcards count as names, a lone C{*} asks for nothing.
    @param roots: what is trusted; the system's by default.
    @param used_by: what would miss it.
    @param source: C{upload}, C{pfx}, C{self-signed}, C{acme}, C{csr} or C{files}.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _inspect(
            certificate,
            now=now,
            hosts=hosts,
            look=_look(certificate.chain, roots or system_roots()),
            used_by=used_by,
            source=source,
        )


@attrs.frozen(kw_only=True)
class _Look:
    """
    What does not change while a certificate is held: parsing and verifying take milliseconds, and the status asks
    every few seconds.

    @ivar distrust: what the verifier says against it; empty for nothing.
    @ivar judged: are there roots to judge it by?
    @ivar reaches: does its chain lead to one of them?
    @ivar end: the issuer that its chain ends at.
    """

    subject: str
    issuer: str
    self_signed: bool
    complete: bool
    distrust: str
    judged: bool
    reaches: bool
    end: str
    chain: tuple[dict[str, str], ...]
    hashes: tuple[str, ...]
    ends_before_leaf: str
    serves_tls: bool
    signs: bool
    authority: bool


@lru_cache(maxsize=16384)
def _look(pem: bytes, roots: Roots) -> _Look:
    leaf, *issuers = x509.load_pem_x509_certificates(pem)
    built = build_chain(leaf, issuers, (), roots)
    self_signed = is_self_signed(leaf)
    first_end = min((one.not_valid_after_utc for one in issuers), default=leaf.not_valid_after_utc)
    return _Look(
        subject=_rfc4514(leaf, "subject"),
        issuer=_rfc4514(leaf, "issuer"),
        self_signed=self_signed,
        complete=built.complete,
        distrust="it is self-signed" if self_signed and leaf not in roots else _distrust(leaf, issuers, roots),
        judged=bool(roots.certificates),
        reaches=roots.issuer_of(built.certificates[-1]) is not None,
        end=_rfc4514(built.certificates[-1], "issuer"),
        chain=tuple(
            {
                "subject": _rfc4514(one, "subject"),
                "issuer": _rfc4514(one, "issuer"),
                "not_after": timestamp(one.not_valid_after_utc.timestamp()),
                "fingerprint": one.fingerprint(hashes.SHA256()).hex(),
            }
            for one in (leaf, *issuers)
        ),
        hashes=tuple(sorted({_hash(one) for one in (leaf, *issuers) if not is_self_signed(one)} & {"md5", "sha1"})),
        ends_before_leaf=timestamp(first_end.timestamp()) if first_end < leaf.not_valid_after_utc else "",
        serves_tls=serves_tls(leaf),
        signs=signs(leaf),
        authority=is_authority(leaf),
    )


def _rfc4514(certificate: x509.Certificate, which: Literal["subject", "issuer"]) -> str:
    try:
        name: x509.Name = getattr(certificate, which)
        return name.rfc4514_string()
    except ODD:
        return ""


def _hash(certificate: x509.Certificate) -> str:
    try:
        algorithm = certificate.signature_hash_algorithm
    except ODD:
        return ""
    return "" if algorithm is None else algorithm.name


def _distrust(leaf: x509.Certificate, issuers: Sequence[x509.Certificate], roots: Roots) -> str:
    """
    Why a client with these roots would not accept the chain at a time within the leaf's dates; empty if it would.
    """
    names = names_of(leaf)
    if not names:
        return "it has no subject alternative name"
    name = names[0].replace("*", "www", 1)
    # Dates have findings of their own; a chain is judged by what it is.
    at = min(max(_now(), leaf.not_valid_before_utc), leaf.not_valid_after_utc)
    return roots.trust(leaf, issuers, name, at)


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _inspect(
    certificate: ServerCertificate,
    *,
    now: float,
    hosts: Collection[str],
    look: _Look,
    used_by: Sequence[str],
    source: str,
) -> Inspection:
    findings = [
        *_of_dates(certificate, now, look),
        *_of_trust(certificate, look),
        *_of_names(certificate, hosts),
        *_of_strength(certificate, look),
        *_of_usage(certificate, look),
    ]
    return Inspection(
        name=certificate.name,
        subject=look.subject,
        issuer=look.issuer,
        names=certificate.names,
        not_before=certificate.not_before,
        not_after=certificate.not_after,
        days_left=int((certificate.not_after - now) // DAY),
        state=state_of(certificate, now),
        key_type=certificate.key_type,
        fingerprint=certificate.fingerprint,
        self_signed=look.self_signed,
        trusted=not look.distrust,
        chain=look.chain,
        source=source,
        used_by=tuple(used_by),
        findings=tuple(findings),
    )


def _warning(code: str, message: str) -> Finding:
    return Finding(code, Severity.WARNING, message)


def _of_dates(certificate: ServerCertificate, now: float, look: _Look) -> Iterator[Finding]:
    begin, end = timestamp(certificate.not_before), timestamp(certificate.not_after)
    state = state_of(certificate, now)
    if state == "not_yet_valid":
        yield _warning(
            "not-yet-valid",
            f"“{certificate.name}” is valid from {begin} only; it begins to serve by itself then, or check the clock.",
        )
    elif state == "expired":
        message = f"“{certificate.name}” expired at {end}; clients refuse it: renew it and upload the new one."
        yield Finding("certificate-expired", Severity.ERROR, message)
    elif state == "expiring":
        days = int((certificate.not_after - now) // DAY)
        yield _warning(
            "expires-soon",
            f"“{certificate.name}” expires in {days} days, at {end}; renew it and upload the new one.",
        )
    if look.ends_before_leaf:
        yield _warning(
            "chain-expires-first",
            f"An issuer in the chain of “{certificate.name}” ends at {look.ends_before_leaf}, before the certificate; "
            "fetch the present chain from your CA.",
        )


def _of_trust(certificate: ServerCertificate, look: _Look) -> Iterator[Finding]:
    if not look.distrust:
        return
    if look.self_signed:
        yield _warning(
            "self-signed",
            f"“{certificate.name}” is self-signed: clients refuse it unless they are told to trust it; get one from a "
            "CA for anything but tests.",
        )
        return
    if not look.complete and len(look.chain) == 1:
        yield _warning(
            "chain-incomplete",
            f"“{certificate.name}” comes without the certificate of its issuer ({look.issuer}); upload the full chain "
            "(fullchain.pem), unless that issuer is a root of your own.",
        )
    yield _warning("untrusted", _why_untrusted(certificate.name, look))


def _why_untrusted(name: str, look: _Look) -> str:
    if not look.judged:
        return (
            f"This machine has no trusted roots to judge “{name}” by; install the package ca-certificates, or name a "
            "bundle of roots in SSL_CERT_FILE."
        )
    if not look.reaches:
        return (
            f"“{name}” leads to no root that this machine trusts: its chain ends at {look.end}. If that is a public "
            "CA, upload the full chain; if it is your own, have the clients trust its root, and add that to this "
            "machine's roots to end this warning."
        )
    return (
        f"Clients may refuse “{name}” although they trust its issuer: it does not keep to the rules for public "
        f"certificates. Have it issued again. The verifier says: {look.distrust}."
    )


def _of_names(certificate: ServerCertificate, hosts: Collection[str]) -> Iterator[Finding]:
    if not certificate.names:
        yield _warning(
            "no-subject-alternative-name",
            f"“{certificate.name}” has no subject alternative name; browsers ignore the common name: have it issued "
            "again with the names in that extension.",
        )
    missing = [host for host in hosts if host != "*" and not _covers(certificate.names, host)]
    if missing:
        listed = ", ".join(missing[:LISTED]) + (f" and {len(missing) - LISTED} more" if len(missing) > LISTED else "")
        yield _warning(
            "name-not-covered",
            f"“{certificate.name}” does not cover {listed}; clients refuse it there: have it issued again with these "
            "names, or upload another for them.",
        )


def _covers(names: Collection[str], host: str) -> bool:
    wanted = normalise(host)
    if wanted.startswith("*."):
        return wanted in names
    if is_address(wanted):
        return wanted in names
    return any(matches(name, wanted) for name in names)


def _of_strength(certificate: ServerCertificate, look: _Look) -> Iterator[Finding]:
    for algorithm in look.hashes:
        shown = {"sha1": "SHA-1", "md5": "MD5"}[algorithm]
        yield _warning(
            "sha1-signature",
            f"A signature in the chain of “{certificate.name}” is made with {shown}, which clients refuse; have it "
            "issued again with SHA-256.",
        )


def _of_usage(certificate: ServerCertificate, look: _Look) -> Iterator[Finding]:
    if not look.serves_tls:
        yield _warning(
            "usage-not-server",
            f"“{certificate.name}” is not meant for TLS servers (its extended key usage lacks serverAuth); clients "
            "refuse it: have one issued for a server.",
        )
    if not look.signs:
        yield _warning(
            "usage-not-signature",
            f"“{certificate.name}” does not allow digital signatures (its key usage), which TLS needs; have it issued "
            "again with digitalSignature.",
        )
    if look.authority and not look.self_signed:
        yield _warning(
            "authority-as-leaf",
            f"“{certificate.name}” is the certificate of a CA; browsers refuse it as a server's, and its key should "
            "not be here: issue one for the server with it.",
        )
