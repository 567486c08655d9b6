"""
Certificates from a real CA for a real gate: the whole way, over the admin API, the command line and the network.
"""

from __future__ import annotations

import contextlib
import json
import queue
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from _clients import unverified
from _gate import GateProcess
from _origin import Origin
from cryptography import x509

sys.path.insert(0, str(Path(__file__).parent.parent / "acme"))

from _pebble import MISSING, Front, Pebble, problem

pytestmark = [pytest.mark.pebble, pytest.mark.skipif(bool(MISSING), reason=MISSING)]

MakeGate = Callable[..., tuple[GateProcess, Pebble]]


@pytest.fixture
def make_gate(tmp_path: Path, origin: Origin) -> Iterator[MakeGate]:
    """
    A gate and a CA that looks for the gate's answers: C{make_gate(environ={...}, challenge="dns-01")}.
    """
    running: list[Any] = []

    def make(
        *, workers: int = 2, environ: dict[str, str] | None = None, directory: str = "", **settings: Any
    ) -> tuple[GateProcess, Pebble]:
        folder = tmp_path / f"gate{len(running)}"
        folder.mkdir()
        gate = GateProcess(folder, origin.url, workers=workers)
        ca_folder = tmp_path / f"ca{len(running)}"
        ca_folder.mkdir()
        pebble = Pebble(ca_folder, http_port=gate.http, tls_port=gate.https, environ=environ)
        running.append(pebble.start())
        table = {
            "directory": directory or pebble.directory,
            "ca_file": str(pebble.ca_file),
            "dns_resolver": pebble.dns,
            "http_01_port": gate.http,
            "dns_wait": 0,
            "agree_terms": True,
            **settings,
        }
        # JSON's texts, numbers and booleans are TOML's.
        gate.initial = "[acme]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in table.items())
        running.append(gate)
        gate.start()
        return gate, pebble

    with contextlib.ExitStack() as ending:
        yield make
        for one in running:
            if isinstance(one, Pebble) or (one.process is not None and one.process.poll() is None):
                ending.callback(one.stop)


def order(gate: GateProcess, *names: str, name: str = "web", **more: Any) -> str:
    """
    Begin an order; where it is.
    """
    answer = gate.call("POST", "/api/v1/certificates/acme", {"name": name, "names": list(names), **more})
    assert answer.status == 202, answer
    found = answer.one("Location")
    assert found == f"/api/v1/orders/{answer.json['id']}"
    return found


def end(gate: GateProcess, location: str, state: str = "valid", timeout: float = 60.0) -> Any:
    """
    The order when it has ended.
    """
    give_up = time.monotonic() + timeout
    while time.monotonic() < give_up:
        found = gate.call("GET", location).json
        if found["state"] in ("valid", "invalid", "cancelled"):
            assert found["state"] == state, (found["problem"], found["steps"])
            return found
        time.sleep(0.05)
    raise AssertionError(f"the order does not end: {found}")


def served(gate: GateProcess, name: str) -> x509.Certificate:
    """
    The certificate that a client gets.
    """
    context = unverified()
    with (
        socket.create_connection(("127.0.0.1", gate.https), 10) as plain,
        context.wrap_socket(plain, server_hostname=name) as tls,
    ):
        return x509.load_der_x509_certificate(tls.getpeercert(True) or b"")


@pytest.mark.parametrize("challenge", ["http-01", "tls-alpn-01"])
def test_issue_with_workers(make_gate: MakeGate, challenge: str) -> None:
    """
    With two workers, every one of which may be asked by the CA, an order ends with a certificate that serves, and its
    chain is trusted by whoever trusts the CA's root.
    """
    gate, pebble = make_gate()
    before = gate.call("GET", "/api/v1/status").json["generation"]
    names = ["one.example.com", "two.example.com"]
    location = order(gate, *names, challenge=challenge)
    found = end(gate, location)
    assert found["generation"] == before + 1
    root = pebble.management("roots/0").decode()
    context = ssl.create_default_context(cadata=root)
    for name in names * 4:
        with (
            socket.create_connection(("127.0.0.1", gate.https), 10) as plain,
            context.wrap_socket(plain, server_hostname=name),
        ):
            pass
    shown = gate.call("GET", "/api/v1/certificates/web").json
    assert (shown["source"], shown["names"], shown["fingerprint"]) == ("acme", names, found["fingerprint"])
    assert gate.call("GET", "/api/v1/generations").json["generations"][0]["author"] == "acme"
    metrics = gate.call("GET", "/metrics").content.decode()
    assert 'tlsgate_acme_orders_total{result="valid"} 1.0' in metrics
    (row,) = gate.call("GET", "/api/v1/acme").json["renewals"]
    assert (row["name"], row["failures"]) == ("web", 0)


