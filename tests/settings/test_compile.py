import os
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import attrs
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tlsgate.problems import Problem
from tlsgate.settings import (
    SiteMemory,
    StoredCertificate,
    compile_snapshot,
    default_document,
    ramp_steps,
    validate_document,
)
from tlsgate.sites import ServerCertificate, Snapshot

NOW = 1_700_000_000.0

CERTIFICATE = ServerCertificate(
    name="default", chain=b"", key=b"", names=(), not_before=0, not_after=0, key_type="ec-p256", fingerprint=""
)


def compiled(document: dict[str, Any], *names: str, memory: SiteMemory | None = None) -> Snapshot:
    return compile_snapshot(
        validate_document(document),
        number=7,
        certificates={
            name: StoredCertificate(certificate=CERTIFICATE, source="upload", added_at=0)
            for name in names or ("default",)
        },
        memory={} if memory is None else {"default": memory},
        now=NOW,
    )


def with_site(**more: Any) -> dict[str, Any]:
    document = default_document()
    document["site"][0].update(more)
    return document


def with_upstream(**more: Any) -> dict[str, Any]:
    document = default_document()
    document["upstream"][0].update(more)
    return document


def test_default_document() -> None:
    """
    The default document becomes a complete snapshot whose public ports are the endpoints' own.
    """
    snapshot = compiled(default_document())
    assert snapshot.generation == 7
    assert [(b.name, b.public_port, b.default_certificate) for b in snapshot.bindings] == [
        ("http", 8080, ""),
        ("https", 8443, "default"),
    ]
    assert snapshot.sites[0].hosts == ("*",)
    assert snapshot.upstreams[0].servers[0].scheme == "demo"


def test_defaults_are_those_of_the_model() -> None:
    """
    What a document leaves out has the same default as in L{tlsgate.sites}.
    """
    snapshot = compiled(default_document())
    bare = Snapshot(generation=7)
    assert (snapshot.timeouts, snapshot.limits) == (bare.timeouts, bare.limits)
    for found in (*snapshot.sites, *snapshot.upstreams):
        required = {"name", "hosts", "upstream", "servers"}
        kept = {f.name: getattr(found, f.name) for f in attrs.fields(type(found)) if f.name in required}
        assert type(found)(**kept) == found


def test_everything_set_arrives() -> None:
    """
    Settings that differ from the defaults arrive in the snapshot, in its types.
    """
    document = with_site(
        redirect={"mode": "all", "status": 302, "soak": 5, "exempt": ["/x", "10.0.0.0/8"]},
        plaintext_credentials="refuse",
        trusted_peers=["::1"],
        max_body=9,
    )
    document["upstream"][0].update(
        servers=[{"url": "http://a:1", "drain": True}], selection="round-robin", health={"path": "/h", "timeout": 1}
    )
    document["binding"][1].update(public_port=443, tls_profile="modern", strict_sni=True, proxy_protocol=["10.0.0.0/8"])
    document["timeouts"] = {"head": 3}
    document["limits"] = {"target": 99}
    snapshot = compiled(document, memory=SiteMemory(redirect_changed_at=12.0))
    redirect = snapshot.sites[0].redirect
    assert (redirect.mode.value, redirect.status, redirect.soak, redirect.changed_at) == ("all", 302, 5.0, 12.0)
    assert redirect.exempt_paths == (b"/x",)
    assert redirect.exempt_networks == (ip_network("10.0.0.0/8"),)
    assert snapshot.sites[0].plaintext_credentials.value == "refuse"
    assert snapshot.sites[0].trusted_peers == (ip_network("::1"),)
    assert snapshot.upstreams[0].servers[0].drain is True
    assert snapshot.upstreams[0].selection.value == "round-robin"
    assert snapshot.upstreams[0].health.path == "/h"
    binding = snapshot.bindings[1]
    assert (binding.public_port, binding.tls_profile, binding.strict_sni) == (443, "modern", True)
    assert (snapshot.timeouts.head, snapshot.limits.target, snapshot.sites[0].max_body) == (3.0, 99, 9)


@pytest.mark.parametrize(("endpoint", "port"), [("tcp:0", 0), ("unix:/x", 0), ("tcp:81:interface=127.0.0.1", 81)])
def test_public_port(endpoint: str, port: int) -> None:
    """
    Without a public port it is the endpoint's, and 0 where it has none yet.
    """
    document = default_document()
    document["binding"][0]["endpoint"] = endpoint
    assert compiled(document).bindings[0].public_port == port


def test_default_certificate() -> None:
    """
    A named default must exist; without a name it is the one called default, else the first by name.
    """
    document = default_document()
    del document["binding"][1]["default_certificate"]
    assert compiled(document, "b", "a").bindings[1].default_certificate == "a"
    assert compiled(document, "a", "default").bindings[1].default_certificate == "default"
    with pytest.raises(Problem, match="'default' that does not exist; there is: a") as caught:
        compiled(default_document(), "a")
    assert [error.pointer for error in caught.value.errors] == ["/binding/1/default_certificate"]
    with pytest.raises(Problem, match="no certificate"):
        compile_snapshot(validate_document(document), number=1, certificates={}, memory={}, now=NOW)


