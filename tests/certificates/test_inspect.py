"""
What is said of a certificate, finding by finding.
"""

from __future__ import annotations

import time

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from tlsgate.certificates import Roots, inspect, read_certificate, self_signed, system_roots

NOW = 1_800_000_000.0
DAY = 86400.0
NOBODY = Roots(())


def served(issued, *issuers, roots=NOBODY, intermediates=()):
    parts = {"certificate": [issued.pem], "chain": [one.pem for one in issuers], "key": [issued.key_pem]}
    return read_certificate(parts, name="x", now=NOW, roots=roots, intermediates=intermediates).certificate


def codes(certificate, **arguments) -> set[str]:
    """
    The codes of all findings, after checking that each says something to do.
    """
    findings = inspect(certificate, now=NOW, **{"roots": NOBODY, **arguments}).findings
    assert all(finding.message.endswith(".") and len(finding.message) > 30 for finding in findings)
    return {finding.code for finding in findings}


@pytest.fixture(scope="module")
def good(family):
    return served(family.leaf, family.low, family.middle)


def test_the_object_of_a_trusted_certificate(good, family) -> None:
    """
    A chain that ends in a trusted root has every field and nothing against it.
    """
    roots = Roots([family.root.certificate])
    shown = inspect(
        good, now=NOW, roots=roots, hosts=["leaf.test", "www.leaf.test", "*"], used_by=["binding https"]
    ).as_json()
    chain = shown.pop("chain")
    assert shown == {
        "name": "x",
        "subject": "CN=leaf.test",
        "issuer": "CN=Low",
        "names": ["leaf.test", "*.leaf.test"],
        "not_before": "2027-01-14T08:00:00Z",
        "not_after": "2027-04-15T08:00:00Z",
        "days_left": 90,
        "state": "valid",
        "key_type": "ec-p256",
        "fingerprint": good.fingerprint,
        "self_signed": False,
        "trusted": True,
        "source": "upload",
        "used_by": ["binding https"],
        "findings": [],
    }
    assert [one["subject"] for one in chain] == ["CN=leaf.test", "CN=Low", "CN=Middle"]
    assert set(chain[0]) == {"subject", "issuer", "not_after", "fingerprint"}


def test_untrusted_and_incomplete(good, family) -> None:
    """
    A whole chain to an unknown root is untrusted; a bare leaf is incomplete as well.
    """
    assert codes(good) == {"untrusted"}
    assert codes(served(family.leaf)) == {"untrusted", "chain-incomplete"}
    known = [family.low.certificate, family.middle.certificate]
    assert not inspect(served(family.leaf), now=NOW, roots=Roots([family.root.certificate])).trusted
    assert inspect(served(family.leaf, intermediates=known), now=NOW, roots=Roots([family.root.certificate])).trusted


def test_says_why_it_is_not_trusted(make, family) -> None:
    """
    An unknown issuer, a machine without roots and a broken rule each have a sentence of their own; what the verifier
    says stands in the last only.
    """
    roots = Roots([family.root.certificate])
    stranger = make("Stranger", ca=True)
    lonely = served(make("a.test", stranger, names=["a.test"]))
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
    client = make("a.test", family.low, names=["a.test"], extensions=[(usage, False)])

    def why(certificate, trusted) -> str:
        findings = inspect(certificate, now=NOW, roots=trusted).findings
        [message] = [finding.message for finding in findings if finding.code == "untrusted"]
        return message

    assert "its chain ends at CN=Stranger." in why(lonely, roots)
    assert "ca-certificates" in why(lonely, NOBODY)
    assert "validation failed" not in why(lonely, roots) + why(lonely, NOBODY)
    assert "The verifier says: " in why(served(client, family.low, family.middle), roots)


def test_self_signed() -> None:
    """
    A self-signed certificate is told as that and not as an incomplete chain.
    """
    made = self_signed("x", ["a.test"], now=NOW)
    assert codes(made) == {"self-signed"}
    inspection = inspect(made, now=NOW, roots=NOBODY)
    assert (inspection.self_signed, inspection.trusted) == (True, False)


