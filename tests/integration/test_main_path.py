"""
The main job from outside: HTTPS in front of a plain server, a certificate uploaded by curl while requests run.
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import threading
from pathlib import Path

import pytest
from _certificates import make_pair
from _clients import connect, converse, served_fingerprint
from _gate import GateProcess
from _origin import Origin, response

pytestmark = pytest.mark.skipif(not shutil.which("curl"), reason="curl is missing")

README = Path(__file__).parents[2] / "README.md"


def test_fronts_a_plain_server(gate: GateProcess, module_origin: Origin) -> None:
    """
    A request over HTTPS reaches the server over HTTP, its target unchanged, with who asked and how.
    """
    answer = gate.get("/a%2Fb//c?x=1;y", fields={"X-Forwarded-For": "6.6.6.6"})
    assert answer.status == 200
    [seen] = module_origin.requests_for("/a%2Fb//c")
    assert seen.target == "/a%2Fb//c?x=1;y"
    assert seen.all("x-forwarded-proto") == ["https"]
    assert seen.all("x-forwarded-for") == ["127.0.0.1"]
    assert seen.all("host") == ["localhost"]


def test_reuses_upstream_connections(gate: GateProcess, module_origin: Origin) -> None:
    """
    Exchanges after one another share a connection to the server.
    """
    for _ in range(3):
        gate.get("/reuse")
    assert len({request.connection for request in module_origin.requests_for("/reuse")}) == 1


def test_plain_http_on_the_https_port_is_sent_to_https(gate: GateProcess) -> None:
    """
    A browser that forgot the s is told where to go.
    """
    seen = converse(connect(gate.https), b"GET /x?y HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert seen.received.startswith(b"HTTP/1.1 308")
    assert f"location: https://localhost:{gate.https}/x?y".encode() in seen.received.lower()


def test_a_refused_server_is_a_502(start_gate, tmp_path: Path) -> None:
    """
    A server that is not there is an answer with a request id, and the gate goes on.
    """
    gate = start_gate("http://127.0.0.1:1")
    for _ in range(2):
        answer = gate.get("/")
        assert answer.status == 502
        assert answer.one("x-request-id")


def test_an_upload_under_load_fails_no_request(start_gate, origin: Origin, tmp_path: Path) -> None:
    """
    Certificates are swapped by the documented curl while requests run on kept connections: none fails, none closes.
    """
    origin.answer("/hi", response(200, b"hi"))
    gate = start_gate(origin.url)
    stop, failures = threading.Event(), []

    def work() -> None:
        with gate.connection() as connection:
            connection.connect()
            connection.auto_open = 0  # a closed connection is an error, not a reason to connect again
            while not stop.is_set():
                try:
                    connection.request("GET", "/hi")
                    assert connection.getresponse().read() == b"hi"
                except Exception as error:  # noqa: BLE001, RUF100 (any failure is what is looked for)
                    failures.append(repr(error))
                    return

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    try:
        for _ in range(5):
            pair = make_pair(tmp_path / "pairs")
            done = subprocess.run(
                [
                    *("curl", "-sS", f"https://127.0.0.1:{gate.admin}/app/https/settings/uploadCertificate"),
                    *("--cacert", str(gate.state / "admin-ca.pem"), "-X", "POST", "-H", "Accept: application/json"),
                    *("-H", f"Authorization: Bearer {gate.token}", "-F", f"certificate=@{pair.certificate}"),
                    *("-F", f"key=@{pair.key}", "-F", f"port={gate.https}", "-w", "\n%{http_code}"),
                ],
                capture_output=True,
                text=True,
                timeout=30,
                check=False,
            )
            assert done.stdout.endswith("\n200"), done.stdout + done.stderr
            assert served_fingerprint(gate.https) == pair.fingerprint
    finally:
        stop.set()
        for worker in workers:
            worker.join(30)
    assert failures == []


def test_a_refused_upload_changes_nothing(start_gate, origin: Origin, tmp_path: Path) -> None:
    """
    A key of another certificate is refused by its code; what served goes on serving.
    """
    gate = start_gate(origin.url)
    before = served_fingerprint(gate.https)
    one, other = make_pair(tmp_path / "pairs"), make_pair(tmp_path / "pairs")
    answer = gate.upload(certificate=one.certificate, key=other.key)
    assert (answer.status, answer.code) == (422, "key-mismatch")
    assert served_fingerprint(gate.https) == before


def test_a_restart_serves_what_was_uploaded(start_gate, origin: Origin, tmp_path: Path) -> None:
    """
    The uploaded certificate outlives the process.
    """
    gate = start_gate(origin.url)
    pair = make_pair(tmp_path / "pairs")
    assert gate.upload(pair).status == 200
    # What twistd ends with when it was told to: the signal, after an orderly stop.
    assert gate.stop() in (0, -signal.SIGTERM)
    gate.start()
    assert served_fingerprint(gate.https) == pair.fingerprint


def test_state_is_nobody_elses_business(gate: GateProcess) -> None:
    """
    Every file of the state folder is the owner's alone but the CA's certificate, which is public.
    """
    for path in [gate.state, *gate.state.rglob("*")]:
        if path.name != "admin-ca.pem" and not path.is_symlink():
            assert path.stat().st_mode & 0o077 == 0, path


def test_the_readmes_addresses_are_the_defaults() -> None:
    """
    What README's commands name is what the options say.
    """
    text = README.read_text()
    assert set(re.findall(r"https://(?:localhost|127\.0\.0\.1):(\d+)", text)) == {"8443", "8444"}
