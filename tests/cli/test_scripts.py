"""
What "show script" prints is a command that does the same change.
"""

import json
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tlsgate.certificates import LocalAuthority

CHANGES: list[tuple[str, str, Any]] = [
    ("PUT", "/api/v1/sites/default/redirect", {"mode": "report", "exempt": ["/a'b,c", "10.0.0.0/8"], "status": 301}),
    ("PUT", "/api/v1/sites/default/hsts", {"enabled": True, "max_age": 300, "include_subdomains": True}),
    ("PUT", "/api/v1/sites/default/hsts", {}),
    (
        "PATCH",
        "/api/v1/sites/default",
        {"max_body": 7, "trusted_peers": ["10.0.0.0/8"], "redirect": {"mode": "report"}},
    ),
    ("PATCH", "/api/v1/sites/default", {"redirect": None, "max_body": None}),
    ("PUT", "/api/v1/sites/default", {"hosts": ["*", "a.test"], "upstream": "app", "forwarded": True}),
    ("POST", "/api/v1/sites", {"name": "x", "hosts": ["x.test"], "upstream": "app", "hsts": {"enabled": True}}),
    ("DELETE", "/api/v1/sites/x", None),
    ("POST", "/api/v1/upstreams", {"name": "f", "servers": [{"url": "http://127.0.0.1:1"}, {"url": "http://[::1]:2"}]}),
    ("PATCH", "/api/v1/upstreams/f", {"selection": "consistent-hash", "health": {"path": "/ok", "interval": 2.5}}),
    ("POST", "/api/v1/upstreams/f/drain", {"server": "http://127.0.0.1:1"}),
    ("POST", "/api/v1/upstreams/f/resume", {"server": "http://127.0.0.1:1"}),
    ("PUT", "/api/v1/upstreams/f", {"servers": [{"url": "http://127.0.0.1:3", "drain": True}], "hash_key": "target"}),
    ("DELETE", "/api/v1/upstreams/f", None),
    ("POST", "/api/v1/bindings", {"name": "b", "scheme": "https", "endpoint": "tcp:9443", "strict_sni": True}),
    ("PUT", "/api/v1/bindings/b", {"scheme": "https", "endpoint": 9444, "proxy_protocol": ["10.0.0.0/8"]}),
    ("DELETE", "/api/v1/bindings/b", None),
    ("PATCH", "/api/v1/settings", {"timeouts": {"idle": 33}, "acme": {"email": "it's@a.test"}}),
    ("POST", "/api/v1/certificates/self-signed", {"name": "s", "names": ["s.test", "10.0.0.1"], "days": 9}),
    ("DELETE", "/api/v1/certificates/s", None),
    ("POST", "/api/v1/generations/1/rollback", None),
]

#: Changes whose commands name files; each has a test of its own below.
WITH_FILES = {
    "POST /app/https/settings/uploadCertificate",
    "POST /api/v1/certificates",
    "PUT /api/v1/certificates/{name}",
    "PUT /api/v1/certificates/csr/{name}/certificate",
    "POST /api/v1/certificates/batch",
    "PUT /api/v1/settings",
    "POST /api/v1/import",
}


def served(gate) -> tuple[Any, ...]:
    """
    What is in force, but for what is new each time.
    """
    changes = gate.harness.changes
    certificates = {name: stored.certificate.names for name, stored in changes.current.certificates.items()}
    return changes.effective.model_dump(mode="json"), certificates


def test_each_command_does_what_the_call_did(gate, run) -> None:
    """
    Call, note, take back, run the script: the same is in force again, with the same reason.
    """
    for method, path, document in CHANGES:
        before = gate.harness.changes.current.number
        reply = gate.harness.call(method, f"{path}?reason=it%27s+time&force=default", document)
        assert reply.status in (200, 201), (method, path, reply.body)
        script = reply.json["script"]["cli"]
        wanted = served(gate)
        if reply.json["generation"] != before:
            assert gate.harness.call("POST", f"/api/v1/generations/{before}/rollback").status == 200
        name, *words = shlex.split(script)
        assert name == "tlsgate"
        ran = run(*words)
        if ran.status == 2 and "Nothing is to be changed" in ran.err:
            # A call that named nothing: there is nothing to run either.
            assert reply.json["generation"] == before
            continue
        assert ran.status == 0, (script, ran.err)
        assert served(gate) == wanted, script
        if reply.json["generation"] != before:
            assert gate.harness.changes.current.reason == "it's time", script


def test_every_change_has_a_case(gate) -> None:
    """
    No operation that changes something is left out here.
    """
    operations = gate.harness.admin.control.operations
    changes = {f"{each.method} {each.template}" for each in operations if each.change}
    tried = {
        f"{method} {template}"
        for method, path, _ in CHANGES
        for template in [operations.match(path.encode())[0][method].template]
    }
    assert changes == tried | WITH_FILES


def again(gate, run, reply) -> None:
    """
    Take the change of an answer back, run its command, and see that the same is in force.
    """
    assert reply.status in (200, 201), reply.body
    wanted, number = served(gate), reply.json["generation"]
    assert gate.harness.call("POST", f"/api/v1/generations/{number - 1}/rollback?force=default").status == 200
    assert served(gate) != wanted
    ran = run(*shlex.split(reply.json["script"]["cli"])[1:])
    assert ran.status == 0, (reply.json["script"]["cli"], ran.err)
    assert served(gate) == wanted


