"""
The redirect as clients and administrators meet it, through a real gate.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from _clients import connect_tls, unverified
from _gate import Answer, GateProcess
from _origin import Origin, response

BROWSER = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Accept": "text/html",
}
CURL = {"User-Agent": "curl/8.5.0", "Accept": "*/*"}


@pytest.fixture(scope="module", params=[0, 2])
def redirecting(
    request: pytest.FixtureRequest, module_origin: Origin, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GateProcess]:
    """
    A gate whose only site the tests of this module configure, each for itself.
    """
    running = GateProcess(tmp_path_factory.mktemp("gate"), module_origin.url, workers=request.param).start()
    yield running
    running.stop(timeout=10)


def configure(gate: GateProcess, redirect: dict[str, Any] | None = None, **site: Any) -> None:
    """
    Put the site into exactly this state.
    """
    document = {"name": "default", "hosts": ["*"], "upstream": "app", "redirect": redirect or {}, **site}
    answer = gate.call("PUT", "/api/v1/sites/default?force=default", document)
    assert answer.status == 200, answer


def plain(gate: GateProcess, target: str = "/echo", method: str = "GET", **options: Any) -> Answer:
    return gate.request(method, target, secure=False, **options)


def eventually(what: Callable[[], bool]) -> None:
    """
    Other processes are asked once in a while only.
    """
    end = time.monotonic() + 5
    while not what():
        assert time.monotonic() < end
        time.sleep(0.1)


def findings(gate: GateProcess) -> dict[str, dict[str, str]]:
    return {finding["code"]: finding for finding in gate.call("GET", "/api/v1/status").json["findings"]}


REQUESTS = [
    ("GET", "/", BROWSER, None),
    ("HEAD", "/a%2Fb?c=d&e=%20", BROWSER, None),
    ("GET", "/api/x", CURL, None),
    ("POST", "/echo", CURL, b"data"),
    ("GET", "/exempt/x", BROWSER, None),
    ("GET", "/echo", {**BROWSER, "Authorization": "Basic eDp5"}, None),
    ("POST", "/login", {"User-Agent": "Java/21.0.4"}, b"user=x"),
    ("GET", "/echo", {"User-Agent": "x", "Sec-Fetch-Mode": "navigate"}, None),
    ("GET", "/.well-known/acme-challenge/none", CURL, None),
]


@pytest.mark.parametrize("mode", ["disabled", "report", "browsers", "all"])
@pytest.mark.parametrize("credentials", ["count", "refuse"])
def test_explanation_and_reality_agree(redirecting: GateProcess, mode: str, credentials: str) -> None:
    """
    For every kind of request the gate does what the API explains.
    """
    gate = redirecting
    configure(gate, {"mode": mode, "exempt": ["/exempt"]}, plaintext_credentials=credentials)
    for method, target, fields, content in REQUESTS:
        asked = {"method": method, "target": target, "host": "localhost", "headers": fields, "client_ip": "127.0.0.1"}
        explained = gate.call("POST", "/api/v1/redirect/explain", asked).json
        answer = plain(gate, target, method, fields=fields, content=content)
        assert answer.status == (explained["status"] or 200), (method, target, explained)
        assert answer.one("Location") == (explained["location"] if explained["redirected"] else None)
        assert explained["explanation"]


def test_soak_then_promotion(redirecting: GateProcess) -> None:
    """
    The redirect is temporary and not stored during the soak, permanent afterwards, and temporary again after a change.
    """
    gate = redirecting
    configure(gate, {"mode": "all", "soak": 2.0})
    first = plain(gate)
    assert (first.status, first.one("Cache-Control")) == (307, "no-store")
    assert gate.call("GET", "/api/v1/sites/default/redirect").json["state"]["permanent_at"]
    eventually(lambda: (later := plain(gate)).status == 308 and later.one("Cache-Control") is None)
    configure(gate, {"mode": "all", "soak": 60.0})
    assert plain(gate).status == 307


def test_report_names_who_would_break_and_who_follows(redirecting: GateProcess) -> None:
    """
    The report tells a script that posts from a browser, and finds who has followed the redirect.
    """
    gate = redirecting
    configure(gate, {"mode": "report"})
    assert plain(gate, "/report/a", "POST", fields={"User-Agent": "TeamCity Agent 2026.1"}, content=b"x").status == 200
    assert plain(gate, "/report/b", fields=BROWSER).status == 200
    configure(gate, {"mode": "browsers"})
    assert plain(gate, "/report/b", fields=BROWSER).status == 307
    assert gate.get("/echo", fields=BROWSER).status == 200
    rows = gate.call("GET", "/api/v1/redirect/report").json["rows"]
    ours = {row["user_agent"]: row for row in rows if row["path"] == "/report"}
    assert ours["teamcity-agent"]["verdict"] == "would-break"
    assert (ours["firefox"]["verdict"], ours["firefox"]["count"]) == ("follows", 2)


def test_report_comes_as_events(redirecting: GateProcess) -> None:
    """
    Who uses plain HTTP is told to those who follow the events.
    """
    gate = redirecting
    with connect_tls(gate.admin, context=unverified()) as following:
        head = (
            f"GET /api/v1/events HTTP/1.1\r\nHost: localhost:{gate.admin}\r\nAuthorization: Bearer {gate.token}\r\n\r\n"
        )
        following.sendall(head.encode())
        following.settimeout(10)
        received = following.recv(65536)
        assert b" 200 " in received
        plain(gate, "/told", fields=CURL)
        while b"event: plain_http" not in received or b"/told" not in received:
            received += following.recv(65536)


def test_loop_is_suspended_and_named(redirecting: GateProcess) -> None:
    """
    A proxy that terminates TLS in front is served after three redirects whatever the worker, and the status names the
    missing trusted peer; with that entry it is never redirected, and nothing is said.
    """
    gate = redirecting
    configure(gate, {"mode": "all"})
    proxied = {**BROWSER, "X-Forwarded-Proto": "https", "X-Forwarded-For": "198.51.100.7"}
    answers = [plain(gate, "/looping", fields=proxied).status for _ in range(3)]
    assert answers[:2] == [307, 307]
    # Each connection may come to another worker: what one of them has told must reach all.
    eventually(lambda: "redirect-loop" in findings(gate))
    assert {plain(gate, "/looping", fields=proxied).status for _ in range(20)} == {200}
    finding = findings(gate)["redirect-loop"]
    assert '"127.0.0.1"' in finding["message"]
    assert finding["pointer"] == "/site/0/trusted_peers"
    asked = {"host": "localhost", "client_ip": "127.0.0.1", "headers": proxied}
    assert gate.call("POST", "/api/v1/redirect/explain", asked).json["rule"] == "loop"
    configure(gate, {"mode": "all"}, trusted_peers=["127.0.0.1/32"])
    assert plain(gate, "/trusted", fields=proxied).status == 200
    assert "redirect-loop" not in findings(gate)
    assert gate.call("POST", "/api/v1/redirect/explain", asked).json["rule"] == "secure"


def test_credentials_are_refused_and_counted(redirecting: GateProcess) -> None:
    """
    Refused credentials never reach the upstream, are counted in metrics and status, and stand nowhere.
    """
    gate = redirecting
    configure(gate, {"mode": "all"}, plaintext_credentials="refuse")
    answer = plain(gate, "/secret", fields={"Authorization": "Bearer sesame-open", "Accept": "application/json"})
    assert (answer.status, answer.code) == (403, "credentials-in-clear")
    for number in range(6):
        plain(gate, f"/secret{number}", fields={"Authorization": "Bearer sesame-open"})
    # One fingerprint, whichever worker has seen them.
    rows = gate.call("GET", "/api/v1/redirect/report").json["rows"]
    assert len({row["fingerprint"] for row in rows if row["path"].startswith("/secret")}) == 1
    assert "plaintext-credentials" in findings(gate)
    assert 'tlsgate_plaintext_credentials_total{site="default"}' in gate.call("GET", "/metrics").content.decode()
    shown = json.dumps(gate.call("GET", "/api/v1/redirect/report").json) + gate.log() + gate.access_log.read_text()
    assert "sesame-open" not in shown


def test_offload_is_found_and_fixed(redirecting: GateProcess, module_origin: Origin) -> None:
    """
    An upstream that does not know of its TLS is told by findings; the switch they name fixes it for a site of any host.
    """
    gate = redirecting
    configure(gate)
    wrong = response(302, b"", "Location: http://app.test:8080/next", "Set-Cookie: a=1", "Strict-Transport-Security: x")
    module_origin.answer("/offload", wrong)
    answer = gate.get("/offload", host="app.test")
    assert answer.one("Location") == "http://app.test:8080/next"
    assert {"offload-location", "offload-cookie", "offload-hsts"} <= findings(gate).keys()
    assert "tls_offload_fixes" in findings(gate)["offload-location"]["message"]
    configure(gate, tls_offload_fixes=True)
    for host, location in (
        ("app.test", f"https://app.test:{gate.https}/next"),
        ("b.test", "http://app.test:8080/next"),
    ):
        answer = gate.get("/offload", host=host)
        assert (answer.one("Location"), answer.one("Set-Cookie")) == (location, "a=1; Secure")
    assert "offload-location" not in findings(gate)
