"""
The command C{tlsgate} as a user runs it, against a real gate: every noun, over the socket and over HTTPS.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from _certificates import make_pair
from _clients import free_port, served_fingerprint
from _gate import GateProcess

TLSGATE = Path(sys.executable).with_name("tlsgate")

Ran = subprocess.CompletedProcess[str]


def tlsgate(*words: object, **environment: str) -> Ran:
    """
    One command.
    """
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("TLSGATE_", "STATE_"))}
    return subprocess.run(
        [str(TLSGATE), *map(str, words)],
        check=False,
        env={**clean, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture
def run(gate: GateProcess) -> Callable[..., Any]:
    """
    A command for the shared gate, which must succeed; its document.
    """

    def run_command(line: str, *words: object) -> Any:
        ran = tlsgate("--state", gate.state, "--json", *shlex.split(line), *words)
        assert ran.returncode == 0, (line, ran.stdout, ran.stderr)
        return json.loads(ran.stdout)

    return run_command


def test_status_over_https(gate: GateProcess) -> None:
    """
    With a URL, the token comes from the environment or a file, and the admin's CA from the state folder.
    """
    url = ["--url", f"https://localhost:{gate.admin}"]
    ran = tlsgate("--state", gate.state, *url, "status", TLSGATE_TOKEN=gate.token)
    assert ran.returncode == 0, ran.stderr
    assert "generation" in ran.stdout
    ca = ["--cacert", gate.state / "admin-ca.pem"]
    assert tlsgate(*url, *ca, "--json", "status", TLSGATE_TOKEN=gate.token).returncode == 0
    untrusted = tlsgate(*url, "status", TLSGATE_TOKEN=gate.token)
    assert (untrusted.returncode, "--cacert" in untrusted.stderr) == (3, True), untrusted.stderr
    refused = tlsgate(*url, *ca, "status")
    assert (refused.returncode, "[token-missing]" in refused.stderr) == (1, True)


def test_certificates(gate: GateProcess, run: Callable[..., Any], tmp_path: Path) -> None:
    """
    Upload, list, show, import, make, request and remove; what is said is what is served.
    """
    pair = make_pair(tmp_path, "cli.test")
    upload = ["--certificate", pair.certificate, "--key", pair.key]
    assert run("certificate upload --no-default --name=cli", *upload)["certificate"]["fingerprint"] == pair.fingerprint
    assert served_fingerprint(gate.https, "cli.test") == pair.fingerprint
    assert "cli" in [each["name"] for each in run("certificate list")["certificates"]]
    assert run("certificate show cli")["names"] == ["cli.test"]
    made = run("certificate self-signed --name=self --names=self.test")
    assert served_fingerprint(gate.https, "self.test") == made["certificate"]["fingerprint"]
    pfx = tmp_path / "p.pfx"
    export = ["openssl", "pkcs12", "-export", "-in", pair.certificate, "-inkey", pair.key, "-out", pfx]
    subprocess.run([*map(str, export), "-passout", "pass:p"], check=True)
    (tmp_path / "password").write_text("p\n")
    imported = run("certificate import-pfx --name=cli", pfx, "--password-file", tmp_path / "password")
    assert imported["certificate"]["source"] == "pfx"
    assert run("certificate csr --name=wish --names=wish.test")["csr"].startswith("-----BEGIN CERTIFICATE REQUEST")
    assert run("sni cli.test")["bindings"][0]["certificate"] == "cli"
    for name in ("cli", "self"):
        run(f"certificate remove {name} --force {name}")
    assert run("sni cli.test")["bindings"][0]["certificate"] == "default"


def test_uploads_as_the_default(start_gate: Callable[..., GateProcess], origin: Any, tmp_path: Path) -> None:
    """
    The plain upload makes the certificate the binding's default, moves the port, and refuses a wrong key.
    """
    gate = start_gate(origin.url)
    pair, other = make_pair(tmp_path), make_pair(tmp_path)
    state = ["--state", gate.state]
    files = ["--certificate", pair.certificate, "--key", pair.key]
    assert tlsgate(*state, "certificate", "upload", *files).returncode == 0
    assert served_fingerprint(gate.https) == pair.fingerprint
    wrong = tlsgate(*state, "certificate", "upload", "--certificate", pair.certificate, "--key", other.key)
    assert (wrong.returncode, "[key-mismatch]" in wrong.stderr) == (1, True)
    port = free_port()
    assert tlsgate(*state, "certificate", "upload", *files, "--port", port).returncode == 0
    assert served_fingerprint(port) == pair.fingerprint


def test_configure_and_confirm(start_gate: Callable[..., GateProcess], origin: Any) -> None:
    """
    HSTS in Octopus's spelling, undone when nobody confirms, kept when somebody does; then a rollback.
    """
    gate = start_gate(origin.url)
    state = ["--state", gate.state]
    configure = [*state, "configure", "--hsts-enabled=true", "--hsts-max-age=31556926", "--reason=try"]
    assert tlsgate(*configure, "--confirm-within=5").returncode == 0
    assert gate.get().one("Strict-Transport-Security") == "max-age=31556926"
    end = time.monotonic() + 15
    while gate.get().one("Strict-Transport-Security") == "max-age=31556926":
        assert time.monotonic() < end, "it was not undone"
        time.sleep(0.2)
    assert tlsgate(*configure, "--confirm-within=60").returncode == 0
    assert tlsgate(*state, "generation", "confirm").returncode == 0
    history = json.loads(tlsgate(*state, "--json", "generation", "list").stdout)["generations"]
    assert (history[0]["state"], history[0]["reason"]) == ("current", "try")
    assert tlsgate(*state, "generation", "rollback", "1").returncode == 0
    assert gate.get().one("Strict-Transport-Security") == "max-age=0"


def test_bindings_sites_upstreams(gate: GateProcess, run: Callable[..., Any], module_origin: Any) -> None:
    """
    A second way in: upstream, site and binding are added, used, changed and removed.
    """
    port = free_port()
    run(f"upstream add second --server={module_origin.url}")
    run("site add second --hosts=second.test --upstream=second")
    run(f"binding add second --scheme=https --endpoint=tcp:{port}:interface=127.0.0.1")
    assert served_fingerprint(port) == served_fingerprint(gate.https)
    assert gate.get("/echo", host="second.test").status == 200
    run(f"upstream drain second {module_origin.url}")
    assert run("upstream show second")["servers"][0]["state"] == "drain"
    run(f"upstream resume second {module_origin.url}")
    run("site set second --max-body=5")
    assert gate.request("POST", "/echo", host="second.test", content=b"123456").status == 413
    run("binding set second --tls-profile=modern")
    for kind in ("site", "upstream", "binding"):
        run(f"{kind} remove second")
        assert "second" not in [each["name"] for each in run(f"{kind} list")[f"{kind}s"]]


def test_redirect(run: Callable[..., Any], gate: GateProcess) -> None:
    """
    Report-only redirects nothing, and explains what would happen; the report is a list of rows.
    """
    run("configure --redirect=report")
    assert gate.get("/seen", secure=False).status == 200
    assert isinstance(run("redirect report")["rows"], list)
    explained = run("redirect explain http://localhost/seen")
    assert (explained["redirected"], explained["would"], explained["rule"]) == (False, True, "report")
    run("configure --redirect=disabled")


def test_documents(run: Callable[..., Any], gate: GateProcess, tmp_path: Path) -> None:
    """
    What C{settings} prints, C{check} finds right and C{apply} takes back.
    """
    document = tmp_path / "gate.toml"
    document.write_text(tlsgate("--state", gate.state, "settings").stdout)
    assert run("check", document) == {"valid": True, "errors": []}
    before = run("status")["generation"]
    assert run("apply --dry-run", document)["generation"] == before
    assert run("apply", document)["generation"] == before


def test_what_happened(run: Callable[..., Any], gate: GateProcess) -> None:
    """
    A change is in the history, compared with what was before, in the audit log and among the events; a refusal is in
    the audit log with its code.
    """
    before = run("status")["generation"]
    number = run("configure --max-body=1234 --reason=counted")["generation"]
    assert run(f"generation show {number}")["reason"] == "counted"
    [step] = run(f"generation diff {before} --with {number}")["patch"]
    assert (step["path"].rpartition("/")[2], step["value"]) == ("max_body", 1234)
    assert tlsgate("--state", gate.state, "configure", "--max-body=-1").returncode == 1
    refused, done = run("audit --limit 2")["records"]
    assert (refused["status"], refused["code"]) == (422, "invalid-settings")
    assert (done["generation"], done["reason"]) == (number, "counted")
    ran = tlsgate(
        "--state", gate.state, "--json", "events", "--after", 0, "--kind", "generation", "--count", number - 1
    )
    events = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [event["data"]["number"] for event in events] == list(range(2, number + 1)), ran.stderr
    pem = tlsgate("--state", gate.state, "certificate", "show", "default", "--pem").stdout
    assert pem.startswith("-----BEGIN CERTIFICATE-----")
    assert "PRIVATE" not in pem
    run("configure --max-body=null")


def test_tokens(run: Callable[..., Any], gate: GateProcess) -> None:
    """
    A token is made, works, and is revoked.
    """
    made = run("token create ci --permission=view_settings --expires-in=1h")
    assert gate.call("GET", "/api/v1/status", token=made["secret"]).status == 200
    assert made["id"] in [each["id"] for each in run("token list")["tokens"]]
    run(f"token revoke {made['id']}")
    assert gate.call("GET", "/api/v1/status", token=made["secret"]).status == 401


def test_curl_script(gate: GateProcess) -> None:
    """
    The curl that C{--show-script} prints does the same change.
    """
    ran = tlsgate("--state", gate.state, "configure", "--max-body=77", "--reason=it's", "--show-script", "--dry-run")
    curl = ran.stdout.strip().splitlines()[-1].replace("dry_run=true", "dry_run=false")
    assert curl.startswith("curl "), ran.stdout
    assert shutil.which("curl")
    done = subprocess.run(
        ["sh", "-c", curl],
        check=False,
        env={**os.environ, "TLSGATE_TOKEN": gate.token},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert json.loads(done.stdout)["site"]["max_body"] == 77, done.stderr
    assert tlsgate("--state", gate.state, "configure", "--max-body=null").returncode == 0


def test_recover(start_gate: Callable[..., GateProcess], origin: Any) -> None:
    """
    A gate that was closed by its own HSTS opens again, and its new set-up token makes a token.
    """
    gate = start_gate(origin.url)
    assert gate.token
    state = ["--state", gate.state]
    assert tlsgate(*state, "configure", "--redirect=all", "--hsts-enabled=true", "--force=default").returncode == 0
    assert gate.get("/echo", secure=False).status in (307, 308)
    running = tlsgate(*state, "recover")
    assert (running.returncode, "[storage-failed]" in running.stderr) == (1, True)
    gate.stop()
    ran = tlsgate(*state, "recover")
    assert ran.returncode == 0, ran.stderr
    gate.start()
    assert gate.get("/echo", secure=False).status == 200
    assert gate.get("/echo").one("Strict-Transport-Security") == "max-age=0"
    secret = (gate.state / "setup-token").read_text().strip()
    made = gate.call("POST", "/api/v1/tokens", {"name": "back", "permissions": ["admin"]}, token=secret)
    assert made.status == 201
    assert not (gate.state / "setup-token").exists()