def test_more_certificates(gate, run, pair, monkeypatch) -> None:
    """
    A new certificate with its chain in a file of its own, as PKCS#12, and a folder of them.
    """
    certificate, key = pair("more.test")
    folder = certificate.parent
    monkeypatch.chdir(folder)
    parts = {"certificate": certificate.read_bytes(), "key": key.read_bytes(), "chain": certificate.read_bytes()}
    (folder / "chain.pem").write_bytes(parts["chain"])
    again(gate, run, gate.harness.form("POST", "/api/v1/certificates", {**parts, "name": "it-s"}))
    make = ["openssl", "pkcs12", "-export", "-in", certificate, "-inkey", key, "-out", "certificate.pfx"]
    subprocess.run([*map(str, make), "-passout", "pass:"], check=True)
    pfx = Path("certificate.pfx").read_bytes()
    again(gate, run, gate.harness.form("PUT", "/api/v1/certificates/pfx", {"pfx": pfx}))
    entries = [{"name": "a", "certificate": parts["certificate"].decode(), "key": parts["key"].decode()}]
    (folder / "certificates").mkdir()
    (folder / "certificates" / "a.crt").write_bytes(parts["certificate"])
    (folder / "certificates" / "a.key").write_bytes(parts["key"])
    again(gate, run, gate.harness.call("POST", "/api/v1/certificates/batch", {"certificates": entries}))


def test_a_document(gate, run, tmp_path, monkeypatch) -> None:
    """
    The whole settings, in the file that the command names.
    """
    monkeypatch.chdir(tmp_path)
    document = gate.harness.call("GET", "/api/v1/settings", fields={"Accept": "application/toml"}).body
    Path("tlsgate.toml").write_bytes(document + b"\n[timeouts]\nidle = 44.0\n")
    content = Path("tlsgate.toml").read_bytes()
    again(gate, run, gate.harness.call("PUT", "/api/v1/settings", content, content_type="application/toml"))


def test_a_backup(gate, run, tmp_path, monkeypatch) -> None:
    """
    A backup, in the file that the command names; the passphrase is asked for.
    """
    monkeypatch.chdir(tmp_path)
    content = gate.harness.call("POST", "/api/v1/export", {"passphrase": "correct horse"}).body
    Path("tlsgate.backup").write_bytes(content)
    assert gate.harness.call("PATCH", "/api/v1/sites/default", {"max_body": 5}).status == 200
    reply = gate.harness.form("POST", "/api/v1/import", {"backup": content, "passphrase": "correct horse"})
    monkeypatch.setenv("TLSGATE_PASSPHRASE", "correct horse")
    again(gate, run, reply)


def test_a_signed_request(gate, run, tmp_path, monkeypatch) -> None:
    """
    The certificate that a CA made of a request; a dry run prints the command, since a request is finished once.
    """
    monkeypatch.chdir(tmp_path)
    made = gate.harness.call("POST", "/api/v1/certificates/csr", {"name": "wish", "names": ["wish.test"]})
    LocalAuthority.load_or_create(tmp_path)
    Path("wish.csr").write_text(made.json["csr"])
    sign = ["openssl", "x509", "-req", "-in", "wish.csr", "-CA", "admin-ca.pem", "-CAkey", "admin-ca.key"]
    Path("names.cnf").write_text("subjectAltName=DNS:wish.test\n")
    subprocess.run(
        [*sign, "-extfile", "names.cnf", "-days", "3000", "-out", "certificate.pem"], check=True, capture_output=True
    )
    path = "/api/v1/certificates/csr/wish/certificate?dry_run=true"
    reply = gate.harness.form("PUT", path, {"certificate": Path("certificate.pem").read_bytes()})
    assert reply.status == 200, reply.body
    ran = run(*[word for word in shlex.split(reply.json["script"]["cli"])[1:] if word != "--dry-run"])
    assert ran.status == 0, ran.err
    assert gate.harness.changes.current.certificates["wish"].certificate.names == ("wish.test",)


@pytest.mark.parametrize("path", ["/app/https/settings/uploadCertificate", "/api/v1/certificates/default"])
def test_uploads(gate, run, pair, monkeypatch, path) -> None:
    """
    The command of an upload works where the files have the names that it uses.
    """
    certificate, key = pair("up.test")
    monkeypatch.chdir(certificate.parent)
    content = {"certificate": certificate.read_text(), "key": key.read_text()}
    reply = (
        gate.harness.form("POST", path, {part: text.encode() for part, text in content.items()})
        if "upload" in path
        else gate.harness.call("PUT", path, content)
    )
    assert reply.status == 200, reply.body
    wanted = served(gate)
    assert gate.harness.call("POST", "/api/v1/generations/1/rollback?force=default").status == 200
    ran = run(*shlex.split(reply.json["script"]["cli"])[1:])
    assert ran.status == 0, ran.err
    assert served(gate) == wanted
    assert json.loads(json.dumps(reply.json["script"]))["curl"].startswith("curl --cacert")


def test_upload_with_a_password(gate, run, pair, monkeypatch) -> None:
    """
    The command asks for the password, and curl reads it from a file; neither shows it.
    """
    certificate, key = pair("up.test")
    monkeypatch.chdir(certificate.parent)
    command = [
        "openssl",
        "pkcs8",
        "-topk8",
        "-in",
        str(key.rename("plain.pem")),
        "-out",
        "key.pem",
        "-passout",
        "pass:geheim",
    ]
    subprocess.run(command, check=True)
    parts = {"certificate": certificate.read_bytes(), "key": Path("key.pem").read_bytes(), "password": "geheim\n"}
    reply = gate.harness.form("POST", "/app/https/settings/uploadCertificate", parts)
    assert reply.status == 200, reply.body
    script = reply.json["script"]
    assert "geheim" not in str(script)
    assert "-F 'password=<password.txt'" in script["curl"]
    ran = run(*shlex.split(script["cli"])[1:], input="geheim\n")
    assert ran.status == 0, ran.err
    put = gate.harness.form("PUT", "/api/v1/certificates/up", parts)
    assert put.json["script"]["cli"].endswith("--key=key.pem --password")
