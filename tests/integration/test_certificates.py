"""
Certificates from outside: files that change, swaps that are planned, what is served, who is told.
"""

from __future__ import annotations

import hashlib
import hmac
import http.server
import json
import shutil
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from _certificates import Pair, make_pair
from _clients import served_fingerprint
from _gate import GateProcess


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """
    A gate with two workers that watches a folder.
    """
    folder = tmp_path_factory.mktemp("gate")
    (folder / "certificates").mkdir()

    class Watching(GateProcess):
        def _write_initial(self) -> Path:
            path = super()._write_initial()
            path.write_text(f'certificates_folder = "{folder}/certificates"\n' + path.read_text())
            return path

    running = Watching(folder, None, workers=2).start()
    yield running
    running.stop(timeout=10)


def until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """
    Wait for a condition, for at most so long.
    """
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def serves(gate: GateProcess, name: str, pair: Pair) -> bool:
    """
    Do all of a few connections, of which each worker takes some, see this certificate?
    """
    return all(served_fingerprint(gate.https, name) == pair.fingerprint for _ in range(6))


def name_files(gate: GateProcess, name: str, certificate: Path, key: Path) -> Any:
    document = gate.call("GET", "/api/v1/settings").json
    entry = {"name": name, "certificate_file": str(certificate), "key_file": str(key)}
    return gate.call("PATCH", "/api/v1/settings", {"certificate": [*document.get("certificate", []), entry]})


def finding_codes(gate: GateProcess) -> set[str]:
    return {finding["code"] for finding in gate.call("GET", "/api/v1/status").json["findings"]}


def test_a_dropped_file_serves_and_a_removed_one_does_not(gate: GateProcess, tmp_path: Path) -> None:
    """
    A file with certificate and key in the watched folder serves within 5 s, under its own name; so does its going.
    """
    pair = make_pair(tmp_path, "dropped.test")
    target = gate.folder / "certificates" / "dropped.pem"
    new = target.with_name(".new")
    new.write_bytes(pair.certificate.read_bytes() + pair.key.read_bytes())
    new.rename(target)
    until(lambda: serves(gate, "dropped.test", pair), 5, "not served")
    assert gate.call("GET", "/api/v1/certificates/dropped").json["source"] == "files"
    target.unlink()
    until(lambda: gate.call("GET", "/api/v1/certificates/dropped").status == 404, 5, "not removed")


def test_certbot_links_and_broken_files(gate: GateProcess, tmp_path: Path) -> None:
    """
    C{live/} links into C{archive/}: a renewal turns the links.  A broken one leaves the old serving, and is told.
    """
    live, archive = tmp_path / "live", tmp_path / "archive"
    for folder in (live, archive):
        folder.mkdir()
    pairs = [make_pair(tmp_path, "certbot.test") for _ in range(2)]
    for number, pair in enumerate(pairs, 1):
        shutil.copy(pair.certificate, archive / f"fullchain{number}.pem")
        shutil.copy(pair.key, archive / f"privkey{number}.pem")
    (archive / "fullchain3.pem").write_bytes(b"broken")
    shutil.copy(pairs[1].key, archive / "privkey3.pem")

    def turn(number: int) -> None:
        for stem in ("privkey", "fullchain"):
            new = live / f".{stem}"
            new.symlink_to(f"../archive/{stem}{number}.pem")
            new.rename(live / f"{stem}.pem")

    turn(1)
    answer = name_files(gate, "certbot", live / "fullchain.pem", live / "privkey.pem")
    assert answer.status == 200, answer
    assert serves(gate, "certbot.test", pairs[0])
    turn(2)
    until(lambda: serves(gate, "certbot.test", pairs[1]), 5, "not swapped")
    turn(3)
    until(lambda: "certificate-files-broken" in finding_codes(gate), 10, "not told")
    assert serves(gate, "certbot.test", pairs[1])
    assert b'tlsgate_certificate_files_broken{name="certbot"} 1.0' in gate.call("GET", "/metrics").content
    turn(2)
    until(lambda: "certificate-files-broken" not in finding_codes(gate), 10, "still told")


