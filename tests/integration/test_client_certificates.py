"""
Client certificates for the admin listener, made by openssl and shown by curl and by the command.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from _gate import GateProcess

TLSGATE = Path(sys.executable).with_name("tlsgate")


def run(*words: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """
    Run a command.
    """
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("TLSGATE_", "STATE_"))}
    return subprocess.run(
        [str(word) for word in words],
        env={**clean, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def clients(tmp_path: Path) -> Path:
    """
    A folder with a CA, a client that it signed (C{ada}), and one that nobody did (C{eve}); each with its key.
    """
    folder = tmp_path / "clients"
    folder.mkdir()
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "9"]
    for name, signer in (("ca", []), ("ada", ["-CA", "ca.pem", "-CAkey", "ca.key"]), ("eve", [])):
        subject = ["-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.pem"]
        purpose = [] if name == "ca" else ["-addext", "extendedKeyUsage=clientAuth"]
        subprocess.run(
            ["openssl", "req", "-x509", *key, *subject, *signer, *purpose], cwd=folder, check=True, capture_output=True
        )
    return folder


def test_client_certificates(start_gate, clients: Path) -> None:
    """
    Optional, then required: who shows the right one gets in, with the token; who shows none or a wrong one does not.
    """
    gate: GateProcess = start_gate("http://127.0.0.1:9")
    token = gate.token
    state = ["--state", gate.state]
    ca_file = str(clients / "ca.pem")

    def curl(*words: object, path: str = "/api/v1/status") -> subprocess.CompletedProcess[str]:
        base = ["curl", "-sS", "--cacert", gate.state / "admin-ca.pem", "-H", f"Authorization: Bearer {token}"]
        return run(*base, *words, f"https://127.0.0.1:{gate.admin}{path}")

    def identity(name: str) -> list[object]:
        return ["--cert", clients / f"{name}.pem", "--key", clients / f"{name}.key"]

    patch = {"admin": {"client_ca_file": ca_file, "client_certificate": "optional"}}
    assert gate.call("PATCH", "/api/v1/settings", patch).status == 200
    assert curl().returncode == 0
    assert curl(*identity("eve")).returncode != 0
    required = ["-X", "PATCH", "-H", "Content-Type: application/json", "-d", '{"admin": {"client_certificate": null}}']
    assert '"would-lock-out"' in curl(*required, path="/api/v1/settings").stdout
    changed = curl(*identity("ada"), *required, path="/api/v1/settings")
    assert json.loads(changed.stdout)["generation"] == 3, changed

    assert curl().returncode != 0
    assert curl(*identity("eve")).returncode != 0
    rows = json.loads(curl(*identity("ada"), path="/api/v1/audit?limit=1").stdout)["records"]
    assert (rows[0]["certificate"], rows[0]["author"]) == ("CN=ada", "tests")
    without_token = run("curl", "-sSk", *identity("ada"), f"https://127.0.0.1:{gate.admin}/api/v1/status")
    assert '"token-missing"' in without_token.stdout

    url = ["--url", f"https://127.0.0.1:{gate.admin}"]
    shown = ["--client-certificate", clients / "ada.pem", "--client-key", clients / "ada.key"]
    done = run(TLSGATE, *state, *url, *shown, "status", TLSGATE_TOKEN=token)
    assert done.returncode == 0, done.stderr
    refused = run(TLSGATE, *state, *url, "status", TLSGATE_TOKEN=token)
    assert (refused.returncode, "--client-certificate" in refused.stderr) == (3, True), refused.stderr
    unfit = run(TLSGATE, *state, *url, *shown[:3], clients / "eve.key", "status", TLSGATE_TOKEN=token)
    assert unfit.returncode == 2, unfit.stderr

    # The socket needs none, also to undo it.
    undone = run(TLSGATE, *state, "apply", "--patch", '{"admin": null}')
    assert undone.returncode == 0, undone.stderr
    assert curl().returncode == 0