@pytest.mark.parametrize(
    ("now", "state", "code", "left"),
    [
        (NOW - 2 * DAY, "not_yet_valid", "not-yet-valid", 92),
        (NOW, "valid", None, 90),
        (NOW + 60 * DAY - 1, "valid", None, 30),
        (NOW + 60 * DAY, "expiring", "expires-soon", 30),
        (NOW + 90 * DAY - 1, "expiring", "expires-soon", 0),
        (NOW + 90 * DAY, "expired", "certificate-expired", 0),
        (NOW + 91 * DAY, "expired", "certificate-expired", -1),
    ],
)
def test_states(good, now, state, code, left) -> None:
    """
    A certificate passes from not yet valid to expired, expiring from thirty days before its end.
    """
    inspection = inspect(good, now=now, roots=NOBODY)
    dated = {"not-yet-valid", "expires-soon", "certificate-expired"}
    found = [finding.code for finding in inspection.findings if finding.code in dated]
    assert (inspection.state, found, inspection.days_left) == (state, [code] if code else [], left)


@pytest.mark.parametrize(
    ("host", "covered"),
    [
        ("leaf.test", True),
        ("LEAF.test.", True),
        ("www.leaf.test", True),
        ("*.leaf.test", True),
        ("*", True),
        ("a.b.leaf.test", False),
        ("*.test", False),
        ("other.test", False),
        ("127.0.0.1", False),
    ],
)
def test_names_not_covered(good, host, covered) -> None:
    """
    Hosts that the certificate does not cover are named.
    """
    assert ("name-not-covered" in codes(good, hosts=[host])) is not covered


def test_no_alternative_name(make) -> None:
    """
    A certificate with nothing but a common name is told to be useless to browsers.
    """
    assert "no-subject-alternative-name" in codes(served(make("a.test", san=False)))


def test_usage(make, family) -> None:
    """
    Usages that forbid a TLS server, and a CA's certificate as a server's, are told.
    """
    client = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
    assert "usage-not-server" in codes(served(make("a.test", family.low, extensions=[(client, False)])))
    authority = codes(served(family.low, family.middle))
    assert {"authority-as-leaf", "usage-not-signature"} <= authority


def test_issuer_that_ends_first(make, family) -> None:
    """
    An issuer that expires before the leaf is told.
    """
    short = make("Short", family.root, ca=True, end=10 * DAY)
    assert "chain-expires-first" in codes(served(make("a.test", short), short))


def test_old_signature_hash(workshop) -> None:
    """
    A signature with SHA-1 is told.
    """
    for arguments in (
        ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "old.key", "-out", "old.pem", "-subj", "/CN=Old"),
        ("req", "-new", "-key", "k.pem", "-subj", "/CN=x", "-out", "x.csr"),
        (
            "x509",
            "-req",
            "-in",
            "x.csr",
            "-CA",
            "old.pem",
            "-CAkey",
            "old.key",
            "-sha1",
            "-CAcreateserial",
            "-out",
            "x.pem",
        ),
    ):
        workshop.run(*arguments)
    parts = {"certificate": [workshop["x.pem"]], "key": [workshop["k.pem"]]}
    certificate = read_certificate(parts, name="x", now=time.time(), roots=NOBODY).certificate
    assert "sha1-signature" in codes(certificate)


@pytest.mark.parametrize(
    "names",
    [
        ["*"],
        ["a.test\x00.evil.test"],
        ["*.*.test", "*.com"],
        [f"host{number}.test" for number in range(5000)],
        ["a" * 300],
        ["xn--a"],
        ["::1", "10.0.0.1"],
    ],
)
def test_odd_names(make, names) -> None:
    """
    Odd and many names are no exception, and none that a client cannot ask for is served.
    """
    certificate = served(make("a.test", names=names, end=250_000_000_000 - NOW))
    inspection = inspect(certificate, now=NOW, roots=NOBODY, hosts=["a.test"])
    assert inspection.as_json()["not_after"].startswith("9892")
    assert not {"*", "a.test\x00.evil.test"} & set(inspection.names)


def test_system_roots(tmp_path, monkeypatch, family, good) -> None:
    """
    SSL_CERT_FILE names the roots that are trusted, and a changed bundle is read again.
    """
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(family.root.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    assert inspect(good, now=NOW).trusted
    bundle.write_bytes(family.low.pem + family.middle.pem)
    assert len(system_roots().certificates) == 2