def test_kubernetes_secret_swap(gate: GateProcess, tmp_path: Path) -> None:
    """
    C{..data} is a link to a folder; one rename swaps both files at once.
    """
    pairs = [make_pair(tmp_path, "secret.test") for _ in range(2)]
    mount = tmp_path / "mount"
    mount.mkdir()
    for number, pair in enumerate(pairs):
        version = mount / f"..v{number}"
        version.mkdir()
        shutil.copy(pair.certificate, version / "tls.crt")
        shutil.copy(pair.key, version / "tls.key")
    (mount / "..data").symlink_to("..v0")
    for name in ("tls.crt", "tls.key"):
        (mount / name).symlink_to(f"..data/{name}")
    assert name_files(gate, "secret", mount / "tls.crt", mount / "tls.key").status == 200
    assert serves(gate, "secret.test", pairs[0])
    (mount / "..new").symlink_to("..v1")
    (mount / "..new").rename(mount / "..data")
    until(lambda: serves(gate, "secret.test", pairs[1]), 5, "not swapped")


def test_files_that_cannot_be_read_refuse_the_change(gate: GateProcess, tmp_path: Path) -> None:
    """
    Settings that name a certificate whose files make none are refused, with where.
    """
    before = gate.call("GET", "/api/v1/status").json["generation"]
    answer = name_files(gate, "missing", tmp_path / "no.pem", tmp_path / "no.key")
    assert (answer.status, answer.code) == (400, "certificate-unreadable")
    assert answer.json["errors"][0]["pointer"].startswith("/certificate/")
    assert gate.call("GET", "/api/v1/status").json["generation"] == before


def test_a_planned_swap(gate: GateProcess, tmp_path: Path) -> None:
    """
    A certificate with activate_at waits, is listed, and can be forgotten; a past time is refused.  One whose time comes
    serves.
    """
    pair = make_pair(tmp_path, "planned.test")
    for ahead, status in ((3600, 202), (-3600, 400)):
        moment = f"{datetime.now(UTC) + timedelta(seconds=ahead):%Y-%m-%dT%H:%M:%SZ}"
        path = f"/api/v1/certificates/planned?activate_at={moment}"
        assert gate.upload(pair, method="PUT", path=path).status == status
    assert not serves(gate, "planned.test", pair)
    [waiting] = gate.call("GET", "/api/v1/staged").json["staged"]
    assert waiting["certificate"]["fingerprint"] == pair.fingerprint
    assert "staged" in finding_codes(gate)
    assert gate.call("DELETE", "/api/v1/staged/planned").status == 200
    assert gate.call("GET", "/api/v1/staged").json["staged"] == []
    soon = f"{datetime.now(UTC) + timedelta(seconds=2):%Y-%m-%dT%H:%M:%SZ}"
    assert gate.upload(pair, method="PUT", path=f"/api/v1/certificates/planned?activate_at={soon}").status == 202
    until(lambda: serves(gate, "planned.test", pair), 10, "not served at its time")


def test_the_local_ca_signs_a_site(gate: GateProcess) -> None:
    """
    A certificate for development is signed by the gate's own CA, whose root can be fetched.
    """
    asked = {"name": "dev", "names": ["dev.test"], "issuer": "local-ca"}
    answer = gate.call("POST", "/api/v1/certificates/self-signed", asked)
    assert answer.status == 201, answer
    assert answer.json["certificate"]["self_signed"] is False
    assert gate.call("GET", "/api/v1/local-ca.pem").content == (gate.state / "admin-ca.pem").read_bytes()


def test_what_is_served_is_measured(gate: GateProcess) -> None:
    """
    The metric of served certificates comes from handshakes.
    """
    sample = b'tlsgate_certificate_served_not_after_timestamp_seconds{binding="https",name="default"}'
    until(lambda: sample in gate.call("GET", "/metrics").content, 10, "not measured")


def test_a_webhook_is_told(gate: GateProcess, tmp_path: Path) -> None:
    """
    A certificate near its end is told to the webhook, signed.
    """
    seen: list[tuple[Any, bytes]] = []

    class Receiver(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            seen.append((self.headers, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_port}/"
        changed = gate.call("PATCH", "/api/v1/settings", {"alerts": {"webhook": url, "webhook_secret": "s3cret"}})
        assert changed.status == 200, changed
        pair = make_pair(tmp_path, "ending.test", days=(-1, 5))
        assert gate.upload(pair, method="PUT", path="/api/v1/certificates/ending").status == 201
        until(lambda: bool(seen), 75, "nobody was told")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    fields, content = seen[-1]
    mac = hmac.new(b"s3cret", fields["X-Tlsgate-Timestamp"].encode() + b"." + content, hashlib.sha256)
    assert fields["X-Tlsgate-Signature"] == f"sha256={mac.hexdigest()}"
    assert "certificate ending" in {alert["subject"] for alert in json.loads(content)["alerts"]}
