"""
"Show script" on a real gate: the curl command of every kind of change, pasted into a shell, makes the same change.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import quote

from _certificates import make_pair
from _gate import GateProcess, multipart

NOWHERE = "http://127.0.0.1:9"

#: What a shell, a query and JSON each read in a way of their own.
REASON = """it's "so" $HOME `id` \\n ; & | <x> %41 + ü ☃ #!"""

PATH = '/a\'b "c" $d'

#: Changes that are JSON: method, path, document.
CHANGES: list[tuple[str, str, Any]] = [
    ("PUT", "/api/v1/sites/default/redirect", {"mode": "report", "exempt": ["/it's/$under", "10.0.0.0/8"]}),
    ("PUT", "/api/v1/sites/default/hsts", {"enabled": True, "max_age": 300}),
    ("PATCH", "/api/v1/sites/default", {"max_body": 7, "trusted_peers": ["10.0.0.0/8"]}),
    ("PUT", "/api/v1/sites/default", {"hosts": ["*", "a.test"], "upstream": "app"}),
    ("POST", "/api/v1/sites", {"name": "x", "hosts": ["x.test"], "upstream": "app"}),
    ("DELETE", "/api/v1/sites/x", None),
    ("POST", "/api/v1/upstreams", {"name": "f", "servers": [{"url": "http://127.0.0.1:1"}]}),
    ("PATCH", "/api/v1/upstreams/f", {"health": {"path": "/it's?x=$y&z", "interval": 2.5}}),
    ("POST", "/api/v1/upstreams/f/drain", {"server": "http://127.0.0.1:1"}),
    ("POST", "/api/v1/upstreams/f/resume", {"server": "http://127.0.0.1:1"}),
    ("PUT", "/api/v1/upstreams/f", {"servers": [{"url": "http://127.0.0.1:3"}]}),
    ("DELETE", "/api/v1/upstreams/f", None),
    ("POST", "/api/v1/bindings", {"name": "b", "scheme": "https", "endpoint": "tcp:0:interface=127.0.0.1"}),
    ("PUT", "/api/v1/bindings/b", {"scheme": "https", "endpoint": "tcp:0:interface=127.0.0.1", "strict_sni": True}),
    ("DELETE", "/api/v1/bindings/b", None),
    ("PATCH", "/api/v1/settings", {"acme": {"email": "it's@a.test", "profile": ""}, "timeouts": {"idle": 33}}),
    ("POST", "/api/v1/certificates/self-signed", {"name": "s", "names": ["s.test"], "days": 9}),
    ("DELETE", "/api/v1/certificates/s", None),
    ("POST", "/api/v1/generations/1/rollback", None),
]