def test_the_same_certificates_are_the_same_mapping() -> None:
    """
    Certificates that did not change are handed on as they were, so that what was made of them is of use again; one that
    was replaced, added or removed makes another mapping.
    """
    one = StoredCertificate(certificate=CERTIFICATE, source="upload", added_at=0)
    held = {name: attrs.evolve(one, certificate=attrs.evolve(CERTIFICATE, name=name)) for name in ("default", "b")}

    def certificates(stored: dict[str, StoredCertificate], **more: Any) -> Any:
        settings = validate_document(default_document())
        return compile_snapshot(settings, number=1, certificates=stored, memory={}, now=NOW, **more).certificates

    first = certificates(held)
    assert certificates(dict(reversed(held.items())), before=first) is first
    renewed = attrs.evolve(one, certificate=attrs.evolve(CERTIFICATE, fingerprint="other"))
    for changed in ({**held, "default": renewed}, {**held, "c": one}, {"default": held["default"]}):
        made = certificates(changed, before=first)
        assert made == {name: stored.certificate for name, stored in changed.items()}


def test_ramp_steps() -> None:
    """
    A ramp walks the fixed steps below its goal, then the goal.
    """
    assert ramp_steps(31556926) == (300, 3600, 86400, 2592000, 31556926)
    assert ramp_steps(5000) == (300, 3600, 5000)
    assert ramp_steps(0) == (0,)


@pytest.mark.parametrize(("step", "sent"), [(0, 300), (2, 86400), (9, 100000)])
def test_ramp(step: int, sent: int) -> None:
    """
    With a ramp the present step is sent, never more than the goal.
    """
    document = with_site(hsts={"enabled": True, "max_age": 100000, "ramp": True})
    assert compiled(document, memory=SiteMemory(hsts_step=step)).sites[0].hsts.max_age == sent


@pytest.mark.parametrize(
    ("enabled", "until", "expected"),
    [(False, NOW + 1, NOW + 1), (False, NOW, 0.0), (False, 0.0, 0.0), (True, NOW + 1, 0.0)],
)
def test_off_ramp(enabled: bool, until: float, expected: float) -> None:
    """
    While HSTS is off, max-age=0 is sent as long as what was sent could live; not once it is on again.
    """
    snapshot = compiled(with_site(hsts={"enabled": enabled}), memory=SiteMemory(hsts_off_until=until))
    assert snapshot.sites[0].hsts.off_until == expected


def make_pair(folder: Path, name: str) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.now(UTC))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    paths = folder / f"{name}.crt", folder / f"{name}.key"
    paths[0].write_bytes(certificate.public_bytes(Encoding.PEM))
    paths[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return paths


def test_files_of_an_upstream(tmp_path: Path) -> None:
    """
    Trust anchors and client certificate are read; the key may be in a file of its own.
    """
    certificate, key = make_pair(tmp_path, "a")
    document = with_upstream(
        ca_file=str(certificate),
        client_certificate_file=str(certificate),
        client_key_file=str(key),
        server_name="B.test",
    )
    upstream = compiled(document).upstreams[0]
    assert upstream.ca_pem == certificate.read_bytes()
    assert upstream.client_certificate == certificate.read_bytes() + key.read_bytes()
    assert upstream.server_name == "b.test"
    certificate.write_bytes(upstream.client_certificate)
    both = compiled(with_upstream(client_certificate_file=str(certificate))).upstreams[0]
    assert both.client_certificate == upstream.client_certificate


def test_bad_files_of_an_upstream(tmp_path: Path) -> None:
    """
    A missing file, a folder, a FIFO, another key and what is no certificate are errors with pointers, all at once.
    """
    certificate, key = make_pair(tmp_path, "a")
    _, other = make_pair(tmp_path, "b")
    os.mkfifo(tmp_path / "fifo")
    wrong = [
        {"ca_file": str(tmp_path / "none")},
        {"ca_file": str(tmp_path)},
        {"ca_file": str(tmp_path / "fifo")},
        {"ca_file": str(key)},
        {"client_certificate_file": str(certificate)},
        {"client_certificate_file": str(certificate), "client_key_file": str(other)},
        {"server_name": "a b"},
    ]
    document = default_document()
    document["upstream"] += [
        {"name": f"u{number}", "servers": [{"url": "http://a"}], **more} for number, more in enumerate(wrong)
    ]
    with pytest.raises(Problem) as caught:
        compiled(document)
    assert [error.pointer for error in caught.value.errors] == [
        *(f"/upstream/{number}/ca_file" for number in (1, 2, 3, 4)),
        "/upstream/5/client_certificate_file",
        "/upstream/6/client_certificate_file",
        "/upstream/7/server_name",
    ]
    assert "PRIVATE" not in str([error.as_json() for error in caught.value.errors])
