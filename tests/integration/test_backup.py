"""
A node saved and restored, as its administrator does it.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from pathlib import Path

from _certificates import make_pair
from _clients import served_fingerprint
from _gate import GateProcess, multipart

from tlsgate.certificates import self_signed

TLSGATE = Path(sys.executable).with_name("tlsgate")
PASSPHRASE = "correct horse battery"


def tlsgate(gate: GateProcess, *words: str, passphrase: str = PASSPHRASE) -> subprocess.CompletedProcess[str]:
    """
    Run the command on a gate's state folder.
    """
    return subprocess.run(
        [str(TLSGATE), "--state", str(gate.state), *words],
        env={**os.environ, "TLSGATE_PASSPHRASE": passphrase},
        cwd=gate.folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_node_moves_to_another_machine(start_gate, origin, tmp_path: Path) -> None:
    """
    Export from a running gate, import into an empty state folder: the same certificate is served, the same settings
    are in force, and the old token works.
    """
    gate = start_gate(origin.url)
    pair = make_pair(tmp_path, "localhost")
    assert gate.upload(pair).status == 200
    assert gate.call("PATCH", "/api/v1/sites/default", {"max_body": 4242}).status == 200
    wanted = served_fingerprint(gate.https)
    file = tmp_path / "node.backup"
    done = tlsgate(gate, "export", str(file))
    assert done.returncode == 0, done.stderr
    assert file.stat().st_mode & 0o777 == 0o600
    assert pair.key.read_bytes().splitlines()[1] not in file.read_bytes()
    gate.stop()

    other = GateProcess(tmp_path / "other", origin.url)
    other.folder.mkdir()
    wrong = tlsgate(other, "import", str(file), passphrase="something else")
    assert wrong.returncode == 1
    assert "passphrase is not the one" in wrong.stderr
    damaged = tmp_path / "damaged.backup"
    damaged.write_bytes(file.read_bytes()[:-9])
    cut = tlsgate(other, "import", str(damaged))
    assert cut.returncode == 1
    assert "damaged" in cut.stderr
    restored = tlsgate(other, "--json", "import", str(file))
    assert restored.returncode == 0, restored.stderr
    assert json.loads(restored.stdout)["generation"] == 1
    again = tlsgate(other, "import", str(file))
    assert again.returncode == 1
    assert "holds a node already" in again.stderr

    # The bindings are the old gate's, as everything is.
    other.http, other.https = gate.http, gate.https
    try:
        other.start()
        assert served_fingerprint(other.https) == wanted
        answer = other.call("GET", "/api/v1/sites/default", token=gate.token)
        assert (answer.status, answer.json["max_body"]) == (200, 4242)
        assert not (other.state / "setup-token").exists()
    finally:
        other.stop(timeout=10)


def test_a_running_gate_takes_a_backup_as_one_change(start_gate, origin, tmp_path: Path) -> None:
    """
    Over the API a backup is a change like any other: tried, undone, kept; tokens that went come back.
    """
    gate = start_gate(origin.url)
    made = gate.call("POST", "/api/v1/tokens", {"name": "reader", "permissions": ["view_settings"]}).json
    assert gate.upload(make_pair(tmp_path, "localhost")).status == 200
    wanted = served_fingerprint(gate.https)
    backup = gate.call("POST", "/api/v1/export", {"passphrase": PASSPHRASE})
    assert (backup.status, backup.one("content-type")) == (200, "application/octet-stream")
    file = tmp_path / "node.backup"
    file.write_bytes(backup.content)

    assert gate.call("DELETE", f"/api/v1/tokens/{made['id']}").status == 204
    self_signed = {"name": "default", "names": ["localhost"]}
    assert gate.call("POST", "/api/v1/certificates/self-signed", self_signed).status == 201
    assert served_fingerprint(gate.https) != wanted

    def put_back(query: str = "", **parts: bytes | str | Path):
        return gate.upload(path=f"/api/v1/import{query}", **{"backup": file, "passphrase": PASSPHRASE, **parts})

    number = gate.call("GET", "/api/v1/status").json["generation"]
    assert put_back("?dry_run=true").json["generation"] == number
    assert put_back(passphrase="not the one").code == "wrong-password"
    assert put_back(backup=backup.content[:-1]).code == "backup-unreadable"
    assert gate.call("GET", "/api/v1/status", token=made["secret"]).status == 401
    answer = put_back("?reason=back")
    assert answer.status == 200, answer
    assert answer.json["restored"]["tokens"] == 1
    assert answer.json["generation"] == number + 1
    assert served_fingerprint(gate.https) == wanted
    assert gate.call("GET", "/api/v1/status", token=made["secret"]).status == 200


def test_many_certificates_there_and_back(start_gate, tmp_path: Path) -> None:
    """
    Hundreds of certificates come in from a folder as one change, leave in one backup of more than a mebibyte, and come
    back over the API as an operation that tells how far it is.
    """
    gate = start_gate("http://127.0.0.1:9")
    folder = tmp_path / "certificates"
    folder.mkdir()
    for number in range(250):
        # Random names make a backup large that is packed.
        names = [f"s{number}.test", *(f"{secrets.token_hex(30)}.test" for _ in range(100))]
        made = self_signed("x", names, days=90, now=time.time())
        (folder / f"s{number}.crt").write_bytes(made.chain)
        (folder / f"s{number}.key").write_bytes(made.key)
    done = tlsgate(gate, "--json", "certificate", "import-folder", str(folder))
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["certificates"]) == 250
    assert served_fingerprint(gate.https, "s249.test") == made.fingerprint
    file = tmp_path / "node.backup"
    assert tlsgate(gate, "export", str(file)).returncode == 0
    assert file.stat().st_size > 1024 * 1024
    back = gate.call("POST", "/api/v1/generations/1/rollback?force=default")
    assert (back.status, served_fingerprint(gate.https, "s249.test") != made.fingerprint) == (200, True)

    kind, content = multipart({"backup": file, "passphrase": PASSPHRASE})
    fields = {"Content-Type": kind, "Prefer": "respond-async"}
    begun = gate.call("POST", "/api/v1/import", content=content, fields=fields)
    assert (begun.status, begun.json["state"]) == (202, "running")
    stream = gate.call("GET", f"{begun.one('location')}/events").content.decode()
    steps = [json.loads(line[6:]) for line in stream.splitlines() if line.startswith("data: ")]
    assert (steps[-1]["state"], steps[-1]["done"], steps[-1]["result"]["generation"]) == ("succeeded", 3, 4)
    assert served_fingerprint(gate.https, "s249.test") == made.fingerprint


def test_only_administrators(gate) -> None:
    """
    Neither reading nor changing settings is enough to take all keys away or to replace all of them.
    """
    made = gate.call(
        "POST", "/api/v1/tokens", {"name": "most", "permissions": ["view_settings", "change_https_settings"]}
    )
    token = made.json["secret"]
    assert gate.call("POST", "/api/v1/export", {"passphrase": PASSPHRASE}, token=token).code == "permission-missing"
    answer = gate.upload(path="/api/v1/import", token=token, backup=b"x", passphrase=PASSPHRASE)
    assert answer.code == "permission-missing"
    assert gate.call("POST", "/api/v1/export", {"passphrase": "short"}).code == "invalid-settings"