class Scripts:
    """
    A gate whose changes are made, taken back, and made again by their scripts in a folder with the files they name.
    """

    def __init__(self, gate: GateProcess, folder: Path) -> None:
        self.gate = gate
        self.folder = folder
        self.done: list[str] = []

    def state(self) -> Any:
        """
        What is in force, but for what is new each time.
        """
        settings = self.gate.call("GET", "/api/v1/settings").json
        certificates = self.gate.call("GET", "/api/v1/certificates").json["certificates"]
        return settings, {each["name"]: (each["names"], each["source"]) for each in certificates}

    def number(self) -> int:
        """
        The current generation.
        """
        return int(self.gate.call("GET", "/api/v1/generations").json["generations"][0]["number"])

    def try_out(self, method: str, path: str, content: bytes | None, fields: dict[str, str]) -> None:
        """
        Make a change, take it back, run its script: the same is in force, for the same reason.
        """
        self.done.append(f"{method} {path}")
        before = self.number()
        mark = "&" if "?" in path else "?"
        target = f"{path}{mark}reason={quote(REASON)}&force=default"
        made = self.gate.call(method, target, content=content, fields=fields)
        assert made.status in (200, 201), (method, path, made)
        assert made.json["generation"] == before + 1, (method, path)
        wanted = self.state()
        back = self.gate.call("POST", f"/api/v1/generations/{before}/rollback?force=default")
        assert back.status == 200, back
        script = made.json["script"]["curl"]
        assert self.gate.token not in script
        ran = subprocess.run(
            ["sh", "-c", script + " -sS"],
            cwd=self.folder,
            env={**os.environ, "TLSGATE_TOKEN": self.gate.token},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ran.returncode == 0, (script, ran.stderr)
        assert "generation" in json.loads(ran.stdout), (script, ran.stdout)
        assert self.state() == wanted, script
        row = self.gate.call("GET", "/api/v1/generations").json["generations"][0]
        assert row["reason"] == REASON, script

    def json(self, method: str, path: str, document: Any) -> None:
        content = None if document is None else json.dumps(document).encode()
        self.try_out(method, path, content, {} if content is None else {"Content-Type": "application/json"})

    def form(self, method: str, path: str, *parts: str, **texts: str) -> None:
        """
        A change that sends files of the folder under the names that a script gives them.
        """
        named = {part: self.folder / f"{part}.pem" for part in parts}
        kind, content = multipart({**named, **texts})
        self.try_out(method, path, content, {"Content-Type": kind})


def test_every_change(start_gate, tmp_path: Path) -> None:
    """
    All operations that change something: as JSON, as TOML, as forms with files.
    """
    gate = start_gate(NOWHERE)
    folder = tmp_path / "files"
    folder.mkdir()
    scripts = Scripts(gate, folder)
    pair = make_pair(tmp_path, "files.test")
    (folder / "certificate.pem").write_bytes(pair.certificate.read_bytes())
    (folder / "key.pem").write_bytes(pair.key.read_bytes())
    (folder / "password.txt").write_text(f"{PATH}\n")
    (folder / "passphrase.txt").write_text("correct horse battery\n")

    for change in CHANGES:
        scripts.json(*change)

    document = gate.call("GET", "/api/v1/settings", fields={"Accept": "application/toml"}).content
    other = document + b"\n[timeouts]\nhandshake = 11.0\n"
    scripts.try_out("PUT", "/api/v1/settings", other, {"Content-Type": "application/toml"})
    scripts.json("PUT", "/api/v1/settings", {**gate.call("GET", "/api/v1/settings").json, "limits": {"interim": 9}})

    scripts.form("POST", "/api/v1/certificates", "certificate", "key", name="posted")
    scripts.form("PUT", "/api/v1/certificates/put", "certificate", "key")
    scripts.form("POST", "/app/https/settings/uploadCertificate", "certificate", "key", name="uploaded")
    make = ["openssl", "pkcs12", "-export", "-in", "certificate.pem", "-inkey", "key.pem", "-out", "certificate.pfx"]
    subprocess.run([*make, "-passout", f"pass:{PATH}"], cwd=folder, check=True)
    kind, content = multipart({"pfx": folder / "certificate.pfx", "password": PATH})
    scripts.try_out("PUT", "/api/v1/certificates/pfx", content, {"Content-Type": kind})

    entries = [{"name": "batch", "certificate": pair.certificate.read_text(), "key": pair.key.read_text()}]
    (folder / "certificates.json").write_text(json.dumps({"certificates": entries}))
    scripts.json("POST", "/api/v1/certificates/batch", {"certificates": entries})

    backup = gate.call("POST", "/api/v1/export", {"passphrase": "correct horse battery"}).content
    (folder / "tlsgate.backup").write_bytes(backup)
    assert gate.call("PATCH", "/api/v1/sites/default", {"max_body": 99}).status == 200
    kind, content = multipart({"backup": folder / "tlsgate.backup", "passphrase": "correct horse battery"})
    scripts.try_out("POST", "/api/v1/import", content, {"Content-Type": kind})

    finished_once = "PUT /api/v1/certificates/csr/{name}/certificate"
    missing = {
        call for call in changes_of(gate) if not any(re.fullmatch(as_pattern(call), done) for done in scripts.done)
    }
    assert missing == {finished_once}


def changes_of(gate: GateProcess) -> set[str]:
    """
    All operations that change something, as method and template: those take C{force}.
    """
    paths = gate.call("GET", "/api/v1/openapi.json").json["paths"]
    return {
        f"{method.upper()} {path}"
        for path, methods in paths.items()
        for method, operation in methods.items()
        if any(parameter["name"] == "force" for parameter in operation["parameters"])
    }


def as_pattern(call: str) -> str:
    """
    A pattern for the calls of a template.
    """
    return re.sub(r"\\{[a-z]+\\}", "[^/]+", re.escape(call))


def test_the_forms_of_a_certificate_request(start_gate, tmp_path: Path) -> None:
    """
    The script that finishes a request sends the certificate that the CA made.  It is printed by a dry run: a request can
    be finished once.
    """
    gate = start_gate(NOWHERE)
    asked = gate.call("POST", "/api/v1/certificates/csr", {"name": "wish", "names": ["wish.test"]})
    assert asked.status == 201
    (tmp_path / "wish.csr").write_text(asked.json["csr"])
    authority = make_pair(tmp_path, "authority.test")
    sign = ["openssl", "x509", "-req", "-in", "wish.csr", "-CA", authority.certificate, "-CAkey", authority.key]
    names = tmp_path / "names.cnf"
    names.write_text("subjectAltName=DNS:wish.test\n")
    subprocess.run(
        [*map(str, sign), "-days", "9", "-extfile", str(names), "-out", "certificate.pem"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    kind, content = multipart({"certificate": tmp_path / "certificate.pem"})
    path = "/api/v1/certificates/csr/wish/certificate"
    planned = gate.call("PUT", f"{path}?dry_run=true", content=content, fields={"Content-Type": kind})
    assert planned.status == 200, planned
    script = planned.json["script"]["curl"].replace("dry_run=true", "dry_run=false")
    ran = subprocess.run(
        ["sh", "-c", script + " -sS"],
        cwd=tmp_path,
        env={**os.environ, "TLSGATE_TOKEN": gate.token},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert json.loads(ran.stdout)["certificate"]["names"] == ["wish.test"]