def test_renewal_under_load(make_gate: MakeGate) -> None:
    """
    While requests run on old and new connections, renewals swap the certificate, and no request fails.
    """
    gate, _ = make_gate()
    end(gate, order(gate, "load.example.com"))
    old = served(gate, "load.example.com")
    stop = threading.Event()
    done: list[int] = []
    failed: list[BaseException | int] = []

    def use(keep: bool) -> None:
        while not stop.is_set():
            try:
                with gate.connection() as connection:
                    for _ in range(50 if keep else 1):
                        connection.request("GET", "/echo", headers={"Host": "load.example.com"})
                        response = connection.getresponse()
                        response.read()
                        if response.status != 200:
                            failed.append(response.status)
                        done.append(1)
                        if stop.is_set():
                            break
            except BaseException as error:
                failed.append(error)
                return

    threads = [threading.Thread(target=use, args=(keep,)) for keep in (True, True, False)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(3):
            answer = gate.call("POST", "/api/v1/certificates/web/renew")
            assert answer.status == 202, answer
            end(gate, answer.one("Location") or "")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert failed == []
    assert len(done) > 50
    assert served(gate, "load.example.com").serial_number != old.serial_number


def test_wildcard_by_dns(make_gate: MakeGate) -> None:
    """
    A wildcard is proven in a real DNS server, by a hook of the administrator's.
    """
    gate, pebble = make_gate(dns_hook="records")
    hooks = gate.state / "acme" / "hooks"
    hooks.mkdir(parents=True, mode=0o700, exist_ok=True)
    program = hooks / "records"
    program.write_text(
        "#!/bin/sh\n"
        'case "$1" in present) call=set-txt;; *) call=clear-txt;; esac\n'
        f"exec curl -sS --fail -X POST http://127.0.0.1:{pebble.control_port}/$call "
        '-d "{\\"host\\": \\"$2.\\", \\"value\\": \\"$3\\"}"\n'
    )
    program.chmod(0o700)
    end(gate, order(gate, "*.wild.example.com", "wild.example.com"))
    assert served(gate, "any.wild.example.com") == served(gate, "wild.example.com")


def test_bad_nonces(make_gate: MakeGate) -> None:
    """
    A CA that refuses most nonces gets its way in the end.
    """
    gate, _ = make_gate(environ={"PEBBLE_WFE_NONCEREJECT": "60"})
    end(gate, order(gate, "nonce.example.com"))


def test_invalid_authorization(make_gate: MakeGate) -> None:
    """
    A name that the CA cannot validate fails the order with a sentence; what serves stays, and the next order works.
    """
    gate, pebble = make_gate()
    before = gate.call("GET", "/api/v1/status").json["generation"]
    pebble.control("add-a", host="far.example.com", addresses=["127.0.0.77"])
    found = end(gate, order(gate, "ok.example.com", "far.example.com"), "invalid")
    assert found["problem"]["code"] == "connection"
    assert "far.example.com" in found["problem"]["detail"]
    assert found["problem"]["said"]
    assert gate.call("GET", "/api/v1/status").json["generation"] == before
    end(gate, order(gate, "ok.example.com"))


@pytest.mark.parametrize("state", ["ordering", "validating", "finalizing", "installing"])
def test_killed(make_gate: MakeGate, state: str) -> None:
    """
    A gate that is killed in the middle of an order takes it up again, or begins it anew, when it is back; nothing of
    the old process is needed.
    """
    gate, _ = make_gate()
    location = order(gate, "killed.example.com")
    seen = ""
    while seen not in (state, "valid"):
        seen = gate.call("GET", location).json["state"]
    gate.stop(signal.SIGKILL)
    gate.start()
    end(gate, location)
    served(gate, "killed.example.com")
    names = [row["name"] for row in gate.call("GET", "/api/v1/certificates").json["certificates"]]
    assert names.count("web") == 1


def test_ca_gone(make_gate: MakeGate) -> None:
    """
    A CA that goes away in the middle of an order and comes back is waited for.
    """
    gate, pebble = make_gate(environ={"PEBBLE_VA_NOSLEEP": "0", "PEBBLE_VA_SLEEPTIME": "2"})
    location = order(gate, "gone.example.com")
    while gate.call("GET", location).json["state"] not in ("validating", "valid"):
        time.sleep(0.01)
    assert pebble.process is not None
    pebble.process.send_signal(signal.SIGSTOP)
    time.sleep(1)
    assert gate.get().status == 200
    pebble.process.send_signal(signal.SIGCONT)
    end(gate, location)


@pytest.mark.slow
def test_fifty(make_gate: MakeGate) -> None:
    """
    Fifty certificates in one run, with never more requests at the CA at once than orders may run.
    """
    gate, _ = make_gate(parallel_orders=4)
    locations = [order(gate, f"n{index}.example.com", name=f"n{index}") for index in range(50)]
    most = 0
    while True:
        orders = gate.call("GET", "/api/v1/orders").json["orders"]
        at_work = sum(one["state"] not in ("queued", "valid", "invalid") for one in orders)
        most = max(most, at_work)
        if all(one["state"] in ("valid", "invalid") for one in orders):
            break
        time.sleep(0.2)
    assert [one["problem"] for one in orders if one["state"] != "valid"] == []
    assert len(locations) == len(orders) == 50
    assert 1 < most <= 4
    for index in (0, 25, 49):
        names = served(gate, f"n{index}.example.com").extensions.get_extension_for_class(x509.SubjectAlternativeName)
        assert names.value.get_values_for_type(x509.DNSName) == [f"n{index}.example.com"]


def test_by_hand(make_gate: MakeGate) -> None:
    """
    An order by hand shows what to put where, goes on by a call, and can be cancelled.
    """
    gate, _ = make_gate()
    location = order(gate, "hand.example.com", manual=True)
    while (found := gate.call("GET", location).json)["state"] != "on-hold":
        time.sleep(0.02)
    (task,) = found["tasks"]
    answer = gate.request("GET", task["path"], secure=False, host="hand.example.com")
    assert (answer.status, answer.content.decode()) == (200, task["content"])
    assert gate.call("POST", f"{location}/proceed").status == 200
    end(gate, location)
    assert gate.request("GET", task["path"], secure=False, host="hand.example.com").content.decode() != task["content"]
    assert gate.call("POST", f"{location}/cancel").code == "in-use"
    assert gate.call("GET", "/api/v1/orders/nosuch").code == "not-found"


def test_revoked(make_gate: MakeGate) -> None:
    """
    One call replaces a certificate by one with a new key and revokes the old one.
    """
    gate, pebble = make_gate()
    end(gate, order(gate, "leaked.example.com"))
    old = served(gate, "leaked.example.com")
    answer = gate.call("POST", "/api/v1/certificates/web/revoke", {"reason": "keyCompromise"})
    end(gate, answer.one("Location") or "")
    assert pebble.status_of(old.serial_number) == "Revoked"
    assert served(gate, "leaked.example.com").public_key() != old.public_key()


def test_refused_at_once(make_gate: MakeGate) -> None:
    """
    What cannot be ordered is refused by the call itself, with a code.
    """
    gate, _ = make_gate(workers=0, agree_terms=False)
    for document, status, code in (
        ({"name": "web", "names": ["a.example.com"]}, 422, "terms-not-agreed"),
        ({"name": "web", "names": ["not a name"]}, 400, "parameter-invalid"),
        ({"name": "web"}, 400, "parameter-invalid"),
        ({"name": "web", "names": ["a.example.com"], "nonsense": 1}, 422, "invalid-settings"),
    ):
        answer = gate.call("POST", "/api/v1/certificates/acme", document)
        assert (answer.status, answer.code) == (status, code), answer
    assert gate.call("POST", "/api/v1/certificates/default/renew").code == "parameter-invalid"
    dry = "/api/v1/certificates/acme?dry_run=true"
    answer = gate.call("POST", dry, {"name": "a.example.com", "agree_terms": True})
    assert (answer.status, answer.json["findings"]) == (200, [])
    assert gate.call("GET", "/api/v1/orders").json == {"orders": []}


def test_events(make_gate: MakeGate) -> None:
    """
    An order can be followed as server-sent events from its state now to its end.
    """
    gate, _ = make_gate()
    location = order(gate, "events.example.com", manual=True)
    command = [
        *("curl", "-sSN", "--max-time", "30", "--cacert", str(gate.state / "admin-ca.pem")),
        *("-H", f"Authorization: Bearer {gate.token}", f"https://127.0.0.1:{gate.admin}{location}/events"),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as following:
        assert following.stdout is not None
        states: list[str] = []
        for line in following.stdout:
            if line.startswith("data: "):
                states.append(json.loads(line[6:])["state"])
                if states[-1] == "on-hold" and states.count("on-hold") == 1:
                    gate.call("POST", f"{location}/proceed")
                if states[-1] == "valid":
                    break
        following.kill()
    assert states[-1] == "valid"
    assert "on-hold" in states


class Ear:
    """
    Whom alerts are posted to.
    """

    def __init__(self) -> None:
        heard: queue.Queue[Any] = queue.Queue()

        class Post(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                heard.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._heard = heard
        self._server = HTTPServer(("127.0.0.1", 0), Post)
        self._serving = threading.Thread(target=self._server.serve_forever)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"

    def __enter__(self) -> Ear:
        self._serving.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._serving.join()
        self._server.server_close()

    def wait(self) -> Any:
        """
        The next that comes.
        """
        return self._heard.get(timeout=30)


def test_failing_renewal_is_told(make_gate: MakeGate, tmp_path: Path) -> None:
    """
    A renewal that fails is a finding, a figure in the metrics and an alert by itself, while the certificate is far from
    its end; all of them end with the next that succeeds.
    """
    folder = tmp_path / "outer"
    folder.mkdir()
    gate, pebble = make_gate()
    end(gate, order(gate, "late.example.com"))

    def failures() -> float:
        text = gate.call("GET", "/metrics").content.decode()
        return float(text.split('\ntlsgate_acme_renewal_failures{name="web"} ')[1].split("\n")[0])

    assert failures() == 0
    front = Front(pebble)
    front.spoil = lambda method, path, content: (
        problem("rejectedIdentifier", 403) if path.startswith("/order-plz") else None
    )
    try:
        answer = gate.call("PATCH", "/api/v1/settings", {"acme": {"directory": front.directory}})
        assert answer.status == 200, answer
        found = gate.call("POST", "/api/v1/certificates/web/renew").json
        end(gate, f"/api/v1/orders/{found['id']}", "invalid")
        codes = [finding["code"] for finding in gate.call("GET", "/api/v1/status").json["findings"]]
        assert "renewal-failing" in codes
        assert failures() == 1
        with Ear() as ear:
            answer = gate.call("PATCH", "/api/v1/settings", {"alerts": {"webhook": ear.url}})
            assert answer.status == 200, answer
            (alert,) = ear.wait()["alerts"]
        assert (alert["code"], alert["subject"]) == ("renewal-failing", "renewal-failing /certificates/web")
        front.spoil = lambda method, path, content: None
        found = gate.call("POST", "/api/v1/certificates/web/renew").json
        end(gate, f"/api/v1/orders/{found['id']}")
        assert failures() == 0
    finally:
        front.stop()


def test_command_line(make_gate: MakeGate) -> None:
    """
    The same from the command line, to the end, with exit status 0; a failed order is exit status 1.
    """
    gate, pebble = make_gate()
    command = [str(Path(sys.executable).with_name("tlsgate")), "--state", str(gate.state)]
    words = ["certificate", "acme", "--name", "cli", "--names", "cli.example.com"]
    done = subprocess.run([*command, *words], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done
    assert served(gate, "cli.example.com")
    pebble.control("add-a", host="far.example.com", addresses=["127.0.0.77"])
    words[-1] = "far.example.com"
    done = subprocess.run([*command, *words], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1, done
    assert "far.example.com" in done.stderr


def test_no_secret_anywhere(make_gate: MakeGate) -> None:
    """
    No key is in the log, and what is kept is private.
    """
    gate, _ = make_gate()
    end(gate, order(gate, "secret.example.com"))
    assert "PRIVATE KEY" not in gate.log()
    with contextlib.suppress(FileNotFoundError):
        for path in (gate.state / "acme").rglob("*"):
            assert path.stat().st_mode & 0o077 == 0, path
